"""Graphs that are in memory already: those of networkx, of PyTorch Geometric, or whatever looks like either."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from unlabeled.data.graphs.collection import Graphs, stored
from unlabeled.data.graphs.graph import Graph, tidy
from unlabeled.data.images.labels import Labels, number_array
from unlabeled.data.skipped import Skipped
from unlabeled.errors import UserError


def is_graph(item: object) -> bool:
    """Whether something is one graph: a `Graph`, has an `edge_index`, or has networkx's `nodes` and `edges`."""
    named = hasattr(item, "nodes") and hasattr(item, "edges") and hasattr(item, "is_directed")
    return isinstance(item, Graph) or hasattr(item, "edge_index") or named


def are_graphs(source: object) -> bool:
    """Whether something is a list or tuple of graphs, a data set of PyTorch Geometric, or a pair (such, labels)."""
    if isinstance(source, tuple) and len(source) == 2 and not is_graph(source[0]):
        return are_graphs(source[0])
    if hasattr(source, "num_node_features") and hasattr(source, "__getitem__") and not hasattr(source, "edge_index"):
        return True
    return isinstance(source, list | tuple) and bool(source) and all(is_graph(each) for each in source)


def open_objects(source: Any) -> Graphs:
    """Open graphs that are in memory.

    Of a networkx graph the node data `label` (whole numbers) and `attributes` (numbers) are read where all nodes have
    them; of an object with `edge_index` (2, M), `num_nodes` where it has that, `x` as attributes, and `y` as the
    graph's label where it is one whole number. Directions of links are dropped.

    Args:
        source: what `are_graphs` is true of; in a pair the second is a label a graph.

    Raises:
        UserError: no graph can be used, or the labels do not fit.
    """
    labels = None
    if isinstance(source, tuple) and len(source) == 2 and not is_graph(source[0]):
        source, labels = source
    items: Sequence[Any] = [source[place] for place in range(len(source))]
    graphs: dict[int, Graph] = {}
    skipped = []
    for number, item in enumerate(items):
        try:
            graphs[number] = _read(item)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as problem:
            skipped.append(Skipped(str(number), f"cannot be read as a graph ({' '.join(str(problem).split())})"))
    if not graphs:
        raise UserError(f"none of the {len(items)} objects can be read as a graph; the first: {skipped[0]}.")
    widths = {each.attributes.shape[1] for each in graphs.values() if each.attributes is not None}
    if len(widths) > 1:
        raise UserError(f"the graphs have node attributes of {len(widths)} widths; give all nodes as many.")
    for what in ("labels", "attributes"):
        without = [number for number, each in graphs.items() if getattr(each, what) is None]
        if 0 < len(without) < len(graphs):
            kind = "kinds" if what == "labels" else "attributes"
            raise UserError(
                f"the nodes of graph {without[0]} (and of {len(without)} of {len(graphs)} graphs in all) have no "
                f"{kind} and those of others have; give them to all or to none."
            )
    answers = _answers(items, labels)
    if answers is not None:
        answers = Labels(answers.values[list(graphs)], answers.classes)
    names = [str(each) for each in graphs]
    return Graphs("graphs in memory", names, stored(list(graphs.values())), answers, skipped)


def _read(item: Any) -> Graph:
    """Raises ValueError and its like where it cannot."""
    if isinstance(item, Graph):
        return _checked(item.nodes, item.edges, item.labels, item.attributes)
    return _indexed(item) if hasattr(item, "edge_index") else _named(item)


def _indexed(item: Any) -> Graph:
    edges = _array(item.edge_index)
    attributes = None if getattr(item, "x", None) is None else _array(item.x).astype(np.float32)
    if attributes is not None:
        attributes = attributes.reshape(len(attributes), -1)
    nodes = getattr(item, "num_nodes", None)
    if nodes is None:
        nodes = int(edges.max()) + 1 if attributes is None else len(attributes)
    return _checked(int(nodes), edges, None, attributes)


def _named(item: Any) -> Graph:
    place = {node: number for number, node in enumerate(item.nodes)}
    edges = np.array([[place[a], place[b]] for a, b, *_ in item.edges], np.int64).reshape(-1, 2).T

    def of_nodes(name: str) -> list[Any] | None:
        found = [item.nodes[node].get(name) for node in place]
        return None if any(each is None for each in found) else found

    labels, attributes = of_nodes("label"), of_nodes("attributes")
    kinds = np.asarray(labels) if labels else None
    return _checked(
        len(place),
        edges,
        kinds.astype(np.int64) if kinds is not None and kinds.dtype.kind in "iu" else None,
        np.asarray(attributes, np.float32).reshape(len(place), -1) if attributes else None,
    )


def _checked(nodes: int, edges: np.ndarray, labels: np.ndarray | None, attributes: np.ndarray | None) -> Graph:
    if nodes < 1:
        raise ValueError("it has no nodes")
    if edges.ndim != 2 or edges.shape[0] != 2 or (edges.size and edges.dtype.kind not in "iu"):
        raise ValueError(f"links are whole numbers (2, M), got {edges.dtype} {edges.shape}")
    if labels is not None and (labels.shape != (nodes,) or labels.dtype.kind not in "iu"):
        raise ValueError(f"the kinds of nodes are a whole number each, got {labels.dtype} {labels.shape}")
    if edges.size and (edges.min() < 0 or edges.max() >= nodes):
        raise ValueError(f"a link names node {edges.max() if edges.min() >= 0 else edges.min()} of {nodes} nodes")
    if attributes is not None and (
        attributes.ndim != 2 or len(attributes) != nodes or not np.isfinite(attributes).all()
    ):
        raise ValueError("its node attributes are not finite numbers, or not one row a node")
    return Graph(
        nodes,
        tidy(edges),
        None if labels is None else labels.astype(np.int64, copy=False),
        None if attributes is None else attributes.astype(np.float32, copy=False),
    )


def _answers(items: Iterable[Any], labels: Any) -> Labels | None:
    """The labels given, or those that all the objects carry as a `y` of one whole number."""
    if labels is not None:
        return number_array(
            labels if isinstance(labels, list | tuple) else _array(labels), len(list(items)), "the list"
        )
    found = []
    for item in items:
        own = getattr(item, "y", None)
        value = None if own is None else _array(own).reshape(-1)
        if value is None or len(value) != 1 or value.dtype.kind not in "biu":
            return None
        found.append(int(value[0]))
    return number_array(found, len(found), "the list")


def _array(values: Any) -> np.ndarray:
    """An array, or a tensor of torch, which is not imported for it."""
    return np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)
