"""A plain table of nodes, to compare attention with."""

from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.encoders.temporal_graphs.graph import SnapshotGraph, snapshot_graph


class NodeTable(nn.Module):
    """One learnt vector a node, the same in every snapshot: DeepWalk, under a walk-context objective.

    Args:
        nodes: N.
        snapshots: T, of the data; the vectors do not depend on it.
        width: F, at least 1.
    """

    def __init__(self, nodes: int, snapshots: int, width: int = 128) -> None:
        super().__init__()
        if min(nodes, snapshots, width) < 1:
            raise ValueError(f"a table needs at least 1 node, snapshot and dimension, got {(nodes, snapshots, width)}")
        self.width, self.past = width, None
        self.table = nn.Parameter(torch.empty(nodes, width).uniform_(-0.5 / width, 0.5 / width))  # as word2vec begins

    def graph_of(self, samples: Any) -> SnapshotGraph:
        """The form of data that `forward` takes."""
        return snapshot_graph(samples, "count", False)

    def forward(self, graph: SnapshotGraph, nodes: Tensor | None = None, last: int | None = None) -> Tensor:
        """(N, T, F), or (M, T, F) of the nodes that are wanted, of as many last snapshots as are wanted."""
        table = self.table if nodes is None else self.table[nodes]
        return table[:, None].expand(-1, graph.snapshots if last is None else min(last, graph.snapshots), -1)

    def history(self, graph: SnapshotGraph) -> Tensor:
        """(N, T, F)."""
        return self(graph)  # type: ignore[no-any-return]

    def weight_norm(self) -> Tensor:
        """The table's squared norm."""
        return self.table.square().sum()
