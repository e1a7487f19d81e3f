"""Products of the rows of each graph, without padding: what pooling and unpooling are made of."""

import itertools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from unlabeled.data.graphs.batch import Segments


class _Gathered(torch.autograd.Function):
    """S_b^T Y_b of each graph b."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, ends: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.ends = ends
        out = left.new_empty(len(ends) - 1, left.shape[1], right.shape[1])
        counts = _counts(ends)
        for one, other, found in zip(
            left.T.split_with_sizes(counts, 1), right.split_with_sizes(counts), out.unbind(), strict=True
        ):
            torch.mm(one, other, out=found)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        left, right = ctx.saved_tensors
        return _spread(right, gradient.transpose(1, 2), ctx.ends), _spread(left, gradient, ctx.ends), None


class _Spread(torch.autograd.Function):
    """S_b Y_b of each graph b."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, ends: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.ends = ends
        return _spread(left, right, ends)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        left, right = ctx.saved_tensors
        gradient = gradient.contiguous()
        return _spread(gradient, right.transpose(1, 2), ctx.ends), _Gathered.apply(left, gradient, ctx.ends), None


def _spread(left: Tensor, right: Tensor, ends: tuple[int, ...]) -> Tensor:
    out, counts = left.new_empty(len(left), right.shape[2]), _counts(ends)
    for one, other, found in zip(
        left.split_with_sizes(counts), right.unbind(), out.split_with_sizes(counts), strict=True
    ):
        torch.mm(one, other, out=found)
    return out


def _counts(ends: tuple[int, ...]) -> list[int]:
    """Rows of each graph: cut by one call, for of small graphs cutting one by one would take most of the time."""
    return [end - start for start, end in itertools.pairwise(ends)]


def gathered(left: Tensor, right: Tensor, of: Segments) -> Tensor:
    """S_b^T Y_b: the rows of each graph summed into its C clusters.

    Args:
        left: S, (n, C).
        right: Y, (n, F).
        of: the graphs of the rows, B of them.

    Returns:
        (B, C, F), in float32 at least, for it sums over all nodes of a graph.
    """
    with unrounded(left.device):
        left, right = exact(left), exact(right)
        found: Tensor = _Gathered.apply(left.contiguous(), right.contiguous(), of.ends)
        return found


def spread(left: Tensor, right: Tensor, of: Segments) -> Tensor:
    """S_b Y_b: the clusters' rows handed down to the nodes.

    Args:
        left: S, (n, C).
        right: Y, (B, C, F).
        of: the graphs of the rows of S.

    Returns:
        (n, F).
    """
    with unrounded(left.device):
        found: Tensor = _Spread.apply(exact(left).contiguous(), exact(right), of.ends)
        return found


def unrounded(device: torch.device) -> AbstractContextManager[Any]:
    """Without autocast, where there is any."""
    return torch.autocast(device.type, enabled=False) if torch.is_autocast_enabled(device.type) else nullcontext()


def exact(rows: Tensor) -> Tensor:
    """In float32 at least."""
    return rows if rows.dtype == torch.float64 else rows.float()
