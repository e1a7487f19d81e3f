"""Products of the rows of each graph, without padding: what pooling and unpooling are made of."""

import itertools
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
        for place, (start, end) in enumerate(itertools.pairwise(ends)):
            torch.mm(left[start:end].T, right[start:end], out=out[place])
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
    out = left.new_empty(len(left), right.shape[2])
    for place, (start, end) in enumerate(itertools.pairwise(ends)):
        torch.mm(left[start:end], right[place], out=out[start:end])
    return out


def gathered(left: Tensor, right: Tensor, of: Segments) -> Tensor:
    """S_b^T Y_b: the rows of each graph summed into its C clusters.

    Args:
        left: S, (n, C).
        right: Y, (n, F).
        of: the graphs of the rows, B of them.

    Returns:
        (B, C, F), in float32 at least, for it sums over all nodes of a graph.
    """
    with torch.autocast(left.device.type, enabled=False):
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
    with torch.autocast(left.device.type, enabled=False):
        found: Tensor = _Spread.apply(exact(left).contiguous(), exact(right), of.ends)
        return found


def exact(rows: Tensor) -> Tensor:
    """In float32 at least."""
    return rows if rows.dtype == torch.float64 else rows.float()
