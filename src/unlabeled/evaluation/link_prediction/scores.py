"""Scores of pairs that need no training: what was linked before, and who shares neighbours."""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix


def simple_scores(known: Any, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of pairs by the links of all snapshots so far, float64 (M,) each.

    Args:
        known: snapshots.
        pairs: int64 (M, 2).

    Returns:
        linked_before: whether they were linked; interactions: how many events they had; last_interactions: in the last
        snapshot; degree_product: of their numbers of distinct other neighbours; adamic_adar: sum over common
        neighbours of 1 / log degree; interactions_adamic_adar: interactions, ties broken by Adamic-Adar.
    """
    one, other = pairs.T
    nodes = len(known)
    everything = _matrix(known.source, known.target, known.weight, nodes)
    source, target, weight = known.links(known.count - 1)
    last = _matrix(source, target, weight, nodes)
    neighbours = everything.copy()
    neighbours.setdiag(0)
    neighbours.eliminate_zeros()
    neighbours.data[:] = 1.0
    degree = np.asarray(neighbours.sum(1)).ravel()
    rarity = np.where(degree > 1, 1 / np.log(np.maximum(degree, 2)), 0.0)
    shared = neighbours[one].multiply(neighbours[other]) @ rarity
    interactions = _entries(everything, one, other)
    return {
        "linked_before": (interactions > 0).astype(np.float64),
        "interactions": interactions,
        "last_interactions": _entries(last, one, other),
        "degree_product": degree[one] * degree[other],
        "adamic_adar": shared,
        "interactions_adamic_adar": interactions + shared / (1 + shared.max(initial=0.0)) * _least_gap(interactions),
    }


def degree_features(known: Any, pairs: np.ndarray) -> np.ndarray:
    """One-hot degrees of both ends, added up: float64 (M, bins), bin = floor(log2(1 + degree)) on all links so far."""
    one, other = pairs.T
    links = _matrix(known.source, known.target, np.ones(len(known.source)), len(known))
    links.setdiag(0)
    links.eliminate_zeros()
    bins = np.floor(np.log2(1 + np.diff(links.indptr))).astype(np.int64)
    table = np.eye(bins.max() + 1)[bins]
    hot: np.ndarray = table[one] + table[other]
    return hot


def _matrix(source: np.ndarray, target: np.ndarray, weight: np.ndarray, nodes: int) -> Any:
    """Symmetric, weights of repeated links added up; a link of a node to itself counts once."""
    apart = source != target
    row = np.concatenate([source, target[apart]])
    column = np.concatenate([target, source[apart]])
    return csr_matrix((np.concatenate([weight, weight[apart]]), (row, column)), (nodes, nodes))


def _entries(matrix: Any, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[one, other], np.float64).ravel()


def _least_gap(values: np.ndarray) -> float:
    """The smallest distance between different values: what may be added without changing their order."""
    distinct = np.unique(values)
    return float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
