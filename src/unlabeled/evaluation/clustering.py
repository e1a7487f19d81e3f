"""The clustering protocol: whether clusters that are found without labels are the classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import CLUSTERS, RANDOM_CLUSTERS, labelled_pair
from unlabeled.metrics import contingency as agreement
from unlabeled.metrics.intervals import wilson
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.neighbours import normalise
from unlabeled.training.progress import Progress


@dataclass(frozen=True)
class Repeated:
    """A figure over several draws.

    Args:
        mean: over the draws.
        deviation: with one draw less in the denominator; 0 of one draw.
    """

    mean: float
    deviation: float


@dataclass(frozen=True)
class Agreement:
    """How K clusters agree with the classes, on the test samples.

    Args:
        clusters: K.
        accuracy: Hungarian, of the best one-to-one naming of clusters by classes.
        nmi: normalised mutual information, arithmetic.
        ami: adjusted for chance.
        ari: adjusted Rand index.
        purity: rises with K.
        entropy: of the class within a cluster, in nats; falls with K.
    """

    clusters: int
    accuracy: Repeated
    nmi: Repeated
    ami: Repeated
    ari: Repeated
    purity: Repeated
    entropy: Repeated


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """What `clustering` found.

    Args:
        value: Hungarian accuracy where there are as many clusters as classes, the mean over seeds.
        interval: of `value`, Wilson, 95 %, over test samples.
        agreement: all figures, for each K.
        n_train: samples that the clusters were found in, without their labels.
        n_test: test samples.
        classes: C, of the training samples.
        seeds: draws that each figure is a mean of.
        restarts: of each, the best of which is kept.
    """

    value: float
    interval: tuple[float, float]
    agreement: list[Agreement]
    n_train: int
    n_test: int
    classes: int
    seeds: int
    restarts: int


def clustering(
    train: Features,
    test: Features,
    clusters: Sequence[int] = (100,),
    seeds: int = 5,
    restarts: int = 10,
    seed: int = 0,
) -> Clustering:
    """Cluster normalised training samples by spherical k-means, and see how the clusters divide the test samples.

    With as many clusters as classes, and with each K of `clusters`. Labels are for judging alone. Every
    process passes the same samples and works on its share of them.

    Args:
        train: labelled; N, at least 2 classes.
        test: labelled with classes of `train`.
        clusters: more values of K, each at least 1; clipped to N.
        seeds: how often it is done again from other draws, at least 1.
        restarts: k-means++ starts of each, at least 1.
        seed: of all draws.

    Raises:
        UserError: what was passed cannot be clustered; the message says why.
    """
    labels, test_labels, classes = _checked(train, test, clusters, seeds, restarts)
    share = slice(rank(), None, world_size())
    unit, tested = normalise(train.embeddings[share]), normalise(test.embeddings[share])

    def draw(k: int, number: int) -> np.ndarray:
        rng = chance.generator(seed, chance.SPLIT, CLUSTERS, number)
        return kmeans(unit, train.ids[share], k, rng, restarts).nearest(tested)

    return _judged(draw, _numbers(classes, clusters, len(labels)), labels, test_labels, seeds, restarts)


def random_clustering(
    train: Features, test: Features, clusters: Sequence[int] = (100,), seeds: int = 5, seed: int = 0
) -> Clustering:
    """What `clustering` says of clusters of equal size that are drawn at random: the level of chance at each K.

    Args and raises are those of `clustering`.
    """
    labels, test_labels, classes = _checked(train, test, clusters, seeds, 1)

    def draw(k: int, number: int) -> np.ndarray:
        rng = chance.generator(seed, chance.SPLIT, RANDOM_CLUSTERS, k, number)
        return rng.permutation(np.arange(len(test_labels)) % k)[rank() :: world_size()]

    return _judged(draw, _numbers(classes, clusters, len(labels)), labels, test_labels, seeds, 1)


def _checked(
    train: Features, test: Features, clusters: Sequence[int], seeds: int, restarts: int
) -> tuple[np.ndarray, np.ndarray, int]:
    for name, least in (("clusters", min(clusters, default=1)), ("seeds", seeds), ("restarts", restarts)):
        if least < 1:
            raise UserError(f"--{name} of clustering takes numbers of at least 1, got {least}.")
    return labelled_pair(train, test, "clustering")


def _numbers(classes: int, clusters: Sequence[int], count: int) -> list[int]:
    """C first, then the other values of K, clipped to the number of samples."""
    return list(dict.fromkeys([classes, *(min(k, count) for k in clusters)]))


def _judged(
    draw: Callable[[int, int], np.ndarray],
    numbers: list[int],
    labels: np.ndarray,
    test_labels: np.ndarray,
    seeds: int,
    restarts: int,
) -> Clustering:
    """The figures of clusters that `draw(K, number)` gives this process's test samples."""
    classes, own = int(labels.max()) + 1, test_labels[rank() :: world_size()]
    found: list[Agreement] = []
    with Progress("clustering", len(numbers) * seeds, "draws", show=rank() == 0) as progress:
        for k in numbers:
            tables = []
            for number in range(seeds):
                tables.append(agreement.contingency(draw(k, number), own, k, classes))
                progress.update(len(found) * seeds + number + 1)
            found.append(_agreement(k, tables))
    value = found[0].accuracy.mean
    return Clustering(
        value=value,
        interval=wilson(value * len(test_labels), len(test_labels)),
        agreement=found,
        n_train=len(labels),
        n_test=len(test_labels),
        classes=classes,
        seeds=seeds,
        restarts=restarts,
    )


def _agreement(k: int, tables: list[np.ndarray]) -> Agreement:
    return Agreement(
        clusters=k,
        accuracy=_repeated(agreement.matched_accuracy, tables),
        nmi=_repeated(agreement.normalised_mutual_information, tables),
        ami=_repeated(agreement.adjusted_mutual_information, tables),
        ari=_repeated(agreement.adjusted_rand_index, tables),
        purity=_repeated(agreement.purity, tables),
        entropy=_repeated(agreement.conditional_entropy, tables),
    )


def _repeated(figure: Callable[[np.ndarray], float], tables: list[np.ndarray]) -> Repeated:
    values = np.array([figure(table) for table in tables])
    return Repeated(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0)
