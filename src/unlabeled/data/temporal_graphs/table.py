"""A table of timed links on disk: CSV or parquet, every bad row told by its number."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.data.skipped import Skipped
from unlabeled.errors import UserError

NAMES = {
    "source": ("source", "src", "from"),
    "target": ("target", "dst", "to"),
    "time": ("time", "timestamp", "unixtime"),
    "snapshot": ("snapshot",),
    "weight": ("weight",),
}
"""What a column is for to what it may be called."""

HEAVIEST = 1e30
"""Weight that a link may have; sums of larger ones would leave float32."""

SEPARATORS = (",", "\t", ";", " ")
MAGIC = b"PAR1"


@dataclass(frozen=True)
class Events:
    """Timed links, in the order of the table, without its bad rows.

    Args:
        source: int64 (E,), places in `names`.
        target: int64 (E,), the same.
        time: float64 (E,), or None where the table has no such column.
        snapshot: int64 (E,), at least 0, or None.
        weight: float64 (E,), above 0; ones where the table has no such column.
        names: of the nodes.
        dated: whether times are seconds since 1970.
        skipped: the bad rows, by their number: the first below the header is row 1.
    """

    source: np.ndarray
    target: np.ndarray
    time: np.ndarray | None
    snapshot: np.ndarray | None
    weight: np.ndarray
    names: list[str]
    dated: bool
    skipped: list[Skipped]


def is_events(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a table with a source and a target, by its header alone."""
    try:
        if _is_parquet(path):
            import pyarrow.parquet as pq

            names = pq.read_schema(path).names
        else:
            names = _header(path)[0]
    except Exception:
        return False
    found = columns_of(names)
    return "source" in found and "target" in found


def columns_of(names: list[str]) -> dict[str, str]:
    """What each column is for, by `NAMES`: "source" to the name that the table has for it."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    return {use: lower[each] for use, known in NAMES.items() for each in reversed(known) if each in lower}


def read_events(path: str | os.PathLike[str]) -> Events:
    """Read a table of timed links.

    Args:
        path: CSV (comma, tab, semicolon or space; UTF-8; a header) or parquet with the columns `source` and `target`
            (whole numbers or text; also `src`, `from`, `dst`, `to`), and `time` (numbers, ISO 8601 text or
            timestamps; also `timestamp`, `unixtime`) or `snapshot` (whole numbers of at least 0), or both; `weight`
            (above 0, up to 1e30) where there is one.

    Returns:
        The good rows; rows of which a cell is missing or wrong are in `skipped`, each with its number.

    Raises:
        UserError: no such file, no such table, a column missing, or no good row.
    """
    import pyarrow as pa

    shown = repr(os.fspath(path))
    if not Path(path).is_file():
        raise UserError(f"there is no file {shown}; give a CSV or parquet file with the columns source,target,time.")
    table, bad, total = _parquet(path, shown) if _is_parquet(path) else _csv(path, shown)
    found = columns_of(table.column_names)
    lacking = [use for use in ("source", "target") if use not in found]
    if not {"time", "snapshot"} & found.keys():
        lacking.append("time")
    if lacking:
        have = ", ".join(table.column_names) or "none"
        raise UserError(
            f"{shown} lacks the column {lacking[0]!r} (it has: {have}); name its columns source,target,time."
        )
    try:
        return _events(table, found, bad, total, shown)
    except pa.ArrowException as problem:
        reason = " ".join(str(problem).split())[:120]
        raise UserError(
            f"{shown} has a column of no kind that is known here ({reason}); make it numbers or text."
        ) from None


def _events(table: Any, found: dict[str, str], lost: dict[int, str], total: int, shown: str) -> Events:
    """Arrow's columns as arrays; `lost` are rows, by number, that are not in the table."""
    from unlabeled.data.temporal_graphs import columns

    bad: dict[int, str] = {}

    def column(use: str) -> Any:
        return columns.plain(table.column(found[use])).combine_chunks() if use in found else None

    source, target, names = columns.node_codes(column("source"), column("target"), bad)
    time, dated = columns.times(column("time"), bad) if "time" in found else (None, False)
    snapshot = columns.whole_numbers(column("snapshot"), bad, "snapshot") if "snapshot" in found else None
    weight = columns.numbers(column("weight"), bad, "weight") if "weight" in found else np.ones(len(source))
    for row in np.flatnonzero((weight <= 0) | (weight > HEAVIEST)).tolist():
        bad.setdefault(
            row, f"the weight {weight[row]:g} is not above 0" + (f" and up to {HEAVIEST:g}" if weight[row] > 0 else "")
        )
    good = np.ones(len(source), bool)
    good[list(bad)] = False
    if not good.any():
        first = next(iter([*lost.values(), *bad.values()]), "it has no rows")
        raise UserError(f"no row of {shown} can be read ({first}); mend the table.")
    numbers = np.delete(np.arange(total), list(lost)) if lost else range(total)  # a row's number in the file
    told = {**lost, **{int(numbers[row]): reason for row, reason in bad.items()}}
    return Events(
        source[good],
        target[good],
        None if time is None else time[good],
        None if snapshot is None else snapshot[good],
        weight[good],
        names,
        dated,
        [Skipped(f"row {row + 1}", told[row]) for row in sorted(told)],
    )


def _is_parquet(path: str | os.PathLike[str]) -> bool:
    with Path(path).open("rb") as file:
        return file.read(4) == MAGIC


def _header(path: str | os.PathLike[str]) -> tuple[list[str], str]:
    """The names in a CSV file's first line, and what stands between them."""
    with Path(path).open(encoding="utf-8-sig") as file:
        line = file.readline(100_000).strip()
    separator = next((each for each in SEPARATORS if each in line), ",")
    return [name.strip().strip('"') for name in line.split(separator)], separator


def _csv(path: str | os.PathLike[str], shown: str) -> tuple[Any, dict[int, str], int]:
    """The columns that matter, as text; rows with too many or too few fields, by number; how many rows there are."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    lost: dict[int, str] = {}

    def note(row: Any) -> str:
        lost[row.number - 2] = f"{row.actual_columns} fields and not {row.expected_columns}"  # number 1 is the header
        return "skip"

    try:
        names, separator = _header(path)
        wanted = list(dict.fromkeys(columns_of(names).values()))
        table = pacsv.read_csv(
            path,
            pacsv.ReadOptions(use_threads=False, column_names=names, skip_rows=1),
            pacsv.ParseOptions(delimiter=separator, invalid_row_handler=note),
            pacsv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())),
        )
    except (UnicodeDecodeError, pa.ArrowException) as problem:
        reason = " ".join(str(problem).split()).split(". ")[0][:120]
        raise UserError(f"{shown} cannot be read as a table ({reason}); give CSV in UTF-8 or parquet.") from None
    return table, lost, len(table) + len(lost)


def _parquet(path: str | os.PathLike[str], shown: str) -> tuple[Any, dict[int, str], int]:
    """The columns that matter, as they are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        wanted = list(columns_of(pq.read_schema(path).names).values())
        table = pq.read_table(path, columns=wanted)
    except (pa.ArrowException, OSError) as problem:
        reason = " ".join(str(problem).split()).split(". ")[0][:120]
        raise UserError(f"{shown} is no sound parquet file ({reason}); fetch or write it again.") from None
    return table, {}, len(table)
