"""Progress that a person can read: rate, time left, loss; on standard error, and quiet where nobody looks."""

import sys
import time
from types import TracebackType

from unlabeled.distributed import rank


def duration(seconds: float) -> str:
    """`75` to `1:15`, `4000` to `1:06:40`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def pace(rate: float, unit: str) -> str:
    """A rate a second as a number that can be read: `1,200 images/s`, `2.5 steps/min`, `1.2 steps/h`.

    Args:
        rate: of units a second, at least 0.
        unit: in the plural.
    """
    number, period = rate, "s"
    for times, name in ((60, "min"), (60, "h")):
        if 0 < number < 1:
            number, period = number * times, name
    return f"{number:,.0f} {unit}/{period}" if number >= 10 else f"{number:.1f} {unit}/{period}"


class Progress:
    """One line about a loop of known length: redrawn on a terminal, else printed every ten seconds.

    Args:
        what: the verb, for example "training".
        total: units of work in all, including those done before.
        unit: what is counted by the rate, for example "images".
        start: units done before, which the rate leaves out.
        weight: how many `unit` one unit of work is.
        show: false for silence; of several processes only the first says anything.
        patience: seconds in which a terminal is left as it is, for what is mostly over sooner.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        start: int = 0,
        weight: float = 1.0,
        show: bool = True,
        patience: float = 0.0,
    ) -> None:
        self.what, self.total, self.unit, self.start, self.weight = what, total, unit, start, weight
        self.show, self.terminal = show and rank() == 0, sys.stderr.isatty()
        self.began = self.drawn = time.monotonic()
        self.quiet_until = self.began + patience

    def __enter__(self) -> "Progress":
        return self

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` units are done in all; draws at most ten times a second."""
        now = time.monotonic()
        if not self.show or now - self.drawn < (0.1 if self.terminal else 10.0) or now < self.quiet_until:
            return
        self.drawn = now
        rate = (done - self.start) / max(now - self.began, 1e-9)
        left = duration((self.total - done) / rate) if rate > 0 else "?"
        line = f"{self.what} {done}/{self.total}  {pace(rate * self.weight, self.unit)}  {left} left  {note}".rstrip()
        sys.stderr.write(f"\r\033[K{line}" if self.terminal else f"{line}\n")
        sys.stderr.flush()

    def say(self, line: str) -> None:
        """Print a line of its own above the progress."""
        if self.show:
            sys.stderr.write(f"\r\033[K{line}\n" if self.terminal else f"{line}\n")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.show and self.terminal and time.monotonic() >= self.quiet_until:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
