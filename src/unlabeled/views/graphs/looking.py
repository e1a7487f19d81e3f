"""How a method looks at a graph: which views it makes and how they are joined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from unlabeled.data.graphs.batch import GraphBatch, joined
from unlabeled.data.graphs.form import GraphForm
from unlabeled.data.graphs.graph import Graph
from unlabeled.views.graphs.operations import OPERATIONS, OperationName


@dataclass(frozen=True)
class GraphViews:
    """How a method looks at a graph.

    Args:
        size: the form of the set of graphs.
        count: views of each sample.
        view: a graph and a generator to a graph.
    """

    size: GraphForm
    count: int
    view: Callable[[Graph, Generator], Graph]

    def read(self, samples: Any, place: int) -> Graph:
        """One graph."""
        graph: Graph = samples.read(place)
        return graph

    def join(self, views: Sequence[Sequence[Graph]]) -> GraphBatch:
        """`views[v][i]`, view v of graph i, to one batch of views x B graphs, view by view."""
        return joined([graph for one in views for graph in one])


def changed(
    size: GraphForm,
    operations: tuple[OperationName, ...] = ("drop-nodes", "change-edges", "mask", "subgraph"),
    share: float = 0.2,
    count: int = 2,
) -> GraphViews:
    """GraphCL's views (You et al. 2020, section 3.1): each by one operation, drawn evenly.

    Args:
        size: the form of the set of graphs.
        operations: to draw from, at least one; the same one twice doubles its chance.
        share: of the nodes or links that an operation changes, within [0, 1).
        count: views of each graph, at least 1.

    Raises:
        ValueError: a number outside its range, no operation, or `mask` alone where nodes carry nothing.
    """
    if not operations or not 0 <= share < 1 or count < 1:
        raise ValueError(
            f"views of graphs take at least one operation, a share within 0 and 1 and a count of at least 1, got "
            f"{len(operations)}, {share} and {count}"
        )

    if set(operations) == {"mask"} and not size.kinds and not size.means:
        raise ValueError("mask hides kinds and attributes of nodes, which here have none; add drop-nodes or subgraph")

    def view(graph: Graph, rng: Generator) -> Graph:
        name = operations[rng.integers(len(operations))]
        return OPERATIONS[name](graph, rng, share)

    return GraphViews(size, count, view)


def plain(size: GraphForm) -> GraphViews:
    """The graph itself, once."""
    return GraphViews(size, 1, lambda graph, rng: graph)
