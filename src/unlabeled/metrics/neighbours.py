"""Exact nearest neighbours by cosine, in one process or across all, and the vote they cast."""

from collections.abc import Sequence

import faiss
import numpy as np

from unlabeled.distributed import collect

PART_BYTES = 2**28
"""Size of the part of the bank, and of the queries, that is normalised and searched at once."""
SCRATCH_BYTES = 2**26
"""Size of the largest temporary array."""

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Neighbours of Q queries: similarity float32 (Q, k), id int64 (Q, k), label int64 (Q, k)."""


def normalise(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean norm, which is summed in float64; a row of zeros stays zero.

    Args:
        rows: (N, D), of any float type, perhaps memory-mapped.

    Returns:
        float32 (N, D).

    Raises:
        ValueError: a row holds a value that is not finite.
    """
    unit = np.empty(rows.shape, np.float32)
    step = max(1, SCRATCH_BYTES // (8 * max(1, rows.shape[1])))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64)
        norm = np.sqrt((block * block).sum(axis=1))
        if not np.isfinite(norm).all():
            raise ValueError(f"row {start + int(np.argmin(np.isfinite(norm)))} holds a value that is not finite")
        unit[start : start + step] = block / np.where(norm > 0, norm, 1.0)[:, None]
    return unit


def nearest(
    queries: np.ndarray, bank: np.ndarray, k: int, exclude: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of the bank with the largest cosine to each query, exactly.

        s_ij = q_i . b_j / (|q_i| |b_j|),    0 where one of the two is zero

    faiss proposes candidates from float32 products; their similarities are then formed again in
    float64 and rounded to float32, so that equal rows tie whatever the blocking. A query for which
    the rounding of float32 could have hidden a neighbour is compared with every row.

    Args:
        queries: (Q, D), of any length: they are normalised here.
        bank: (N, D), perhaps memory-mapped: both are read in parts.
        k: at least 1; clipped to N, or to N - 1 where `exclude` is given.
        exclude: int64 (Q,), for each query the place in the bank that is no neighbour of it
            (leave-one-out), -1 for none.

    Returns:
        Similarity float32 (Q, k) and place int64 (Q, k), ordered by similarity falling, then place rising.

    Raises:
        ValueError: k < 1, shapes that do not fit, or a value that is not finite.
    """
    similarity, place = _search(queries, bank, k, exclude)
    width = min(k, len(bank) - (exclude is not None))
    return similarity[:, :width], place[:, :width]


def merge(lists: Sequence[Found], k: int) -> Found:
    """The k nearest neighbours of a bank that was searched in shards.

    Exact, because each of the global k nearest is among the k nearest of its own shard.

    Args:
        lists: for each shard (similarity, id, label), each (Q, k_s); places without a neighbour hold
            (-inf, -1, -1). No id is in two shards.
        k: at least 1; clipped to the sum of the k_s.

    Returns:
        (similarity, id, label), each (Q, k), ordered by similarity falling, then id rising.
    """
    similarity, ids, labels = (np.concatenate(parts, axis=1) for parts in zip(*lists, strict=True))
    order = np.lexsort((ids, -similarity), axis=1)[:, :k]
    return (
        np.take_along_axis(similarity, order, axis=1),
        np.take_along_axis(ids, order, axis=1),
        np.take_along_axis(labels, order, axis=1),
    )


def nearest_across(
    queries: np.ndarray,
    bank: np.ndarray,
    ids: np.ndarray,
    labels: np.ndarray,
    k: int,
    exclude: np.ndarray | None = None,
) -> Found:
    """The k nearest neighbours among the rows of all processes, the same on every process.

    Args:
        queries: (Q, D), the same on every process.
        bank: (N_p, D), this process's rows, perhaps none.
        ids: int64 (N_p,), rising; no id is on two processes.
        labels: int64 (N_p,).
        k: at least 1; clipped to the number of rows on all processes, less one where `exclude` is given.
        exclude: int64 (Q,), the id that is no neighbour of each query, -1 for none.

    Returns:
        (similarity, id, label), each (Q, k), ordered by similarity falling, then id rising.

    Raises:
        ValueError: as `nearest`, or ids that do not rise.
    """
    if (np.diff(ids) <= 0).any():
        raise ValueError("nearest_across takes ids that rise: with them ties are told apart")
    own = None
    if exclude is not None:
        own = np.searchsorted(ids, exclude)
        own[~np.isin(exclude, ids)] = -1
    similarity, place = _search(queries, bank, k, own)
    missing = place < 0
    found = (similarity, *(np.where(missing, -1, _take(values, place)) for values in (ids, labels)))
    shards = collect((len(bank), found))
    rows = sum(count for count, _ in shards)
    return merge([found for _, found in shards], min(k, rows - (exclude is not None)))


def weighted_vote(similarity: np.ndarray, neighbour_labels: np.ndarray, classes: int, temperature: float) -> np.ndarray:
    """Scores of the classes by the weighted vote of the neighbours (InstDisc, DINO).

        score_c = sum_j exp((s_j - s_max) / T) [y_j = c],    s_max the query's largest similarity

    Subtracting s_max multiplies all scores of a query by one number and keeps exp from overflowing.

    Args:
        similarity: (Q, k).
        neighbour_labels: int64 (Q, k), 0 to `classes` - 1; a negative label casts no vote.
        classes: C, at least 1.
        temperature: T > 0; infinite gives each neighbour the same weight.

    Returns:
        float64 (Q, C), at least 0.

    Raises:
        ValueError: T <= 0, or a label of `classes` or more.
    """
    if not temperature > 0:
        raise ValueError(f"weighted_vote takes a temperature above 0, got {temperature}")
    if neighbour_labels.size and neighbour_labels.max() >= classes:
        raise ValueError(f"weighted_vote was told of {classes} classes and given label {neighbour_labels.max()}")
    count = len(similarity)
    if not similarity.size:
        return np.zeros((count, classes))
    voting = neighbour_labels >= 0
    gap = np.where(voting, similarity.astype(np.float64) - similarity.max(axis=1, keepdims=True), 0.0)
    weight = np.where(voting, np.exp(gap / temperature), 0.0)
    cell = np.arange(count)[:, None] * classes + np.where(voting, neighbour_labels, 0)  # (Q, k) into (Q C,)
    return np.bincount(cell.ravel(), weight.ravel(), minlength=count * classes).reshape(count, classes)


def _search(queries: np.ndarray, bank: np.ndarray, k: int, exclude: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`, but always min(k, N) wide: a query that lost its last neighbour to `exclude` holds (-inf, -1)."""
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(f"queries (Q, D) and bank (N, D) of one D are needed, got {queries.shape} and {bank.shape}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    exclude = np.full(len(queries), -1) if exclude is None else exclude
    shape = len(queries), min(k, len(bank))
    similarity, place = np.full(shape, -np.inf, np.float32), np.full(shape, -1)
    step = max(1, PART_BYTES // (4 * max(1, bank.shape[1])))
    for start in range(0, len(bank), step):
        part = normalise(bank[start : start + step])
        for first in range(0, len(queries), step):
            rows = slice(first, first + step)
            found, at = _search_part(normalise(queries[rows]), part, k, exclude[rows] - start)
            at = np.where(at < 0, -1, at + start)
            both = np.hstack([similarity[rows], found]), np.hstack([place[rows], at])
            similarity[rows], place[rows] = _first(*both, shape[1])
    return similarity, place


def _search_part(queries: np.ndarray, bank: np.ndarray, k: int, exclude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The min(k, N) nearest of unit rows, all of one part of the bank."""
    width = min(len(bank), k + 1 + max(8, k // 4))  # a margin past k, or float32 would decide who is k-th
    rough, place = faiss.knn(queries, bank, width, metric=faiss.METRIC_INNER_PRODUCT)
    similarity = _cosines(queries, bank, place)
    similarity[place == exclude[:, None]] = -np.inf
    similarity, place = _first(similarity, place, k)
    place[np.isneginf(similarity)] = -1
    if width < len(bank):
        error = (bank.shape[1] + 4) * 2.0**-24  # a float32 product of unit rows is within this of the true one
        doubtful = np.flatnonzero(similarity[:, -1] <= rough[:, -1] + error)
        if len(doubtful):
            similarity[doubtful], place[doubtful] = _exhaustive(queries[doubtful], bank, k, exclude[doubtful])
    return similarity, place


def _cosines(queries: np.ndarray, bank: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Products of each query with its candidates, float32 of the float64 sum: (Q, w)."""
    similarity = np.empty(place.shape, np.float32)
    step = max(1, SCRATCH_BYTES // (8 * max(1, place.shape[1] * bank.shape[1])))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        candidates = bank[place[rows]].astype(np.float64)  # (step, w, D)
        products = candidates @ queries[rows].astype(np.float64)[:, :, None]
        similarity[rows] = products[:, :, 0]
    return similarity


def _exhaustive(queries: np.ndarray, bank: np.ndarray, k: int, exclude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k < N nearest of unit rows by every product in float64."""
    place = np.empty((len(queries), k), np.int64)
    similarity = np.empty((len(queries), k), np.float32)
    wide = bank.astype(np.float64).T  # (D, N)
    last = np.arange(len(bank), dtype=np.int64)[::-1]  # N - 1 for place 0: the lower place wins a tie
    step = max(1, SCRATCH_BYTES // (8 * len(bank)))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        every = (queries[rows].astype(np.float64) @ wide).astype(np.float32)  # (step, N)
        inside = np.flatnonzero((exclude[rows] >= 0) & (exclude[rows] < len(bank)))
        every[inside, exclude[rows][inside]] = -np.inf
        key = rising(every) * 2**32 + last
        key = np.sort(np.partition(key, len(bank) - k, axis=1)[:, len(bank) - k :], axis=1)[:, ::-1]
        place[rows] = len(bank) - 1 - key % 2**32
        similarity[rows] = np.take_along_axis(every, place[rows], axis=1)
    return similarity, place


def rising(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of the float32 `values`, int64 within 32 bits; 0 and -0 are one."""
    bits = (values + np.float32(0)).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _first(similarity: np.ndarray, place: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k of each row by similarity falling, then place rising: both (Q, min(k, w))."""
    order = np.lexsort((place, -similarity), axis=1)[:, :k]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(place, order, axis=1)


def _take(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """`values` at `place`, where -1 may stand for none and `values` may be empty."""
    return values[np.maximum(place, 0)] if len(values) else np.full(place.shape, -1)
