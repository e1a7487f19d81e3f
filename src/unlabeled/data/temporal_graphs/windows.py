"""Which snapshot an event belongs to: windows of one length from a start to an end."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unlabeled.errors import UserError

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
"""Seconds of each unit of time."""

MOST = 100_000
"""Snapshots that a table may be cut into."""

_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([smhdw]?)\s*")


def length(text: str | float, flag: str = "window", dated: bool = True) -> float:
    """`10d`, `6h`, `30m`, `2w`, `90s` in seconds; a number alone is in the table's own unit of time.

    Args:
        text: the length.
        flag: that it was given by.
        dated: whether it is of dates; of other times nobody knows how long a day is.

    Raises:
        UserError: it is none of these, or has a unit and is not of dates.
    """
    found = _LENGTH.fullmatch(str(text))
    if found is None:
        raise UserError(f"--{flag} takes a length such as 10d, 6h, 30m, 2w or a number, got {text!r}.")
    if found[2] and not dated:
        raise UserError(
            f"--{flag} {text} has a unit, and the times of this table are plain numbers and no dates; give it as a "
            "number in their own unit."
        )
    return float(found[1]) * (UNITS[found[2]] if found[2] else 1.0)


@dataclass(frozen=True)
class Windows:
    """Windows of one length.

    Args:
        window: length of one, above 0, as `length` reads it.
        skip_first: from the first event to the start of the first window, at least 0.
        skip_last: from the end that counts to the last event, at least 0.
        outside: what becomes of events before the start or after the end: they are dropped, or they belong to the
            first window and to that of the end.
    """

    window: str | float
    skip_first: str | float = 0
    skip_last: str | float = 0
    outside: Literal["drop", "merge"] = "drop"

    def of(self, times: np.ndarray, dated: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cut events by time.

            snapshot = floor((min(time, end) - start) / window),    start = first + skip_first, end = last - skip_last

        Args:
            times: float64 (E,).
            dated: whether they are dates, in seconds.

        Returns:
            bool (E,), which events stay; int64, the snapshot of each that stays; float64 (T,), where each begins.

        Raises:
            UserError: a length is none, or has a unit and is not of dates; no event stays, or there would be more than
                a hundred thousand snapshots.
        """
        window = length(self.window, "window", dated)
        if window <= 0:
            raise UserError(f"--window takes a length above 0, got {self.window!r}.")
        start = times.min() + length(self.skip_first, "skip-first", dated)
        end = times.max() - length(self.skip_last, "skip-last", dated)
        kept = np.ones(len(times), bool) if self.outside == "merge" else (times >= start) & (times <= end)
        if end < start or not kept.any():
            raise UserError("--skip-first and --skip-last leave no event; lower them.")
        count = np.floor((end - start) / window) + 1
        if count > MOST:
            raise UserError(
                f"--window {self.window} makes {count:,.0f} snapshots, more than {MOST:,}; choose a longer one."
            )
        snapshot = np.floor((np.minimum(times[kept], end) - start) / window)
        return kept, np.maximum(snapshot, 0).astype(np.int64), start + window * np.arange(int(count))
