"""Small sets of graphs for tests, drawn and written to disk."""

from pathlib import Path

import numpy as np

from unlabeled.data.graphs import Graph, tidy


def drawn(nodes: int, seed: int = 0, share: float = 0.3, kinds: int = 3, attributes: int = 2) -> Graph:
    """A random graph with kinds and attributes; some nodes may have no link."""
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(np.triu(rng.random((nodes, nodes)) < share, 1)).T
    return Graph(
        nodes,
        tidy(pairs),
        rng.integers(0, kinds, nodes) if kinds else None,
        rng.standard_normal((nodes, attributes)).astype(np.float32) if attributes else None,
    )


def several(sizes: tuple[int, ...] = (5, 9, 2, 13, 7, 1), **how: int) -> list[Graph]:
    return [drawn(nodes, seed, **how) for seed, nodes in enumerate(sizes)]


def renumbered(graph: Graph, order: np.ndarray) -> Graph:
    """Node `order[i]` becomes node i."""
    place = np.argsort(order)
    return Graph(
        graph.nodes,
        tidy(place[graph.edges]),
        None if graph.labels is None else graph.labels[order],
        None if graph.attributes is None else graph.attributes[order],
    )


def matrix(graph: Graph) -> np.ndarray:
    """A, float64 (n, n)."""
    found = np.zeros((graph.nodes, graph.nodes))
    found[graph.edges[0], graph.edges[1]] = 1
    return found


def write_tu(folder: Path, graphs: list[Graph], labels: list[int] | None = None, name: str = "DS") -> Path:
    """A TU folder of some graphs, each link in both directions."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = np.concatenate([[0], np.cumsum([graph.nodes for graph in graphs])])

    def write(what: str, rows: list[str]) -> None:
        (folder / f"{name}_{what}.txt").write_text("".join(row + "\n" for row in rows))

    edges = [graph.edges.T + start + 1 for graph, start in zip(graphs, starts, strict=False)]
    write("A", [f"{a}, {b}" for part in edges for a, b in part.tolist()])
    write("graph_indicator", [str(place + 1) for place, graph in enumerate(graphs) for _ in range(graph.nodes)])
    if labels is not None:
        write("graph_labels", [str(each) for each in labels])
    if graphs[0].labels is not None:
        write("node_labels", [str(each) for graph in graphs for each in graph.labels])
    if graphs[0].attributes is not None:
        write("node_attributes", [", ".join(map(repr, row)) for graph in graphs for row in graph.attributes.tolist()])
    return folder
