"""How long a run trains, and when it is saved."""

import time
from dataclasses import dataclass

ENDLESS = 2**62
"""Steps that no run reaches: of a stream without an end."""


@dataclass(frozen=True)
class Budget:
    """How long a run trains and how often it is saved.

    Args:
        steps: of the whole run; the schedule ends there.
        seconds: stop early after this long, or None.
        checkpoint_seconds: time between checkpoints.
        workers: processes that make views; 0 makes them in this one.
        keep: how often on the way, at even distances and at the end, the weights are kept.
    """

    steps: int
    seconds: float | None = None
    checkpoint_seconds: float = 60.0
    workers: int = 0
    keep: int = 0

    def keeps(self, done: int) -> bool:
        """Whether the weights after `done` steps are kept."""
        return self.keep > 0 and done * self.keep // self.steps > (done - 1) * self.keep // self.steps


class Clock:
    """When a run that began now is late, or due for a checkpoint."""

    def __init__(self, budget: Budget, done: int, seconds_before: float) -> None:
        self.budget, self.first, self.seconds_before = budget, done, seconds_before
        self.began = self.saved = time.monotonic()

    def seconds(self) -> float:
        """Training time, that of earlier calls included."""
        return self.seconds_before + time.monotonic() - self.began

    def steps_per_second(self, done: int) -> float:
        """The rate of this call."""
        return (done - self.first) / max(time.monotonic() - self.began, 1e-9)

    def late(self) -> bool:
        """Whether the time of this call is used up."""
        return self.budget.seconds is not None and time.monotonic() - self.began >= self.budget.seconds

    def checkpoint_due(self) -> bool:
        """True once every `checkpoint_seconds`."""
        if time.monotonic() - self.saved < self.budget.checkpoint_seconds:
            return False
        self.saved = time.monotonic()
        return True
