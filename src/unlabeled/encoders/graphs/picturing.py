"""What an encoder makes of one graph, to look at: its nodes in the colours of their clusters, level by level."""

from typing import Any

import numpy as np
import torch

from unlabeled.data.graphs.batch import joined
from unlabeled.data.graphs.drawing import draw
from unlabeled.data.graphs.graph import Graph, tidy

LINKED = 0.5
"""A link between two clusters is drawn where it is at least this share of the heaviest."""


@torch.no_grad()
def pictured(encoder: Any, graph: Graph, side: int) -> list[np.ndarray]:
    """Pictures of a graph: of each pool its nodes by the cluster that has the most of each, and the coarse graph.

    Args:
        encoder: a module with `hierarchy` and pools; one without gives no pictures.
        graph: drawn.
        side: of a picture, in pixels.

    Returns:
        uint8 (side, side, 3) each, two a pool.
    """
    if not hasattr(encoder, "hierarchy"):
        return []
    device = next(encoder.parameters()).device
    assignments = encoder.hierarchy(joined([graph]).to(device)).assignments
    weights = np.zeros((graph.nodes, graph.nodes))
    weights[graph.edges[0], graph.edges[1]] = 1
    shares, pictures = np.eye(graph.nodes), []
    for assignment in assignments:
        own = assignment.reshape(assignment.shape[-2:]).cpu().numpy().astype(np.float64)
        shares, weights = shares @ own, own.T @ weights @ own
        groups = shares.argmax(1)
        pictures.append(draw(graph, side, groups))
        pictures.append(draw(*_coarse(groups, weights, side)))
    return pictures


def _coarse(groups: np.ndarray, weights: np.ndarray, side: int) -> tuple[Graph, int, np.ndarray]:
    """The clusters that have most of some node, and the heavy links between them, as `draw` takes them."""
    used = np.unique(groups)
    between = weights[np.ix_(used, used)].copy()
    np.fill_diagonal(between, 0)
    heavy = between >= max(LINKED * between.max(initial=0), 1e-9)
    return Graph(len(used), tidy(np.argwhere(heavy).T)), side, used
