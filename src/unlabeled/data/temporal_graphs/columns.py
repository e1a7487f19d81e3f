"""Columns of a table as numbers: nodes, times, snapshots and weights, with a reason for each cell that is none."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
"""Text that is a number."""
DIGITS = r"^\s*[0-9]{1,19}\s*$"
"""Text that is a whole number as it stands."""

Bad = dict[int, str]
"""Place of a row to what is wrong with it."""


def plain(column: Any) -> Any:
    """A column of any Arrow type without dictionary, text as strings of one kind."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


def node_codes(source: Any, target: Any, bad: Bad) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two columns of node names as numbers.

    Args:
        source: an Arrow array of whole numbers or text.
        target: the same.
        bad: rows with an empty name are added.

    Returns:
        int64 (E,) and (E,), places in the third, the names as text, each once.
    """
    columns = [_names_of(column) for column in (source, target)]
    for word, column in zip(("source", "target"), columns, strict=True):
        empty = pc.fill_null(pc.equal(column, ""), True) if pa.types.is_string(column.type) else pc.is_null(column)
        for row in np.flatnonzero(empty.to_numpy(zero_copy_only=False)).tolist():
            bad.setdefault(row, f"no {word}")
    if columns[0].type != columns[1].type:
        columns = [column.cast(pa.string()) for column in columns]
    coded = pa.concat_arrays(columns).dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = [str(name) for name in coded.dictionary.to_pylist()]
    return codes[: len(source)], codes[len(source) :], names


def _names_of(column: Any) -> Any:
    large = pa.types.is_uint64(column.type) and (pc.max(column).as_py() or 0) > np.iinfo(np.int64).max
    if pa.types.is_integer(column.type) and not large:
        return column.cast(pa.int64())
    return pc.utf8_trim_whitespace(column.cast(pa.string()))


def times(column: Any, bad: Bad) -> tuple[np.ndarray, bool]:
    """A column of times as float64 (E,), and whether they are dates, in seconds since 1970.

    Numbers are taken as they are: as dates where all lie between 1973 and 2286. Timestamps and ISO 8601 text are UTC
    where they name no zone.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        seconds = pc.cast(column.cast(pa.timestamp("us"), safe=False), pa.int64()).to_numpy(zero_copy_only=False)
        _note_missing(np.isnan(seconds.astype(np.float64)), bad, "no time")
        return seconds.astype(np.float64) / 1e6, True
    if not pa.types.is_string(column.type):
        return _plain(column, bad)
    numeric = pc.fill_null(pc.match_substring_regex(column, NUMBER), False).to_numpy(zero_copy_only=False)
    if 2 * numeric.sum() >= len(numeric):
        return _plain(column, bad)
    return _dates(column, bad), True


def _plain(column: Any, bad: Bad) -> tuple[np.ndarray, bool]:
    values = numbers(column, bad, "time")
    return values, bool(((values >= 1e8) & (values < 1e10) | np.isnan(values)).all())


def _dates(column: Any, bad: Bad) -> np.ndarray:
    """ISO 8601 text as seconds since 1970; each distinct text is read once."""
    coded = column.dictionary_encode()
    seconds = np.array([_seconds(text) for text in coded.dictionary.to_pylist()] + [np.nan])
    values: np.ndarray = seconds[coded.indices.fill_null(len(seconds) - 1).to_numpy(zero_copy_only=False)]
    for row in np.flatnonzero(np.isnan(values)).tolist():
        bad.setdefault(row, f"the time {column[row].as_py()!r} is no date like the others")
    return values


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return float("nan")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def numbers(column: Any, bad: Bad, word: str) -> np.ndarray:
    """A column of finite numbers as float64 (E,); NaN where there is none."""
    if pa.types.is_string(column.type):
        fits = pc.fill_null(pc.match_substring_regex(column, NUMBER), False)
        found = pc.if_else(fits, pc.utf8_trim_whitespace(column), pa.scalar(None, column.type)).cast(pa.float64())
    else:
        found = column.cast(pa.float64(), safe=False)
    values = np.asarray(found.to_numpy(zero_copy_only=False), np.float64)
    wrong = np.flatnonzero(~np.isfinite(values)).tolist()
    for row in wrong:
        text = column[row].as_py()
        bad.setdefault(row, f"no {word}" if text in (None, "") else f"the {word} {text!r} is no number")
    return values


def whole_numbers(column: Any, bad: Bad, word: str) -> np.ndarray:
    """A column of whole numbers from 0 below 2^63 as int64 (E,), to the last digit; 0 where there is none."""
    values = numbers(column, bad, word)
    fits = (values >= 0) & (values < 2.0**63) & (values == np.floor(values))
    for row in np.flatnonzero(np.isfinite(values) & ~fits).tolist():
        bad.setdefault(row, f"the {word} {values[row]:g} is no whole number of at least 0 and below 2^63")
    found: np.ndarray = np.where(fits, values, 0).astype(np.int64)
    if pa.types.is_string(column.type):
        whole = pc.fill_null(pc.match_substring_regex(column, DIGITS), False).to_numpy(zero_copy_only=False)
        whole, column = whole & fits, pc.utf8_trim_whitespace(column)
    else:
        whole = fits & pa.types.is_integer(column.type)
    exact = column.filter(pa.array(whole)).cast(pa.int64())  # beyond 2^53 a float has no place for the last digits
    found[whole] = exact.to_numpy(zero_copy_only=False)
    return found


def _note_missing(missing: np.ndarray, bad: Bad, reason: str) -> None:
    for row in np.flatnonzero(missing).tolist():
        bad.setdefault(row, reason)
