"""What is known of all graphs of a set before any is seen: what a network's first layer depends on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unlabeled.data.graphs.collection import Graphs
from unlabeled.data.graphs.graph import MASKED


class GraphForm(NamedTuple):
    """What the nodes of a set of graphs carry, and how large its graphs are.

    Args:
        kinds: the labels that nodes have, rising; none where nodes have no labels.
        means: of the A attributes over all nodes; none where nodes have no attributes.
        deviations: of the same, above 0.
        nodes: of the largest graph.
    """

    kinds: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    nodes: int = 1


def form_of(graphs: Graphs) -> GraphForm:
    """The form of a set of graphs; no graph's label is looked at."""
    labels, attributes = graphs.carried()
    means: np.ndarray = np.zeros(0)
    deviations: np.ndarray = np.zeros(0)
    if attributes is not None:
        means, deviations = attributes.mean(0, np.float64), attributes.std(0, np.float64)
        deviations = np.where(deviations > 1e-6 * np.abs(means), deviations, 1.0)
        deviations = np.where(deviations > 0, deviations, 1.0)
    return GraphForm(
        kinds=() if labels is None else tuple(np.unique(labels[labels != MASKED]).tolist()),
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        nodes=int(graphs.sizes().max()),
    )


def form_from(values: Sequence[Any]) -> GraphForm:
    """A form as JSON gives it back: lists for tuples."""
    kinds, means, deviations, nodes = values
    return GraphForm(tuple(kinds), tuple(means), tuple(deviations), int(nodes))
