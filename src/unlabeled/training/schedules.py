"""Learning-rate schedules: pure functions of the step, so that a resumed run needs no state of theirs."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

Schedule = Callable[[int], float]
"""Step (from 0) to the factor on the base learning rate, 0 to 1."""


def cosine(steps: int, warmup_steps: int = 0) -> Schedule:
    """Linear warm-up from exactly 0, then half a cosine from 1 to 0 (SimCLR, official code, `model_util.py`).

        step < warmup:  step / warmup
        else:           (1 + cos(pi (step - warmup) / (steps - warmup))) / 2

    Args:
        steps: of the whole run, at least 1.
        warmup_steps: 0 to `steps`.

    Raises:
        ValueError: a number outside its range.
    """
    if steps < 1 or not 0 <= warmup_steps <= steps:
        raise ValueError(f"cosine takes steps of at least 1 and a warm-up within them, got {steps} and {warmup_steps}")

    def factor(step: int) -> float:
        if step < warmup_steps:
            return step / warmup_steps
        progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    return factor


def drops(at: Sequence[float], steps: int, warmup_steps: int = 0) -> Schedule:
    """Linear warm-up from exactly 0, then a tenth of the rate after each of some shares of the run.

        step < warmup:  step / warmup
        else:           10^-(number of shares a with step >= a steps)

    Args:
        at: shares of the steps, rising within (0, 1].
        steps: of the whole run, at least 1.
        warmup_steps: 0 to `steps`.

    Raises:
        ValueError: a number outside its range.
    """
    if steps < 1 or not 0 <= warmup_steps <= steps or not all(0 < share <= 1 for share in at):
        raise ValueError(f"drops takes steps of at least 1, a warm-up within them and shares of them, got {at}")

    def factor(step: int) -> float:
        if step < warmup_steps:
            return step / warmup_steps
        return 0.1 ** sum(step >= share * steps for share in at)

    return factor


DecayName = Literal["three-drops", "two-drops", "thirds", "cosine"]

DECAYS: dict[DecayName, Callable[[int, int], Schedule]] = {
    "three-drops": partial(drops, (0.375, 0.75, 0.875)),  # SeLa on ImageNet: epochs 150, 300 and 350 of 400
    "two-drops": partial(drops, (0.6, 0.8)),  # SeLa on CIFAR: epochs 240 and 320 of 400
    "thirds": partial(drops, (1 / 3, 2 / 3, 8 / 9)),  # its training with rotations: epochs 30, 60 and 80 of 90
    "cosine": cosine,
}
"""(steps, steps of warm-up) -> schedule."""
