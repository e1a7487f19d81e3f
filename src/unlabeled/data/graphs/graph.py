"""`Graph`: one sample of a set of graphs."""

from dataclasses import dataclass

import numpy as np

MASKED = int(np.iinfo(np.int64).min)
"""In place of the kind of a node that a view has masked: the one whole number that is no kind, in data as well."""


@dataclass(frozen=True)
class Graph:
    """An undirected graph with what is known of its nodes.

    Args:
        nodes: n, how many, at least 1.
        edges: int64 (2, E), each link in both directions (a link of a node with itself once), sorted by row and then
            column, nothing twice. `tidy` makes it so.
        labels: int64 (n,), the kind of each node, or None; `MASKED` where a view has hidden it.
        attributes: float32 (n, A), or None.
    """

    nodes: int
    edges: np.ndarray
    labels: np.ndarray | None = None
    attributes: np.ndarray | None = None

    def degrees(self) -> np.ndarray:
        """Links of each node, int64 (n,)."""
        return np.bincount(self.edges[0], minlength=self.nodes)

    def induced(self, kept: np.ndarray) -> "Graph":
        """The graph on some of the nodes with the links among them.

        Args:
            kept: bool (n,), at least one True.
        """
        number = np.cumsum(kept) - 1
        inside = kept[self.edges[0]] & kept[self.edges[1]]
        return Graph(
            int(kept.sum()),
            number[self.edges[:, inside]],
            None if self.labels is None else self.labels[kept],
            None if self.attributes is None else self.attributes[kept],
        )


def tidy(edges: np.ndarray) -> np.ndarray:
    """Links as `Graph.edges` has them, of links in any order, in one direction or both, perhaps several times.

    Args:
        edges: whole numbers (2, M), node numbers from 0.

    Returns:
        int64 (2, E).
    """
    edges = np.asarray(edges, np.int64).reshape(2, -1)
    if not edges.size:
        return edges
    both = np.concatenate([edges, edges[::-1]], axis=1)
    width = int(both.max()) + 1
    keys = np.unique(both[0] * width + both[1])
    return np.stack([keys // width, keys % width])
