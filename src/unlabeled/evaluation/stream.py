"""The stream protocol: whether the components that a model found are the classes, what of them it still knows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.split import CLUSTERS
from unlabeled.metrics.contingency import contingency, matched_accuracy, purity
from unlabeled.metrics.kmeans import kmeans

NEIGHBOURS = (3, 5, 10)
"""Of the k-NN error."""


@dataclass(frozen=True)
class Assigned:
    """What a model makes of N labelled samples.

    Args:
        shares: q(y | x), float32 (N, K).
        latents: z, float32 (N, D).
        ids: int64 (N,).
        labels: int64 (N,), 0 to C - 1.
    """

    shares: np.ndarray
    latents: np.ndarray
    ids: np.ndarray
    labels: np.ndarray

    @property
    def components(self) -> np.ndarray:
        """The most probable component of each, int64 (N,)."""
        found: np.ndarray = self.shares.argmax(1)
        return found

    def table(self, classes: int) -> np.ndarray:
        """How many samples of each component are of each class, int64 (K, C)."""
        return contingency(self.components, self.labels, self.shares.shape[1], classes)


def per_class(table: np.ndarray) -> list[float]:
    """Of each class, the share in components that are named after it: (K, C) counts to C shares; nan of an empty class.

    A component is named after the class that most of its samples are of, so that the mean over samples is `purity`.
    """
    named = table.argmax(1)
    right = [table[named == label, label].sum() for label in range(table.shape[1])]
    sizes = table.sum(0)
    return [float(one / size) if size else float("nan") for one, size in zip(right, sizes, strict=True)]


def knn_error(train: Assigned, test: Assigned, neighbours: Sequence[int] = NEIGHBOURS) -> dict[int, float]:
    """The error of a vote of the k nearest by Euclidean distance, uniform, nothing normalised: k to a share.

    Args:
        train: those that vote, at least one.
        test: those that are classified; where it is `train` itself, each is left out of its own vote.
        neighbours: each k, at least 1; clipped to the number that may vote.

    Returns:
        Ties go to the smaller label, as scikit-learn has it.
    """
    from sklearn.neighbors import NearestNeighbors

    own = test is train
    most = min(max(neighbours), len(train.labels) - own)
    search = NearestNeighbors(n_neighbors=most).fit(train.latents)
    places = search.kneighbors(None if own else test.latents, return_distance=False)
    votes, classes = train.labels[places], int(train.labels.max()) + 1
    return {k: 1 - float((_vote(votes[:, :k], classes) == test.labels).mean()) for k in neighbours}


def _vote(votes: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((len(votes), classes), np.int64)
    np.add.at(counts, (np.arange(len(votes))[:, None], votes), 1)
    found: np.ndarray = counts.argmax(1)
    return found


def by_kmeans(train: Assigned, test: Assigned, clusters: int, classes: int, seed: int, restarts: int = 3) -> float:
    """Cluster accuracy of as many clusters of `latents`, found among the training samples: what K alone gives."""
    count = min(clusters, len(train.latents))
    rng = chance.generator(seed, chance.SPLIT, CLUSTERS)
    rows = np.ascontiguousarray(train.latents, np.float32)
    found = kmeans(rows, train.ids, count, rng, restarts, spherical=False)
    nearest = found.nearest(np.ascontiguousarray(test.latents, np.float32))
    return purity(contingency(nearest, test.labels, count, classes))


def incremental(test: Assigned, groups: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Accuracy where component c is class c: among all components, and among those of the sample's own task.

    The first is the trace of the confusion matrix (and not purity, which is never less).

    Args:
        test: N samples.
        groups: the classes of each task; a class of no task, and one that was never met, counts as wrong.

    Returns:
        Class-incremental and task-incremental accuracy.

    Raises:
        UserError: there is no sample.
    """
    if not len(test.labels):
        raise UserError("the accuracy of a stream needs at least one test sample; give more data.")
    known, right = test.shares.shape[1], 0
    for group in groups:
        there = [label for label in group if label < known]
        rows = np.isin(test.labels, group)
        if there and rows.any():
            chosen = np.asarray(there)[test.shares[rows][:, there].argmax(1)]
            right += int((chosen == test.labels[rows]).sum())
    return float((test.components == test.labels).mean()), right / len(test.labels)


def forgotten(over_time: Sequence[Sequence[float]]) -> list[float]:
    """Of each class, how far its accuracy at the end is below its best at any time, at least 0: (T, C) to C numbers."""
    best = np.nanmax(np.vstack([np.asarray(over_time), np.zeros(len(over_time[0]))]), axis=0)
    return [float(each) for each in best - np.nan_to_num(np.asarray(over_time[-1]))]


__all__ = [
    "NEIGHBOURS", "Assigned", "by_kmeans", "forgotten", "incremental", "knn_error", "matched_accuracy", "per_class",
    "purity",
]  # fmt: skip
