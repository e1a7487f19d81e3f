"""The few-shot protocol: how well a class is told from a handful of its samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.distributed import collect, rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import DRAWS, EPISODES, labelled_pair
from unlabeled.metrics.accuracy import correct_at
from unlabeled.metrics.intervals import of_mean
from unlabeled.metrics.logistic import Problem
from unlabeled.metrics.neighbours import nearest_across, normalise, weighted_vote
from unlabeled.metrics.spectrum import blocks

NEIGHBOURS, TEMPERATURE = 20, 0.07
"""Of the k-NN vote from n samples a class, where there are so many."""


@dataclass(frozen=True)
class Episodes:
    """Accuracy over episodes.

    Args:
        shots: samples of each class that are learnt from.
        value: the mean over episodes.
        interval: mean -/+ 1.96 deviation / sqrt(episodes).
    """

    shots: int
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class PerClass:
    """Accuracy among all classes from n samples of each, over several draws of these.

    Args:
        n: samples of each class.
        logistic: mean accuracy of logistic regression at a fixed C.
        logistic_deviation: over draws.
        neighbours: mean accuracy of the vote of min(20, n) neighbours.
        neighbours_deviation: over draws.
    """

    n: int
    logistic: float
    logistic_deviation: float
    neighbours: float
    neighbours_deviation: float


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """What `few_shot` found.

    Args:
        value: accuracy over episodes of the smallest number of shots.
        interval: of `value`, 95 %, over episodes.
        episodic: for each number of shots.
        all_classes: for each number of samples a class.
        ways: classes of an episode.
        queries: test samples of each class of an episode.
        episodes: how many.
        draws: of n samples a class.
        cost: C of the logistic regression, fixed: few samples cannot choose it.
        n_train: training samples that were drawn from.
        n_test: test samples that were drawn from, and that n samples a class were tested on.
        classes: C, of the training samples.
    """

    value: float
    interval: tuple[float, float]
    episodic: list[Episodes]
    all_classes: list[PerClass]
    ways: int
    queries: int
    episodes: int
    draws: int
    cost: float
    n_train: int
    n_test: int
    classes: int


def few_shot(
    train: Features,
    test: Features,
    ways: int = 5,
    shots: Sequence[int] = (1, 5),
    queries: int = 15,
    episodes: int = 600,
    per_class: Sequence[int] = (1, 5),
    draws: int = 5,
    cost: float = 1.0,
    seed: int = 0,
) -> FewShot:
    """Classify from a few samples a class: in episodes of some classes, and among all classes.

    Embeddings are centred on the mean of the training samples and then divided by their length. An episode
    draws classes, shots of each from the training samples and queries of each from the test samples; a query
    belongs to the nearest class mean. Among all classes, n training samples of each are drawn, and all test
    samples are classified by logistic regression and by their neighbours. Draws depend on the seed and on the
    samples alone, so that every encoder meets the same. Every process passes the same samples and takes its
    share of the episodes.

    Args:
        train: labelled; N, at least 2 classes.
        test: labelled with classes of `train`.
        ways: classes of an episode, at least 2.
        shots: each at least 1.
        queries: test samples of each class of an episode, at least 1.
        episodes: at least 2.
        per_class: values of n, each at least 1.
        draws: of n samples a class, at least 1.
        cost: C of sum CE + 1/(2C) |W|^2.
        seed: of all draws.

    Raises:
        UserError: a number outside its range, or too few classes or samples; the message says how many there are.
    """
    _in_range(ways=(ways, 2), shots=(min(shots, default=0), 1), queries=(queries, 1), episodes=(episodes, 2))
    _in_range(per_class=(min(per_class, default=1), 1), draws=(draws, 1), cost=(cost, 1e-12))
    pool = _pool(train, test)
    pool.check(ways, max(shots), queries, max(per_class, default=1))
    episodic = [_episodes(pool, ways, number, queries, episodes, seed) for number in sorted(set(shots))]
    return FewShot(
        value=episodic[0].value,
        interval=episodic[0].interval,
        episodic=episodic,
        all_classes=[_per_class(pool, n, draws, cost, seed) for n in sorted(set(per_class))],
        ways=ways,
        queries=queries,
        episodes=episodes,
        draws=draws,
        cost=cost,
        n_train=len(pool.labels),
        n_test=len(pool.test_labels),
        classes=pool.classes,
    )


@dataclass(frozen=True)
class _Pool:
    """What is drawn from: embeddings centred and of length 1, and the places of each class among them."""

    rows: np.ndarray
    labels: np.ndarray
    test_rows: np.ndarray
    test_labels: np.ndarray
    places: list[np.ndarray]
    test_places: list[np.ndarray]

    @property
    def classes(self) -> int:
        return len(self.places)

    def able(self, shots: int, queries: int) -> np.ndarray:
        """Classes with so many training and test samples, int64."""
        enough = [
            len(each) >= shots and len(tested) >= queries
            for each, tested in zip(self.places, self.test_places, strict=True)
        ]
        return np.flatnonzero(enough)

    def check(self, ways: int, shots: int, queries: int, per_class: int) -> None:
        """Refuse what there are too few samples for."""
        able, least = len(self.able(shots, queries)), min(map(len, self.places))
        if able < ways:
            raise UserError(
                f"few-shot needs {ways} classes with at least {shots} training and {queries} test samples each, and "
                f"{able} of {self.classes} classes have so many: lower --ways, --shots or --queries."
            )
        if least < per_class:
            raise UserError(
                f"few-shot needs {per_class} training samples of each class, and one class has {least}: lower "
                "--per-class."
            )


def _pool(train: Features, test: Features) -> _Pool:
    labels, test_labels, classes = labelled_pair(train, test, "few-shot")
    mean = sum((part.sum(axis=0) for part in blocks(train.embeddings)), np.zeros(train.embeddings.shape[1]))
    rows, test_rows = (normalise(each.embeddings - mean / len(labels)) for each in (train, test))
    places, test_places = (
        [np.flatnonzero(each == label) for label in range(classes)] for each in (labels, test_labels)
    )
    return _Pool(rows, labels, test_rows, test_labels, places, test_places)


def _in_range(**numbers: tuple[float, float]) -> None:
    for name, (value, least) in numbers.items():
        if not value >= least:
            raise UserError(f"--{name.replace('_', '-')} takes numbers of at least {least}, got {value}.")


def _episodes(pool: _Pool, ways: int, shots: int, queries: int, count: int, seed: int) -> Episodes:
    """Accuracy of the nearest class mean; each process takes its share of the episodes."""
    able, answer = pool.able(shots, queries), np.repeat(np.arange(ways), queries)

    def episode(place: int) -> float:
        rng = chance.generator(seed, chance.SPLIT, EPISODES, shots, place)
        chosen = rng.choice(able, ways, replace=False)
        learnt = [rng.choice(pool.places[each], shots, replace=False) for each in chosen]
        asked = np.concatenate([rng.choice(pool.test_places[each], queries, replace=False) for each in chosen])
        means = np.stack([pool.rows[rows].mean(axis=0) for rows in learnt])  # (ways, D)
        scores = 2 * pool.test_rows[asked] @ means.T - np.square(means).sum(axis=1)  # |q|^2 less squared distance
        return float((scores.argmax(axis=1) == answer).mean())

    ours = [(place, episode(place)) for place in range(rank(), count, world_size())]
    values = np.array([value for _, value in sorted(each for part in collect(ours) for each in part)])
    return Episodes(shots, float(values.mean()), of_mean(values))


def _per_class(pool: _Pool, n: int, draws: int, cost: float, seed: int) -> PerClass:
    """Accuracies from n samples of each class; processes divide these samples among them."""
    share, accuracies = slice(rank(), None, world_size()), np.empty((draws, 2))
    for draw in range(draws):
        rng = chance.generator(seed, chance.SPLIT, DRAWS, n, draw)
        chosen = np.concatenate([rng.choice(each, n, replace=False) for each in pool.places])[share]
        rows, labels = pool.rows[chosen], pool.labels[chosen]
        scores = Problem(rows, labels, pool.classes).solve(cost).scores(pool.test_rows)
        place = np.arange(n * pool.classes)[share]
        near, _, voters = nearest_across(pool.test_rows, rows, place, labels, min(NEIGHBOURS, n))
        votes = weighted_vote(near, voters, pool.classes, TEMPERATURE)
        accuracies[draw] = [correct_at(each, pool.test_labels).mean() for each in (scores, votes)]
    logistic, neighbours = accuracies.mean(axis=0).tolist()
    deviation = accuracies.std(axis=0, ddof=1).tolist() if draws > 1 else [0.0, 0.0]
    return PerClass(n, logistic, deviation[0], neighbours, deviation[1])
