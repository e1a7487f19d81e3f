"""The built-in sample of graphs: those of the Atlas of Graphs, which comes with networkx, which comes with torch."""

import numpy as np

from unlabeled.data.graphs.collection import Graphs, stored
from unlabeled.data.graphs.graph import Graph, tidy
from unlabeled.data.images.labels import Labels
from unlabeled.errors import UserError

NAME = "networkx:atlas"
"""What it is called as `--data`."""
CLASSES = ["diameter 1 or 2", "diameter 3", "diameter 4 or more"]


def atlas() -> Graphs:
    """All 995 connected graphs of 2 to 7 nodes, no two alike (Read and Wilson, An Atlas of Graphs, 1998).

    The label is how far apart the two farthest nodes are: the diameter, computed here. Nodes have neither kind nor
    attributes, so that only the links can tell.

    Raises:
        UserError: networkx is not installed.
    """
    try:
        from networkx import graph_atlas_g
    except ImportError:
        raise UserError("the built-in graphs come with networkx; install it with: pip install networkx.") from None
    graphs, labels, names = [], [], []
    for number, each in enumerate(graph_atlas_g()):
        nodes = each.number_of_nodes()
        graph = Graph(nodes, tidy(np.array(each.edges, np.int64).reshape(-1, 2).T))
        farthest = diameter(graph) if nodes > 1 else None
        if farthest is not None:
            graphs.append(graph)
            names.append(str(number))
            labels.append(min(max(farthest - 2, 0), 2))
    return Graphs("the built-in graphs", names, stored(graphs), Labels(np.array(labels), CLASSES))


def diameter(graph: Graph) -> int | None:
    """The largest distance of two nodes; None where some node cannot be reached from another."""
    near = np.eye(graph.nodes, dtype=bool)
    near[graph.edges[0], graph.edges[1]] = True
    reached, steps = np.eye(graph.nodes, dtype=bool), 0
    while not reached.all():
        further = (reached.astype(np.int64) @ near) > 0
        if (further == reached).all():
            return None
        reached, steps = further, steps + 1
    return steps


def sample() -> tuple[Graphs, Graphs]:
    """Three of every four graphs to train on, and the fourth of each to test on."""
    whole = atlas()
    fourth = np.arange(len(whole)) % 4 == 3
    train, test = whole.subset(np.flatnonzero(~fourth)), whole.subset(np.flatnonzero(fourth))
    train.place, test.place = f"{whole.place}, training part", f"{whole.place}, test part"
    return train, test
