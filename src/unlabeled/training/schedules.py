"""Learning-rate schedules: pure functions of the step, so that a resumed run needs no state of theirs."""

import math
from collections.abc import Callable

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
