"""A deterministic clustering of the links, without any weights to learn: what DiffPool-Det pools by."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unlabeled.data.graphs.batch import GraphBatch

LEAST_GAIN = 1e-9
"""What a move of the refinement has to gain: rounding is less."""


def clusters_of(batch: GraphBatch, clusters: Sequence[int]) -> list[Tensor]:
    """Nested clusters of the nodes of every graph: Graclus (Dhillon et al. 2007, sections 4.1 and 4.3).

    Neighbours are merged two by two, those with the largest w_uv (1 / d_u + 1 / d_v) first, in rounds, until no graph
    has more clusters than asked for; parts of a graph that no link joins are merged smallest first. Then single nodes
    move to where the normalised cut falls the most, until none gains. Departure: Graclus refines after each
    of its coarsenings, this once a pool.

    Args:
        batch: the graphs.
        clusters: of each pool, falling: C, C', ...

    Returns:
        The cluster of each node, int64 (n,), then of each cluster, (B, C), and so on. A cluster without nodes says 0,
        and counts for nothing.
    """
    owner, edges = batch.owner.cpu().numpy(), batch.edges.cpu().numpy()
    weights: np.ndarray = np.ones(edges.shape[1])
    found = []
    graphs = len(batch)
    sizes: np.ndarray = np.ones(len(owner))
    there: np.ndarray = np.zeros(0, np.int64)
    for number, asked in enumerate(clusters):
        place = _merged(owner, edges, weights, sizes, graphs, asked) + owner * asked  # graph by graph
        place = _refined(place, edges, weights, graphs * asked)
        merged = place - owner * asked
        if number:  # `owner`, `sizes` and `edges` are of the clusters that there are
            told = np.zeros(graphs * clusters[number - 1], np.int64)
            told[there] = merged
            merged = told.reshape(graphs, -1)
        found.append(torch.from_numpy(merged).to(batch.owner.device))
        there, place = np.unique(place, return_inverse=True)
        sizes, owner = np.bincount(place, sizes), there // asked
        keys, where = np.unique(place[edges[0]] * len(there) + place[edges[1]], return_inverse=True)
        weights = np.bincount(where, weights, len(keys))
        edges = np.stack([keys // len(there), keys % len(there)])
    return found


def _merged(
    owner: np.ndarray, edges: np.ndarray, weights: np.ndarray, sizes: np.ndarray, graphs: int, asked: int
) -> np.ndarray:
    """The cluster of each row within its graph, int64 (n,) below `asked`."""
    label = np.arange(len(owner))
    while True:
        names, label = np.unique(label, return_inverse=True)
        of = np.zeros(len(names), np.int64)
        of[label] = owner
        counts = np.bincount(of, minlength=graphs)
        if (counts <= asked).all():
            break
        partner = _partners(label, edges, weights, of, counts - asked)
        if (partner == np.arange(len(names))).all():
            partner = _unlinked(label, sizes, of, counts, asked)
        label = np.minimum(partner, np.arange(len(names)))[label]
    starts = np.concatenate([[0], np.cumsum(counts)])
    own: np.ndarray = label - starts[owner]
    return own


def _partners(
    label: np.ndarray, edges: np.ndarray, weights: np.ndarray, of: np.ndarray, spare: np.ndarray
) -> np.ndarray:
    """With which cluster each one merges in a round (itself where with none): pairs that choose each other.

    Args:
        label: of each row.
        edges: between rows.
        weights: of them.
        of: the graph of each cluster.
        spare: how many clusters each graph has too many.
    """
    count = len(of)
    keys, where = np.unique(label[edges[0]] * count + label[edges[1]], return_inverse=True)
    strength = np.bincount(where, weights, len(keys)) if len(keys) else np.zeros(0)
    a, b = keys // count, keys % count
    degree = np.bincount(a, strength, count)
    apart = (a != b) & (spare[of[a]] > 0)
    a, b, strength = a[apart], b[apart], strength[apart]
    gain = strength * (1 / degree[a] + 1 / degree[b])
    # of equal gains the pair that comes first by its two numbers, the same seen from either side
    order = np.lexsort((np.maximum(a, b), np.minimum(a, b), -gain, a))
    first = np.unique(a[order], return_index=True)[1]
    best = np.arange(count)
    best[a[order][first]] = b[order][first]
    mutual = best[best] == np.arange(count)
    partner = np.where(mutual, best, np.arange(count))
    # no more pairs than a graph has to lose, the strongest of it first
    pairs = np.flatnonzero(partner > np.arange(count))
    strongest = np.zeros(count)
    np.maximum.at(strongest, a, gain)
    pairs = pairs[np.lexsort((pairs, -strongest[pairs], of[pairs]))]
    begin = np.searchsorted(of[pairs], np.arange(len(spare)))
    late = pairs[np.arange(len(pairs)) - begin[of[pairs]] >= spare[of[pairs]]]
    partner[partner[late]] = partner[late]
    partner[late] = late
    return partner


def _refined(place: np.ndarray, edges: np.ndarray, weights: np.ndarray, clusters: int) -> np.ndarray:
    """Clusters after moves of single rows that raise sum over clusters of links inside / degrees, its cut's complement.

    A round makes the best move of each cluster that is the best one of the other cluster too: such moves share no
    cluster, so that what they gain adds up. No cluster loses its last row.

    Args:
        place: the cluster of each row, int64 (n,).
        edges: between rows of one graph.
        weights: of them.
        clusters: how many there are.
    """
    place, rows = place.copy(), len(place)
    degree = np.bincount(edges[0], weights, rows)
    loop = edges[0] == edges[1]
    loops = np.bincount(edges[0][loop], weights[loop], rows)
    while True:
        members, volume = np.bincount(place, minlength=clusters), np.bincount(place, degree, clusters)
        keys, where = np.unique(edges[0] * clusters + place[edges[1]], return_inverse=True)
        links = np.bincount(where, weights, len(keys)) if len(keys) else np.zeros(0)  # of a row with a cluster
        row, target = keys // clusters, keys % clusters
        home = target == place[row]
        inside = np.bincount(target[home], links[home], clusters)
        own = np.zeros(rows)
        own[row[home]] = links[home]
        may = ~home & (members[place[row]] > 1)
        row, target, links = row[may], target[may], links[may]
        source = place[row]
        before = _ratio(inside[source], volume[source]) + _ratio(inside[target], volume[target])
        left = _ratio(inside[source] - 2 * own[row] + loops[row], volume[source] - degree[row])
        gain = left + _ratio(inside[target] + 2 * links + loops[row], volume[target] + degree[row]) - before
        order = np.lexsort((target, row, -gain))
        order = order[gain[order] > LEAST_GAIN]
        if not len(order):
            return place
        row, source, target, rank = row[order], source[order], target[order], np.arange(len(order))
        best = np.full(clusters, len(order))
        np.minimum.at(best, source, rank)
        np.minimum.at(best, target, rank)
        chosen = (best[source] == rank) & (best[target] == rank)
        place[row[chosen]] = target[chosen]


def _ratio(links: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Links over degrees, 0 where there are none."""
    found: np.ndarray = links / np.where(volume > 0, volume, 1.0)
    return found


def _unlinked(label: np.ndarray, sizes: np.ndarray, of: np.ndarray, counts: np.ndarray, asked: int) -> np.ndarray:
    """The same where no links are left to merge along: in each graph with too many clusters the two smallest."""
    mass = np.bincount(label, sizes, len(of))
    order = np.lexsort((np.arange(len(of)), mass, of))
    begin = np.searchsorted(of[order], np.flatnonzero(counts > asked))
    partner = np.arange(len(of))
    one, other = order[begin], order[begin + 1]
    partner[one], partner[other] = other, one
    return partner
