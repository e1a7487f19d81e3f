"""Ctrl-C and SIGTERM end a run after the step at hand, so that what was learnt is kept."""

import signal
import threading
from types import FrameType, TracebackType

from unlabeled.distributed import same_everywhere, world_size


class StopSignals:
    """While entered, the first SIGINT or SIGTERM sets `asked`; the next one acts as ever.

    Outside the main thread, where Python allows no handlers, nothing is caught.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def agreed(self, done: int, late: bool) -> bool:
        """Whether all processes stop after `done` steps, because a signal came to one or one is `late`.

        One process stops at once; several stop at the next tenth step, where they ask each other, so that all
        stop at the same one.
        """
        stop = self.asked or late
        if world_size() == 1:
            return stop
        return done % 10 == 0 and same_everywhere(stop)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
