"""A graph as a small picture: nodes as dots, coloured by what they are, links as lines."""

import cv2
import numpy as np

from unlabeled.data.graphs.graph import MASKED, Graph

COLOURS = np.array(
    [
        (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75), (227, 119, 194),
        (188, 189, 34), (23, 190, 207), (82, 84, 163), (206, 109, 189), (99, 121, 57), (173, 73, 74), (231, 186, 82),
    ],
    np.uint8,
)  # fmt: skip
GREY = (170, 170, 170)
STEPS = 60
LARGE = 300
"""Nodes above which the layout is spectral alone: every step of the other looks at all pairs."""
SCALE = 3
"""The picture is drawn so many times larger and shrunk."""


def draw(graph: Graph, side: int, groups: np.ndarray | None = None) -> np.ndarray:
    """A picture of a graph.

    Args:
        graph: at least one node.
        side: in pixels, at least 1.
        groups: int64 (n,) by which nodes are coloured, `MASKED` ones grey; by default their kinds, else their degrees.

    Returns:
        uint8 (side, side, 3); the same graph gives the same picture.
    """
    if groups is None:
        groups = graph.labels if graph.labels is not None else graph.degrees()
    large = side * SCALE
    picture = np.full((large, large, 3), 255, np.uint8)
    margin = 0.1 * large
    points = np.rint(margin + layout(graph) * (large - 2 * margin)).astype(int)
    dot = max(2, int(large * min(0.045, 0.3 / np.sqrt(graph.nodes))))
    once = graph.edges[:, graph.edges[0] < graph.edges[1]]
    for a, b in once.T.tolist():
        cv2.line(picture, points[a].tolist(), points[b].tolist(), (150, 155, 165), max(1, dot // 4), cv2.LINE_AA)
    for point, group in zip(points.tolist(), groups.tolist(), strict=True):
        colour = GREY if group == MASKED else COLOURS[group % len(COLOURS)].tolist()
        cv2.circle(picture, point, dot, colour, -1, cv2.LINE_AA)
    small: np.ndarray = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return small


def layout(graph: Graph) -> np.ndarray:
    """Places of the nodes, float64 (n, 2) within [0, 1]: springs from a circle (Fruchterman and Reingold 1991).

    Large graphs lie as two eigenvectors of their links have it.
    """
    if graph.nodes == 1:
        return np.full((1, 2), 0.5)
    points = _spectral(graph) if graph.nodes > LARGE else _springs(graph)
    points = points - points.min(0)
    points = points / max(float(points.max()), 1e-9)
    middle: np.ndarray = points + (1 - points.max(0)) / 2
    return middle


def _springs(graph: Graph) -> np.ndarray:
    angle = 2 * np.pi * np.arange(graph.nodes) / graph.nodes
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * 0.5
    linked = np.zeros((graph.nodes, graph.nodes))
    linked[graph.edges[0], graph.edges[1]] = 1
    ideal = 1 / np.sqrt(graph.nodes)
    for step in range(STEPS):
        apart = points[:, None] - points[None]  # (n, n, 2)
        distance = np.maximum(np.linalg.norm(apart, axis=2), 0.01)
        force = ideal**2 / distance**2 - linked * distance / ideal
        move = (apart * force[:, :, None]).sum(1) - 0.3 * points  # and all a little to the middle
        length = np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-9)
        points = points + move / length * np.minimum(length, 0.1 * (1 - step / STEPS))
    return points


def _spectral(graph: Graph) -> np.ndarray:
    """Two smooth directions by a few steps of power iteration on the lazy random walk, begun the same each time."""
    degree = np.maximum(graph.degrees(), 1).astype(np.float64)
    points = np.random.default_rng(0).standard_normal((graph.nodes, 2))
    for _ in range(100):
        near = np.stack([np.bincount(graph.edges[0], points[graph.edges[1], k], graph.nodes) for k in (0, 1)], 1)
        points = 0.5 * points + 0.5 * near / degree[:, None]
        points -= (points * degree[:, None]).sum(0) / degree.sum()
        points, _ = np.linalg.qr(points)
    ranks: np.ndarray = points.argsort(0).argsort(0) / graph.nodes  # ranks spread what eigenvectors crowd
    return ranks
