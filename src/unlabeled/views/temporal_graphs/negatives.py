"""Nodes drawn by chance, by a power of their degree."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Negatives:
    """Draws nodes of each snapshot with chance proportional to degree^smoothing.

    DySAT and word2vec draw among those that have a link there, so that nothing tells an idle node from a busy one. With
    `idle` all that are seen by then are drawn, those without a link as if they had one.

    Args:
        risen: float64 (T, N), chances added up: the last is 1, or 0 where a snapshot has no link.
    """

    risen: np.ndarray

    @classmethod
    def of(cls, snapshots: Any, smoothing: float, idle: bool = False) -> "Negatives":
        """Of snapshots; a degree is the number of distinct other nodes that a node is linked to."""
        nodes = len(snapshots)
        risen = np.zeros((snapshots.count, nodes))
        for snapshot in range(snapshots.count):
            source, target, _ = snapshots.links(snapshot)
            ends = np.concatenate([source, target])[np.tile(source != target, 2)]
            degree = np.bincount(ends, minlength=nodes)
            degree[: snapshots.nodes[snapshot]] = np.maximum(degree[: snapshots.nodes[snapshot]], int(idle))
            power = np.where(degree > 0, degree.astype(np.float64), 0.0)
            power[degree > 0] **= smoothing
            risen[snapshot] = np.cumsum(power / max(power.sum(), 1e-300))
        return cls(risen)

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Nodes int64 (T, K) for uniform numbers in [0, 1), (T, K); 0 in a snapshot without links."""
        return np.stack(
            [
                np.searchsorted(row, numbers * row[-1], side="right") if row[-1] else np.zeros(len(numbers), np.int64)
                for row, numbers in zip(self.risen, uniform, strict=True)
            ]
        )
