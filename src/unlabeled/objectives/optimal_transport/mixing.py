"""Steps of a fixed-point iteration mixed with those before, and a way back where they go wrong."""

import torch
from torch import Tensor


class Mixing:
    """Anderson's mixing (1965; type II of Fang and Saad 2009) of the iteration b <- b + f(b).

    With the last differences dB of points and dF of steps as columns, and t the least-squares solution of dF t = f,

        next = b + a f - (dB + a dF) t

    Where the gap rises the next point is b + f of the best point so far, and the differences begin anew.

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
        if gap > self.gap and not self.plain:
            point, step = self.points[-1], self.steps[-1]
            self.points, self.steps, self.plain = [point], [step], True
            return point + step
        self.gap, self.plain = gap, False
        self.points, self.steps = [*self.points, point][-self.memory - 1 :], [*self.steps, step][-self.memory - 1 :]
        moved = point + self.relaxation * step
        if len(self.points) == 1:
            return moved
        points, steps = torch.stack(self.points, 1).diff(), torch.stack(self.steps, 1).diff()  # (K, memory)
        parts: Tensor = torch.linalg.lstsq(steps, step[:, None], driver="gelsd").solution  # (memory, 1)
        return moved - torch.mv(points + self.relaxation * steps, parts[:, 0])
