"""`GraphBatch`: graphs side by side in one block-diagonal whole, so that nothing is padded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled.data.graphs.graph import Graph


@dataclass(frozen=True)
class Segments:
    """Rows that belong to B owners, one after the other.

    Args:
        owner: int64 (n,), rising.
        starts: int64 (B + 1,): the rows of owner b are `starts[b]` to `starts[b + 1]`.
        ends: the same as whole numbers of Python, so that no device is waited for.
    """

    owner: Tensor
    starts: Tensor
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Tensor:
        """Rows of each owner, int64 (B,)."""
        return self.starts.diff()

    @classmethod
    def counted(cls, counts: Tensor) -> "Segments":
        """As many rows for each owner as it has, int64 (B,)."""
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        owner = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        return cls(owner, starts, tuple(starts.tolist()))

    @classmethod
    def equal(cls, owners: int, rows: int, device: torch.device) -> "Segments":
        """As many rows for each owner."""
        starts = torch.arange(0, owners * rows + 1, rows, device=device)
        owner = torch.arange(owners, device=device).repeat_interleave(rows)
        return cls(owner, starts, tuple(range(0, owners * rows + 1, rows)))


@dataclass
class GraphBatch:
    """B graphs with n nodes and E directed links in all.

    Args:
        labels: kinds of the nodes, int64 (n,), `MASKED` where masked; or None.
        attributes: (n, A), NaN where masked; or None.
        edges: int64 (2, E), node numbers of the whole, sorted by row and then column, each link in both directions.
        owner: the graph of each node, int64 (n,), rising.
        starts: int64 (B + 1,): the nodes of graph b are `starts[b]` to `starts[b + 1]`.
    """

    labels: Tensor | None
    attributes: Tensor | None
    edges: Tensor
    owner: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Tensor:
        """Nodes of each graph, int64 (B,)."""
        return self.starts.diff()

    def segments(self) -> Segments:
        """The nodes by their graphs."""
        return Segments(self.owner, self.starts, tuple(self.starts.tolist()))

    def _each(self, change: Any) -> "GraphBatch":
        values: list[Any] = [getattr(self, field.name) for field in fields(self)]
        changed: list[Any] = [None if value is None else change(value) for value in values]
        return GraphBatch(*changed)

    def to(self, *place: Any, **options: Any) -> "GraphBatch":
        """The batch on another device."""
        return self._each(lambda value: value.to(*place, **options))

    def double(self) -> "GraphBatch":
        """The batch with attributes in float64."""
        return self._each(lambda value: value.double() if value.is_floating_point() else value)


def joined(graphs: Sequence[Graph]) -> GraphBatch:
    """Graphs, at least one, to a batch."""
    counts = np.array([each.nodes for each in graphs])
    starts = np.concatenate([[0], np.cumsum(counts)])
    labels = [each.labels for each in graphs if each.labels is not None]
    attributes = [each.attributes for each in graphs if each.attributes is not None]
    edges = np.concatenate([each.edges + start for each, start in zip(graphs, starts, strict=False)], axis=1)
    return GraphBatch(
        torch.from_numpy(np.concatenate(labels)) if len(labels) == len(graphs) else None,
        torch.from_numpy(np.concatenate(attributes)) if len(attributes) == len(graphs) else None,
        torch.from_numpy(edges),
        torch.from_numpy(np.repeat(np.arange(len(graphs)), counts)),
        torch.from_numpy(starts),
    )
