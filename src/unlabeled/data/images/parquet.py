"""Parquet files with a column of pictures: bytes, or the form of Hugging Face's data sets."""

import hashlib
import re
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.data.images.collection import Images
from unlabeled.data.images.columns import Answers, bytes_of, picture_column
from unlabeled.data.images.folder import nothing, stamps_of
from unlabeled.data.images.header import Look, look_at_bytes
from unlabeled.data.images.labels import number
from unlabeled.data.images.names import Names
from unlabeled.data.images.packed import refuse_bomb
from unlabeled.data.images.pixels import decode_bytes, reason_of
from unlabeled.data.skipped import Skipped
from unlabeled.errors import Unreadable, UserError

PARQUET = re.compile(r"\.(parquet|pq)$", re.IGNORECASE)
"""Names of parquet files."""

_MAGIC = b"PAR1"
_EMPTY = "the row holds no picture"
_CACHE = 128 << 20  # bytes of row groups that a process keeps


@dataclass(frozen=True)
class Group:
    """A row group.

    Args:
        path: the parquet file.
        column: the column of pictures; of a struct, the field after a dot.
        number: which group of the file.
        rows: how many it has.
    """

    path: str
    column: str
    number: int
    rows: int

    def pictures(self) -> Any:
        """The group's pictures, an Arrow array of `rows` byte strings, null where there is none."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            refuse_bomb(*bytes_of(file, self.number, self.column), repr(self.path))
            # One thread: Arrow's own do not survive a fork.
            table = file.read_row_group(self.number, [self.column], use_threads=False)
        return table.flatten().column(0)


@dataclass
class _Index:
    """What the files hold: groups, and of each picture its name, place as `Rows` has it, shorter side and label."""

    groups: list[Group] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    places: "array[int]" = field(default_factory=lambda: array("q"))
    sides: "array[int]" = field(default_factory=lambda: array("q"))
    labels: list[str | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


class Rows:
    """The reader of pictures in parquet files.

    A row group is read whole for the first picture that is asked for and kept while there is room, so that memory does
    not grow with the data set. Files are opened anew each time: safe for threads, forks and other processes.

    Args:
        groups: the row groups.
        names: N names.
        places: int64 (N, 2): number of the group, row in it.
        sides: int64 (N,), the shorter side of each picture.
    """

    def __init__(self, groups: Sequence[Group], names: Sequence[str], places: np.ndarray, sides: np.ndarray) -> None:
        self.groups, self.names, self.places, self.sides = list(groups), Names(names), places, sides
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """See `Reader`."""
        name, (group, within) = self.names[row], self.places[row].tolist()
        try:
            content = self._pictures(group)[within].as_py()
        except Exception as error:
            raise Unreadable(name, reason_of(error)) from None
        if content is None:
            raise Unreadable(name, _EMPTY)
        return decode_bytes(content, name, at_least)

    def side(self, row: int) -> int:
        """See `Reader`."""
        return int(self.sides[row])

    def fingerprint(self, rows: np.ndarray) -> str:
        """See `Reader`: of names, and of each file's length and time of change when first asked for."""
        digest = hashlib.blake2b(b"parquet", digest_size=16)
        digest.update(self.names.joined(rows))
        digest.update(self._stamps[self.places[rows, 0]].tobytes())
        return digest.hexdigest()

    @cached_property
    def _stamps(self) -> np.ndarray:
        """Those of every group's file."""
        paths = list(dict.fromkeys(group.path for group in self.groups))
        return stamps_of(paths)[[paths.index(group.path) for group in self.groups]]

    def _pictures(self, group: int) -> Any:
        """A group's pictures; no lock, which a fork could leave locked: at worst two threads read it twice."""
        found = self._kept.get(group)
        if found is None:
            found = self._kept[group] = self.groups[group].pictures()
            while len(self._kept) > 1 and sum(each.nbytes for each in list(self._kept.values())) > _CACHE:
                self._kept.popitem(last=False)
        return found


def is_parquet(path: str) -> bool:
    """Whether a regular file is a parquet file, by its name or its first bytes."""
    if PARQUET.search(path):
        return True
    try:
        with Path(path).open("rb") as file:
            return file.read(4) == _MAGIC
    except OSError:
        return False


def open_parquet(paths: Sequence[str], prefixes: Sequence[str], place: str) -> Images:
    """The pictures of parquet files in the order of files and rows, named by their rows.

    Pictures are the column of bytes, or of structs with the field `bytes`; of several, the one called `image`. Labels
    are the column `label`, else `class`: whole numbers (-1, null or NaN: unlabelled) or text; numbers that the file
    gives names to, as Hugging Face's data sets do, are called by them.

    Args:
        paths: the files, absolute.
        prefixes: what stands before the names of each one's rows.
        place: what the user gave.

    Raises:
        UserError: a file without such a column, labels of another type, or no readable picture in any.
    """
    index = _Index()
    for path, prefix in zip(paths, prefixes, strict=True):
        try:
            _add(index, path, prefix)
        except UserError:
            raise
        except Exception as error:  # Arrow's own: no parquet file, or a damaged one
            reason = f"no sound parquet file ({_first_sentence(error)})"
            if len(paths) == 1:
                raise UserError(f"{path!r} is {reason}; fetch or write it again.") from None
            index.skipped.append(Skipped(prefix.rstrip("/"), reason))
    index.skipped.sort()
    if not index.names:
        raise UserError(nothing(place, index.skipped, 0))
    places = np.array(index.places, np.int64).reshape(-1, 2)
    reader = Rows(index.groups, index.names, places, np.array(index.sides, np.int64))
    answers = number(index.labels) if any(index.labels) else None
    return Images(place, index.names, reader, answers, index.skipped)


def _add(index: _Index, path: str, prefix: str) -> None:
    """Add what one file holds."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        column = picture_column(file.schema_arrow, repr(path))
        labels = Answers.of(file.schema_arrow, repr(path))
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        for number, (size, first) in enumerate(zip(sizes, np.cumsum([0, *sizes]).tolist(), strict=False)):
            group = Group(path, column, number, size)
            try:
                pictures = group.pictures()
                answers = labels.read(file, number) if labels else [None] * size
            except UserError:
                raise
            except Exception as error:
                name = f"{prefix}{first}-{first + size - 1}"
                index.skipped.append(Skipped(name, f"the row group cannot be read ({_first_sentence(error)})"))
                continue
            index.groups.append(group)
            _add_rows(index, prefix, first, pictures, answers)


def _add_rows(index: _Index, prefix: str, first: int, pictures: Any, labels: Sequence[str | None]) -> None:
    """Add the rows of the group that was added last; `first` is the file's number of its first row."""
    for row, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        content = picture.as_py()
        seen = Look(_EMPTY) if content is None else look_at_bytes(content)
        name = f"{prefix}{first + row}"
        if seen.reason is not None:
            index.skipped.append(Skipped(name, seen.reason))
            continue
        index.names.append(name)
        index.places.extend((len(index.groups) - 1, row))
        index.sides.append(seen.side)
        index.labels.append(label)


def _first_sentence(error: Exception) -> str:
    """What Arrow says, without its advice."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")[:80] or type(error).__name__
