"""k-means, plain and on the sphere: restarts on a sample of the rows, then Lloyd's iteration over all of all processes.

The sample is drawn by the rows' ids and sums are in float64, so the number of processes changes nothing but rounding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from scipy.sparse import csr_array

from unlabeled.distributed import collect, rank, total, world_size
from unlabeled.metrics.spectrum import in_threads

BLOCK = 1024
"""Rows whose distances are formed at once."""
PER_CENTRE, AT_LEAST = 64, 4096
"""Size of the sample that restarts are tried on: so many rows a centre, and no fewer than that in all."""
ITERATIONS = 100
"""Lloyd's iterations at most."""
TRIED, TOLERANCE = 1e-3, 1e-4
"""They end where the mean squared distance falls by no more than this share of itself: in a restart, and at last."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Clusters:
    """What `kmeans` found.

    Args:
        centres: float32 (K, D).
        objective: the mean squared distance of a row to its centre, over the rows of all processes.
        iterations: over all rows, after the restarts.
    """

    centres: np.ndarray
    objective: float
    iterations: int

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """The nearest centre of each row (N, D), of equally near ones the first: int64 (N,)."""
        found = in_threads(lambda run: _assign(run, self.centres)[0], _runs(rows))
        return np.concatenate([*found, np.empty(0, np.int64)])


def kmeans(
    rows: np.ndarray, ids: np.ndarray, count: int, rng: Generator, restarts: int = 10, spherical: bool = True
) -> Clusters:
    """Centres that rows are near to: the best of some restarts from k-means++ on a sample, refined on all rows.

        minimise over centres c:   mean_i min_k |x_i - c_k|^2,    |c_k| = 1 where spherical

    The sample holds 64 rows a centre and at least 4,096, and all processes divide its restarts among them.
    A cluster that loses its last row keeps its centre.

    Args:
        rows: this process's rows, float32 (N_p, D), perhaps memory-mapped, perhaps none; of length 1 where spherical.
        ids: int64 (N_p,); no id is twice.
        count: K, 1 to the number of rows of all processes.
        rng: the same on every process.
        restarts: at least 1.
        spherical: whether centres are divided by their length.

    Raises:
        ValueError: a number outside its range.
    """
    every = np.sort(np.concatenate(collect(ids)))
    if not 1 <= count <= len(every) or restarts < 1:
        raise ValueError(
            f"kmeans takes 1 to {len(every)} centres, the number of rows, and at least 1 restart, "
            f"got {count} and {restarts}"
        )
    chosen = np.sort(rng.choice(every, min(len(every), max(AT_LEAST, PER_CENTRE * count)), replace=False))
    mine = np.flatnonzero(np.isin(ids, chosen))
    order, sample = (np.concatenate(parts) for parts in zip(*collect((ids[mine], rows[mine])), strict=True))
    sample = sample[np.argsort(order)]

    def tried(place: int, chance: Generator) -> tuple[float, int, np.ndarray]:
        start = _seeded(sample, count, chance)
        found = _lloyd(sample, start, spherical, TRIED, lambda sums: sums, map)
        return found.objective, place, found.centres

    ours = [*enumerate(rng.spawn(restarts))][rank() :: world_size()]
    best = min(
        (one for part in collect(in_threads(lambda each: tried(*each), ours)) for one in part), key=lambda t: t[:2]
    )
    return _lloyd(rows, best[2], spherical, TOLERANCE, lambda sums: total(torch.from_numpy(sums)).numpy(), in_threads)


def _seeded(rows: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """k-means++ (Arthur and Vassilvitskii 2007): each centre a row drawn in proportion to its squared distance.

    Distance is that to the nearest centre so far; where all are 0, any row is drawn.
    """
    places = [int(rng.integers(len(rows)))]
    square = np.einsum("nd,nd->n", rows, rows)
    apart = np.full(len(rows), np.inf, np.float32)
    while len(places) < count:
        last = places[-1]
        np.minimum(apart, np.maximum(square - 2 * (rows @ rows[last]) + square[last], 0.0), out=apart)
        apart[last] = 0.0
        odds = np.cumsum(apart, dtype=np.float64)
        drawn = np.searchsorted(odds, rng.random() * odds[-1], side="right")
        places.append(int(drawn) if drawn < len(rows) else int(rng.integers(len(rows))))
    return rows[places].astype(np.float32)


def _lloyd(
    rows: np.ndarray,
    centres: np.ndarray,
    spherical: bool,
    tolerance: float,
    everyone: Callable[[np.ndarray], np.ndarray],
    each: Map,
) -> Clusters:
    """Lloyd's iteration until the objective hardly falls; sums change only by the rows that change their cluster.

    Args:
        rows: (N, D).
        centres: to start from, (K, D).
        spherical: whether centres are divided by their length.
        tolerance: end where the objective falls by no more than this share of itself.
        everyone: sums over those who hold rows.
        each: a map, of threads or not.
    """
    count, width = centres.shape
    runs = _runs(rows)
    before = [np.full(len(run), -1) for run in runs]
    sums, sizes, last = np.zeros((count, width)), np.zeros(count), np.inf
    size = float(everyone(np.array([float(len(rows))]))[0])
    iterations = 0
    while iterations < ITERATIONS:
        iterations += 1
        found = [*each(partial(_moved, centres=centres), zip(runs, before, strict=True))]
        before = [clusters for clusters, _ in found]
        change = everyone(sum((change for _, change in found), np.zeros(count * width + count + 2)))
        sums += change[: count * width].reshape(count, width)
        sizes += change[count * width : -2]
        objective, moved = float(change[-2]) / size, change[-1]
        if moved == 0 or last - objective <= tolerance * objective:
            break
        last = objective
        held = sizes > 0.5  # an empty cluster keeps its centre
        middle = np.where(held[:, None], sums / np.maximum(sizes, 1.0)[:, None], centres)
        length = np.sqrt(np.square(middle).sum(axis=1, keepdims=True)) if spherical else np.ones((count, 1))
        centres = (middle / np.where(length > 0, length, 1.0)).astype(np.float32)
    return Clusters(centres, max(objective, 0.0), iterations)


def _runs(rows: np.ndarray) -> list[np.ndarray]:
    """Rows in as many consecutive runs as there are threads."""
    return np.array_split(rows, torch.get_num_threads())


def _assign(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """The nearest centre of each row, int64 (N,), and the sum of squared distances to it."""
    clusters, apart = np.empty(len(rows), np.int64), 0.0
    half = np.square(centres).sum(axis=1) / 2
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        near = block @ centres.T  # (B, K): |x|^2 - 2 near is the squared distance
        near -= half
        clusters[start : start + BLOCK] = own = near.argmax(axis=1)
        apart += float(np.einsum("nd,nd->n", block, block).sum(dtype=np.float64))
        apart -= 2 * float(near[np.arange(len(own)), own].sum(dtype=np.float64))
    return clusters, apart


def _moved(run: tuple[np.ndarray, np.ndarray], centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of some rows, and what has changed, as one vector.

    Returns:
        int64 (N,); and the changes of the clusters' sums (K D,) and sizes (K,), the sum of squared distances, and
        how many rows changed their cluster.
    """
    rows, before = run
    clusters, apart = _assign(rows, centres)
    count, width = centres.shape
    places = np.flatnonzero(clusters != before)
    sums, sizes = np.zeros((count, width)), np.bincount(clusters[places], minlength=count).astype(np.float64)
    sizes -= np.bincount(before[places][before[places] >= 0], minlength=count)
    for start in range(0, len(places), BLOCK):
        part = places[start : start + BLOCK]
        left = np.flatnonzero(before[part] >= 0)
        cells = np.concatenate([clusters[part], before[part[left]]]), np.concatenate([np.arange(len(part)), left])
        sign = np.concatenate([np.ones(len(part)), -np.ones(len(left))])
        sums += csr_array((sign, cells), shape=(count, len(part))) @ rows[part].astype(np.float64)
    return clusters, np.concatenate([sums.ravel(), sizes, [apart, len(places)]])
