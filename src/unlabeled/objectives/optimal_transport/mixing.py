"""Steps of a fixed-point iteration mixed with those before, and a way back where they go wrong."""

import torch
from torch import Tensor

REACH = 100.0
"""How many times the plain step the next one may be: far from the fixed point differences say little of it."""
NOISE = 1e-6
"""Directions that make less than this share of the differences are left out of the least squares."""


class Mixing:
    """Anderson's mixing (1965; type II of Fang and Saad 2009) of the iteration b <- b + f(b).

    With the last differences dB of points and dF of steps as columns, and t the least-squares solution of dF t = f,

        next = b + a f - (dB + a dF) t

    no further from b than 100 times f. Where the gap does not fall, the next point is b + f of the best point so
    far, and the differences begin anew.

    Args:
        memory: how many differences are kept; 0 gives b + a f.
        relaxation: a.
    """

    def __init__(self, memory: int, relaxation: float) -> None:
        self.memory, self.relaxation = memory, relaxation
        self.points: list[Tensor] = []
        self.steps: list[Tensor] = []
        self.gap = float("inf")
        self.plain = True

    def next(self, point: Tensor, step: Tensor, gap: float) -> Tensor:
        """The point to try next.

        Args:
            point: b, (K,).
            step: f(b), (K,).
            gap: how far b is from the fixed point, in a measure that b + f never raises.
        """
        if gap >= self.gap and not self.plain:
            point, step = self.points[-1], self.steps[-1]
            self.points, self.steps, self.plain = [point], [step], True
            return point + step
        self.gap, self.plain = gap, False
        self.points, self.steps = [*self.points, point][-self.memory - 1 :], [*self.steps, step][-self.memory - 1 :]
        if len(self.points) == 1:
            return point + self.relaxation * step
        points, steps = torch.stack(self.points, 1).diff(), torch.stack(self.steps, 1).diff()  # (K, memory)
        parts: Tensor = torch.linalg.lstsq(steps, step[:, None], rcond=NOISE, driver="gelsd").solution  # (memory, 1)
        way = self.relaxation * step - torch.mv(points + self.relaxation * steps, parts[:, 0])
        return point + way * min(1.0, REACH * float(step.abs().max() / way.abs().max()))
