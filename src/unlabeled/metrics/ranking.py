"""Where the relevant rows of a gallery stand when it is ordered by cosine to a query, exactly and without a limit."""

from dataclasses import dataclass

import numpy as np

from unlabeled.metrics.neighbours import SCRATCH_BYTES, normalise, rising
from unlabeled.metrics.spectrum import blocks, in_threads

QUERIES = 256
"""Queries whose products with the gallery are formed at once, at most."""


@dataclass(frozen=True)
class Ranks:
    """What `rank_relevant` found of Q queries.

    Args:
        first: int64 (Q,), the rank of the first relevant row, from 1; 0 where no row is relevant.
        precision: float64 (Q,), average precision, 0 where no row is relevant.
    """

    first: np.ndarray
    precision: np.ndarray


def rank_relevant(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    exclude: np.ndarray | None = None,
) -> Ranks:
    """The rank of the first row of each query's class, and average precision over all rows of it.

        rank of row j = 1 + #{g: s_g > s_j} + #{g < j: s_g = s_j},      s the cosine to the query
        precision = mean over relevant j of  #{relevant g: rank_g <= rank_j} / rank_j

    Cosines are formed in float64 and rounded to float32, as those of `neighbours.nearest`, so that equal rows tie
    whatever the blocking. Processes divide the queries among them, and each sees the whole gallery.

    Args:
        queries: (Q, D), of any length, perhaps none.
        gallery: (N, D), perhaps memory-mapped, N below 2^31.
        query_labels: int64 (Q,).
        gallery_labels: int64 (N,).
        exclude: int64 (Q,), for each query the place in the gallery that is left out of it, -1 for none.

    Raises:
        ValueError: a value that is not finite.
    """
    unit_queries, unit = normalise(queries).astype(np.float64), normalise(gallery)
    exclude = np.full(len(queries), -1) if exclude is None else exclude
    step = max(1, min(QUERIES, SCRATCH_BYTES // (8 * max(1, len(gallery)))))
    last = np.arange(len(gallery), dtype=np.int64)[::-1]  # N - 1 for place 0: the lower place wins a tie

    def some(start: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(start, start + step)
        key = np.empty((len(unit_queries[rows]), len(gallery)), np.int64)
        done = 0
        for part in blocks(unit):
            key[:, done : done + len(part)] = rising((unit_queries[rows] @ part.T).astype(np.float32))
            done += len(part)
        relevant = query_labels[rows, None] == gallery_labels
        key *= 2**32
        key += 2 * last + relevant  # the last bit goes along with the row when keys are sorted
        inside = np.flatnonzero(exclude[rows] >= 0)
        key[inside, exclude[rows][inside]] = np.iinfo(np.int64).min  # behind all others, and no bit
        key.sort(axis=1)
        return _measured((key[:, ::-1] & 1).astype(bool))

    found = in_threads(some, range(0, len(queries), step))
    first, precision = zip(*found, strict=True) if found else ((), ())
    return Ranks(np.concatenate([*first, np.empty(0, np.int64)]), np.concatenate([*precision, np.empty(0)]))


def _measured(relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First rank (Q,) and average precision (Q,) of galleries in order, bool (Q, N)."""
    if not relevant.size:
        return np.zeros(len(relevant), np.int64), np.zeros(len(relevant))
    many = relevant.sum(axis=1)
    query, place = np.nonzero(relevant)
    place += 1
    before = np.arange(len(query)) - np.repeat(np.cumsum(many) - many, many)  # relevant ones ahead of it
    precision = np.bincount(query, (before + 1) / place, minlength=len(relevant)) / np.maximum(many, 1)
    return np.where(many > 0, relevant.argmax(axis=1) + 1, 0), precision
