"""Nodes of a graph to one vector: max, mean, sum, Set2Set, SortPool."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unlabeled.data.graphs.batch import Segments

ReadoutName = Literal["max", "mean", "sum", "max-sum", "max-mean-sum", "set2set", "sortpool"]


class _SegmentMax(torch.autograd.Function):
    """The gradient of torch's own scatter takes an index a number, and is many times as slow as whole rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, owner: Tensor, count: int) -> Tensor:
        empty = rows.new_full((count, rows.shape[1]), float("-inf"))
        found = empty.scatter_reduce(0, owner[:, None].expand_as(rows), rows, "amax", include_self=False)
        ctx.save_for_backward(rows, owner, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, owner, found = ctx.saved_tensors
        largest = (rows == found.index_select(0, owner)).to(gradient.dtype)
        shared = gradient / segment_sum(largest, owner, len(found))
        return largest.mul_(shared.index_select(0, owner)), None, None


def segment_max(rows: Tensor, owner: Tensor, count: int) -> Tensor:
    """The largest of each feature over an owner's rows, (n, F) to (count, F); of equals all share the gradient."""
    found: Tensor = _SegmentMax.apply(rows, owner, count)
    return found


def segment_sum(rows: Tensor, owner: Tensor, count: int) -> Tensor:
    """The sum over the rows of each owner, (n, F) to (count, F)."""
    return rows.new_zeros(count, rows.shape[1]).index_add(0, owner, rows)


class Pooled(nn.Module):
    """Readouts without weights, side by side.

    Args:
        width: F of the rows.
        name: max, mean or sum, or several, such as max-sum (the official code's `num_aggs` 2).
    """

    def __init__(self, width: int, name: str) -> None:
        super().__init__()
        self.pools = [_POOLS[part] for part in name.split("-")]
        self.width = len(self.pools) * width

    def forward(self, rows: Tensor, of: Segments) -> Tensor:
        """(n, F) to (B, width)."""
        found = [pool(rows, of) for pool in self.pools]
        return found[0] if len(found) == 1 else torch.cat(found, 1)


def _max(rows: Tensor, of: Segments) -> Tensor:
    return segment_max(rows, of.owner, len(of))


def _sum(rows: Tensor, of: Segments) -> Tensor:
    return segment_sum(rows, of.owner, len(of))


def _mean(rows: Tensor, of: Segments) -> Tensor:
    return _sum(rows, of) / of.counts[:, None]


_POOLS: dict[str, Callable[[Tensor, Segments], Tensor]] = {
    "max": _max,
    "mean": _mean,
    "sum": _sum,
}
"""(rows, of) -> (B, F)."""


class Set2Set(nn.Module):
    """An LSTM asks the nodes again and again (Vinyals et al. 2016, section 4.2).

        q_t = LSTM([q, r]_(t-1)),   a = softmax over a graph's nodes of x . q_t,   r_t = sum a x,   out [q, r]_T

    Args:
        width: F of the rows.
        steps: T, at least 1.
    """

    def __init__(self, width: int, steps: int = 4) -> None:
        super().__init__()
        self.width, self.steps = 2 * width, steps
        self.cell = nn.LSTMCell(2 * width, width)

    def forward(self, rows: Tensor, of: Segments) -> Tensor:
        """(n, F) to (B, 2 F)."""
        count, width = len(of), rows.shape[1]
        found = rows.new_zeros(count, 2 * width)
        state = rows.new_zeros(count, width), rows.new_zeros(count, width)
        for _ in range(self.steps):
            state = self.cell(found, state)
            scores = (rows * state[0][of.owner]).sum(1, keepdim=True)  # (n, 1)
            largest = segment_max(scores.detach(), of.owner, count)
            weights = (scores - largest[of.owner]).exp()
            weights = weights / segment_sum(weights, of.owner, count)[of.owner]
            found = torch.cat([state[0], segment_sum(weights * rows, of.owner, count)], 1)
        return found


class SortPool(nn.Module):
    """Nodes in the order of their last feature, the first k of them through convolutions (Zhang et al. 2018, DGCNN).

    Graphs of fewer nodes are filled with zeros. A convolution a node (16 channels), the larger of two neighbours, and a
    convolution over 5 neighbours (32 channels), each with a ReLU.

    Args:
        width: F of the rows.
        nodes: k, at least 10.
    """

    def __init__(self, width: int, nodes: int = 30) -> None:
        super().__init__()
        self.nodes = nodes
        self.first, self.second = nn.Linear(width, 16), nn.Conv1d(16, 32, 5)
        self.width = 32 * (nodes // 2 - 4)

    def forward(self, rows: Tensor, of: Segments) -> Tensor:
        """(n, F) to (B, width)."""
        order = torch.argsort(rows[:, -1].detach(), descending=True, stable=True)
        order = order[torch.argsort(of.owner[order], stable=True)]  # graph by graph, in each the largest first
        place = torch.arange(len(order), device=rows.device) - of.starts[of.owner]
        kept = place < self.nodes
        table = rows.new_zeros(len(of) * self.nodes, rows.shape[1])
        table = table.index_copy(0, (of.owner * self.nodes + place)[kept], rows[order[kept]])
        channels = self.first(table).relu().view(len(of), self.nodes, -1).transpose(1, 2)  # (B, 16, k)
        channels = nn.functional.max_pool1d(channels, 2)
        found: Tensor = self.second(channels).relu().flatten(1)
        return found


def _pooled(name: str, width: int, nodes: int) -> Pooled:
    return Pooled(width, name)


READOUTS: dict[str, Callable[[int, int], Any]] = {
    **{name: partial(_pooled, name) for name in ("max", "mean", "sum", "max-sum", "max-mean-sum")},
    "set2set": lambda width, nodes: Set2Set(width),
    "sortpool": SortPool,
}
"""Name to (width, k of sortpool) -> a readout with `width`."""
