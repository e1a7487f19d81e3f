"""Random walks over the links of snapshots, from all nodes at once, and the contexts that they give."""

from dataclasses import dataclass
from typing import Any

import numpy as np

STARTS = 2**17
"""Walks that are made at once, at most."""


@dataclass(frozen=True)
class Adjacency:
    """One snapshot's links in both directions, those of a node together.

    Args:
        first: int64 (N + 1,), where each node's begin.
        other: int64 (L,), the far ends.
        risen: float64 (L + 1,), of each weight its share in its node's, added up.
    """

    first: np.ndarray
    other: np.ndarray
    risen: np.ndarray

    @classmethod
    def of(cls, source: np.ndarray, target: np.ndarray, weight: np.ndarray, nodes: int) -> "Adjacency":
        """Of undirected links; a node's link to itself stands once."""
        apart = source != target
        near = np.concatenate([source, target[apart]])
        far = np.concatenate([target, source[apart]])
        order = np.lexsort((far, near))
        weights = np.concatenate([weight, weight[apart]])
        weights /= np.bincount(near, weights, nodes)[near]  # as it is, one heavy link would drown those after it
        risen = np.concatenate([[0.0], np.cumsum(weights[order])])
        return cls(np.concatenate([[0], np.cumsum(np.bincount(near, minlength=nodes))]), far[order], risen)

    def step(self, at: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """From nodes (S,), each with a link, to a neighbour, chosen by weight with uniform numbers in [0, 1)."""
        low, high = self.risen[self.first[at]], self.risen[self.first[at + 1]]
        place = np.searchsorted(self.risen, low + uniform * (high - low), side="right") - 1
        place = np.clip(place, self.first[at], self.first[at + 1] - 1)  # rounding may pass an end
        there: np.ndarray = self.other[place]
        return there


def walks(links: Adjacency, starts: np.ndarray, length: int, generator: np.random.Generator) -> np.ndarray:
    """Walks from nodes that have links, int64 (S, length), each step to a neighbour by the link's weight."""
    path = np.empty((len(starts), length), np.int64)
    path[:, 0] = starts
    for step in range(1, length):
        path[:, step] = links.step(path[:, step - 1], generator.random(len(starts)))
    return path


@dataclass(frozen=True)
class Contexts:
    """For every node in every snapshot a multiset of nodes that walks met near it.

    Args:
        first: int64 (R + 1,), where those of each row begin; row = snapshot N + node.
        node: int64 (C,), distinct within a row.
        risen: int64 (C + 1,), counts added up.
        nodes: N.
    """

    first: np.ndarray
    node: np.ndarray
    risen: np.ndarray
    nodes: int

    def draw(self, rows: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Contexts of rows, by frequency: J of the multiset without replacement, all where there are no more.

        Args:
            rows: int64 (S,).
            uniform: in [0, 1), (S, J).

        Returns:
            int64 (S, J), the nodes, 0 where there is none; bool (S, J), whether there is one.
        """
        low = self.risen[self.first[rows]]
        total = self.risen[self.first[rows + 1]] - low  # (S,)
        place = without_replacement(total, uniform)
        valid = place < total[:, None]
        found = np.searchsorted(self.risen, low[:, None] + place, side="right") - 1
        return np.where(valid, self.node[np.where(valid, found, 0)] if len(self.node) else 0, 0), valid


def without_replacement(total: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """J different whole numbers below each total, all alike likely (Floyd's algorithm, row by row at once).

    Args:
        total: int64 (S,).
        uniform: in [0, 1), (S, J).

    Returns:
        int64 (S, J); where the total is below J, 0 to J - 1, so that those below the total are all of them.
    """
    many = uniform.shape[1]
    out = np.empty(uniform.shape, np.int64)
    for step in range(many):
        last = total - many + step  # Floyd's j
        drawn = (uniform[:, step] * (last + 1)).astype(np.int64)
        taken = (out[:, :step] == drawn[:, None]).any(1)
        out[:, step] = np.where(total <= many, step, np.where(taken, last, drawn))
    return out


def contexts(
    snapshots: Any, num_walks: int, walk_length: int, context_size: int, generators: list[np.random.Generator]
) -> Contexts:
    """The contexts of all nodes in all snapshots (DeepWalk: walks by link weight, pairs within a window).

    Args:
        snapshots: `data.temporal_graphs.Snapshots`.
        num_walks: from each node that has a link to another in a snapshot, at least 1.
        walk_length: nodes of a walk, at least 2.
        context_size: places to each side of a node in a walk that are its contexts, at least 1.
        generators: one a snapshot.
    """
    nodes, keys, counts = len(snapshots), [], []
    for snapshot, generator in enumerate(generators):
        source, target, weight = snapshots.links(snapshot)
        links = Adjacency.of(source, target, weight, nodes)
        active = np.unique(np.concatenate([source, target])[np.tile(source != target, 2)])
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        starts = np.repeat(active, num_walks)
        for begin in range(0, len(starts), STARTS):
            found = _pairs(walks(links, starts[begin : begin + STARTS], walk_length, generator), context_size, nodes)
            pairs.append(found)
        key, count = _added(pairs)
        keys.append(snapshot * nodes * nodes + key)
        counts.append(count)
    key = np.concatenate(keys)
    first = np.searchsorted(key, np.arange(len(generators) * nodes + 1) * nodes)
    return Contexts(first, key % nodes, np.concatenate([[0], np.cumsum(np.concatenate(counts))]), nodes)


def _pairs(path: np.ndarray, context_size: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (node, context) pairs of walks as node N + context, rising, and how often each is met."""
    found = []
    for apart in range(1, min(context_size, path.shape[1] - 1) + 1):
        one, other = path[:, :-apart].ravel(), path[:, apart:].ravel()
        unlike = one != other
        one, other = one[unlike], other[unlike]
        found.append(_added([(one * nodes + other, np.ones(len(one), np.int64))]))
    key, count = _added(found)
    turned = key % nodes * nodes + key // nodes  # what is a context to the right is one to the left
    return _added([(key, count), (turned, count)])


def _added(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Keys, each once and rising, with their counts added up."""
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key, place = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    return key, np.bincount(place, np.concatenate([part[1] for part in parts]), len(key)).astype(np.int64)
