"""The protocol of learnt labels: whether the clusters that a method has learnt are the classes, head by head."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from unlabeled import chance
from unlabeled.distributed import rank, world_size
from unlabeled.evaluation.clustering import Repeated
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import CLUSTERS, RANDOM_CLUSTERS, SHARES, labelled_pair
from unlabeled.metrics import contingency as agreement
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.neighbours import normalise
from unlabeled.objectives import balanced_assignment
from unlabeled.training.labeller import Labeller

RESAMPLES = 200
"""Draws of the test samples behind an interval."""
Figure = Callable[[np.ndarray], float]
FIGURES: dict[str, Figure] = {
    "ami": agreement.adjusted_mutual_information,
    "nmi": agreement.normalised_mutual_information,
    "ari": agreement.adjusted_rand_index,
    "accuracy": agreement.matched_accuracy,
    "purity": agreement.purity,
    "entropy": agreement.conditional_entropy,
}


@dataclass(frozen=True, kw_only=True)
class LearntLabels:
    """How labels of T heads, or of as many draws, agree with the classes on the test samples.

    Args:
        value: adjusted mutual information, the mean over heads.
        interval: of `value`, 95 %, from resampled test samples.
        best: the largest adjusted mutual information of a head.
        ami: adjusted for chance; 0 for labels drawn at random, whatever K.
        nmi: normalised mutual information, arithmetic; rises with K.
        ari: adjusted Rand index.
        accuracy: Hungarian, of the best one-to-one naming of clusters by classes: at most C / K where classes and
            clusters are equally large and K is above C.
        purity: rises with K.
        entropy: of the class within a cluster, in nats; falls with K.
        clusters: K.
        heads: T.
        used: clusters with a test sample, the mean over heads.
        n_train: samples that labels were found in, without their classes.
        n_test: test samples.
        classes: C.
    """

    value: float
    interval: tuple[float, float]
    best: float
    ami: Repeated
    nmi: Repeated
    ari: Repeated
    accuracy: Repeated
    purity: Repeated
    entropy: Repeated
    clusters: int
    heads: int
    used: float
    n_train: int
    n_test: int
    classes: int


Finder = Callable[[Features, Features, int], np.ndarray]
"""Training and test features and the number of a head to labels of this process's share of the test rows."""


def learnt_labels(train: Features, test: Features, labeller: Labeller, find: Finder, seed: int = 0) -> LearntLabels:
    """Judge the labels that `find` gives, for as many heads as the labeller has.

    Args:
        train: labelled; at least 2 classes.
        test: labelled with classes of `train`.
        labeller: T and K are its own.
        find: one of the functions below.
        seed: of the resamples.

    Raises:
        UserError: what was passed cannot be judged; the message says why.
    """
    labels, test_labels, classes = labelled_pair(train, test, "labels")
    own, clusters = test_labels[rank() :: world_size()], labeller.clusters
    tables = [agreement.contingency(find(train, test, head), own, clusters, classes) for head in range(labeller.heads)]
    found = {name: np.array([figure(table) for table in tables]) for name, figure in FIGURES.items()}
    value = float(found["ami"].mean())
    return LearntLabels(
        value=value,
        interval=_interval(tables, value, seed),
        best=float(found["ami"].max()),
        **{name: _repeated(values) for name, values in found.items()},
        clusters=clusters,
        heads=labeller.heads,
        used=float(np.mean([(table.sum(1) > 0).sum() for table in tables])),
        n_train=len(labels),
        n_test=len(test_labels),
        classes=classes,
    )


def by_heads(labeller: Labeller) -> Finder:
    """The labels of the heads themselves."""
    return lambda train, test, head: labeller.label_rows(test.embeddings[rank() :: world_size()], head)[0]


def by_random_heads(labeller: Labeller, seed: int) -> Finder:
    """Those of heads as they are before training, balanced on the training rows: what the transport does alone."""

    def find(train: Features, test: Features, head: int) -> np.ndarray:
        with torch.random.fork_rng(devices=[]):
            chance.seed_torch(seed, chance.SPLIT, SHARES, head)
            fresh = nn.Linear(train.embeddings.shape[1], labeller.clusters)
        rows = torch.from_numpy(np.array(train.embeddings[rank() :: world_size()]))
        with torch.no_grad():
            balance = balanced_assignment(fresh(rows), labeller.strength).bias
            balanced = Labeller(fresh.weight[None], fresh.bias[None], balance[None], labeller.strength)
            return balanced.label_rows(test.embeddings[rank() :: world_size()])[0]

    return find


def by_kmeans(labeller: Labeller, seed: int) -> Finder:
    """Spherical k-means of the training rows, a draw a head, as many centres as a head has clusters."""

    def find(train: Features, test: Features, head: int) -> np.ndarray:
        share = slice(rank(), None, world_size())
        unit, tested = normalise(train.embeddings[share]), normalise(test.embeddings[share])
        rng = chance.generator(seed, chance.SPLIT, CLUSTERS, head)
        return kmeans(unit, train.ids[share], labeller.clusters, rng, 1).nearest(tested)

    return find


def at_random(labeller: Labeller, seed: int) -> Finder:
    """Clusters of equal size drawn at random: the level of chance."""

    def find(train: Features, test: Features, head: int) -> np.ndarray:
        rng = chance.generator(seed, chance.SPLIT, RANDOM_CLUSTERS, labeller.clusters, head)
        return rng.permutation(np.arange(len(test.ids)) % labeller.clusters)[rank() :: world_size()]

    return find


def _repeated(values: np.ndarray) -> Repeated:
    return Repeated(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0)


def _interval(tables: list[np.ndarray], value: float, seed: int) -> tuple[float, float]:
    """1.96 deviations of the mean AMI about it, when the test samples are drawn anew (each head's table on its own).

    Resampling adds information that is not there, so its mean lies above the value; its spread is what is taken.
    """
    rng = chance.generator(seed, chance.SPLIT, SHARES)
    first, count = tables[0], int(tables[0].sum())
    drawn = [
        agreement.adjusted_mutual_information(rng.multinomial(count, first.ravel() / count).reshape(first.shape))
        for _ in range(RESAMPLES)
    ]
    half = 1.96 * float(np.std(drawn))
    return value - half, value + half
