"""Labels: numbers for names, and the CSV file that gives them."""

import csv
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlabeled.data.skipped import Skipped
from unlabeled.errors import UserError

UNLABELLED = -1

WHOLE = re.compile(r"-?[0-9]{1,18}")
"""Text that is a whole number of 64 bits."""


@dataclass(frozen=True)
class Labels:
    """The labels of N pictures.

    Args:
        values: int64 (N,), places in `classes`, -1 where unlabelled.
        classes: the classes' names, each once.
    """

    values: np.ndarray
    classes: list[str]


def number(names: Sequence[str | None]) -> Labels:
    """Number the names of classes: in the order of whole numbers where all are such, else of their characters.

    Args:
        names: one a picture; None or "" where unlabelled.
    """
    used = {name for name in names if name}
    if all(WHOLE.fullmatch(name) for name in used):
        classes = sorted(used, key=lambda name: (int(name), name))
    else:
        classes = sorted(used)
    place = {name: label for label, name in enumerate(classes)}
    values = [place[name] if name else UNLABELLED for name in names]
    return Labels(np.array(values, dtype=np.int64), classes)


def number_array(labels: object, count: int, place: str) -> Labels:
    """Labels as an array gives them: whole numbers (-1: unlabelled) or text (empty: unlabelled).

    Args:
        labels: anything that NumPy can make an array of shape (N,) or (N, 1) of.
        count: N.
        place: where they come from, for messages.

    Raises:
        UserError: another shape, length or type; whole numbers below -1.
    """
    try:
        values = np.asarray(labels)
    except Exception as error:
        raise UserError(
            f"the labels of {place} are no array ({type(error).__name__}); give one label a picture."
        ) from None
    if values.shape not in ((count,), (count, 1)):
        raise UserError(f"{place} has labels of shape {values.shape} for {count} pictures; give one label a picture.")
    values = values.reshape(count)
    if values.dtype.kind in "US":
        texts = [
            value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
            for value in values.tolist()
        ]
        return number(texts)
    if values.dtype.kind not in "biu":
        raise UserError(f"{place} has labels of type {values.dtype}; labels are whole numbers or text.")
    values = values.astype(np.int64) if values.dtype != np.uint64 else values
    if count and int(values.min()) < UNLABELLED:
        raise UserError(f"{place} has the label {int(values.min())}; labels are at least 0, or -1 for unlabelled.")
    return number([None if value == UNLABELLED else str(value) for value in values.tolist()])


def read_csv(path: str | os.PathLike[str], names: list[str], place: str) -> tuple[Labels, list[Skipped]]:
    """The labels that a CSV file with the columns `path` and `label` gives to pictures.

    Args:
        path: the CSV file, UTF-8. An empty label means unlabelled; other columns are ignored.
        names: the pictures' names. The column `path` holds such names, or paths inside `place`.
        place: what was opened: absolute paths below it are understood.

    Returns:
        The labels, N of them (-1 for a picture without a row), and the rows whose picture is not there.

    Raises:
        UserError: no such file, not UTF-8, not CSV, a column missing, a row too short, two labels for one picture,
            or no row that belongs to a picture.
    """
    index = {name: row for row, name in enumerate(names)}
    found: list[str | None] = [None] * len(names)
    absent = []
    shown = repr(os.fspath(path))
    seen: dict[str, str] = {}
    for line, picture, label in _rows(path, shown):
        row = _locate(picture, index, place)
        if row is None:
            absent.append(Skipped(picture, f"in {Path(path).name} (line {line}) but not among the pictures"))
        elif seen.setdefault(names[row], label) != label:
            raise UserError(
                f"{shown} gives {names[row]!r} two labels, {seen[names[row]]!r} and {label!r} (line {line}); keep one."
            )
        else:
            found[row] = label
    if not seen:
        raise UserError(
            f"no path in {shown} is a picture of {place}; write paths relative to it, such as {names[0]!r}."
        )
    return number(found), absent


def _rows(path: str | os.PathLike[str], shown: str) -> Iterator[tuple[int, str, str]]:
    """(line number, path, label) of every row."""
    if not Path(path).is_file():
        raise UserError(f"the labels {shown} are no file; give a CSV file with the header path,label.")
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file, strict=True, skipinitialspace=True)
            header = [column.strip() for column in next(table, [])]
            if "path" not in header or "label" not in header:
                lacking = "label" if "path" in header else "path"
                raise UserError(f"{shown} lacks the column {lacking!r}; its first line must be path,label.")
            columns = header.index("path"), header.index("label")
            for fields in table:
                if fields and len(fields) <= max(columns):
                    raise UserError(
                        f"line {table.line_num} of {shown} has {len(fields)} of {len(header)} fields; complete it."
                    )
                if fields:
                    yield table.line_num, fields[columns[0]], fields[columns[1]].strip()
    except UnicodeDecodeError:
        raise UserError(f"{shown} is not UTF-8 text; save it as UTF-8.") from None
    except (csv.Error, OSError) as error:
        raise UserError(f"{shown} cannot be read as CSV ({error}); mend or replace it.") from None


def _locate(picture: str, index: dict[str, int], place: str) -> int | None:
    """The row of a path as people write it, or None."""
    if picture in index:
        return index[picture]
    tidy = posixpath.normpath(picture.strip().replace("\\", "/"))
    root = place.replace("\\", "/").rstrip("/") + "/"
    return index.get(tidy.removeprefix(root))
