"""What views of graphs are made by: each takes a graph, a generator and a share, and changes about that share of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.random import Generator

from unlabeled.data.graphs.graph import MASKED, Graph, tidy

OperationName = Literal["drop-nodes", "change-edges", "mask", "subgraph", "identity"]


def drop_nodes(graph: Graph, rng: Generator, share: float) -> Graph:
    """Without `share` of its nodes, drawn evenly, and without their links; one node stays at least."""
    kept = np.ones(graph.nodes, bool)
    dropped = min(round(share * graph.nodes), graph.nodes - 1)
    kept[rng.permutation(graph.nodes)[:dropped]] = False
    return graph.induced(kept)


def change_edges(graph: Graph, rng: Generator, share: float) -> Graph:
    """Without `share` of its links, and with as many new ones between nodes drawn evenly.

    A drawn pair that is linked already, or is one node twice, gives no link: so dense graphs lose some.
    """
    once = graph.edges[:, graph.edges[0] <= graph.edges[1]]
    changed = round(share * once.shape[1])
    if not changed:
        return graph
    kept = once[:, rng.permutation(once.shape[1])[changed:]]
    added = rng.integers(0, graph.nodes, (2, changed))
    return replace(graph, edges=tidy(np.concatenate([kept, added[:, added[0] != added[1]]], axis=1)))


def mask(graph: Graph, rng: Generator, share: float) -> Graph:
    """With the kind and the attributes of `share` of its nodes hidden."""
    hidden = rng.permutation(graph.nodes)[: round(share * graph.nodes)]
    labels = None if graph.labels is None else graph.labels.copy()
    attributes = None if graph.attributes is None else graph.attributes.copy()
    if labels is not None:
        labels[hidden] = MASKED
    if attributes is not None:
        attributes[hidden] = np.nan
    return replace(graph, labels=labels, attributes=attributes)


def subgraph(graph: Graph, rng: Generator, share: float) -> Graph:
    """The nodes that a random walk meets, all but about `share` of them, and the links among them.

    The walk begins anywhere and goes from node to node; where it meets nothing new for a while (its part of the graph
    may be smaller) it begins again elsewhere, so that the size of a view does not depend on the graph's parts.
    """
    wanted = max(1, graph.nodes - round(share * graph.nodes))
    starts = np.concatenate([[0], np.cumsum(graph.degrees())])
    kept = np.zeros(graph.nodes, bool)
    order = iter(rng.permutation(graph.nodes).tolist())
    count, node, idle = 0, -1, graph.nodes
    while count < wanted:
        if idle >= graph.nodes or starts[node] == starts[node + 1]:
            node = next(each for each in order if not kept[each])
        else:
            node = int(graph.edges[1, rng.integers(starts[node], starts[node + 1])])
        idle = idle + 1 if kept[node] else 0
        count += not kept[node]
        kept[node] = True
    return graph.induced(kept)


def identity(graph: Graph, rng: Generator, share: float) -> Graph:
    """The graph as it is."""
    return graph


OPERATIONS: dict[str, Callable[[Graph, Generator, float], Graph]] = {
    "drop-nodes": drop_nodes,
    "change-edges": change_edges,
    "mask": mask,
    "subgraph": subgraph,
    "identity": identity,
}
"""(graph, generator, share) -> a changed graph; the one given stays as it is."""
