"""The few-shot protocol: how well a class is told from a handful of its samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled.distributed import collect, rank, world_size
from unlabeled.errors import UserError, in_range
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import labelled_pair
from unlabeled.evaluation.subsets import Sizes, Subsets, draw, origin
from unlabeled.metrics.accuracy import correct_at
from unlabeled.metrics.intervals import of_mean
from unlabeled.metrics.logistic import COSTS, Problem, judged
from unlabeled.metrics.neighbours import nearest_across, normalise, weighted_vote
from unlabeled.metrics.spectrum import blocks

NEIGHBOURS, TEMPERATURE = 20, 0.07
"""Of the k-NN vote from n samples a class, where there are so many."""
FOLDS = 5
"""Parts of the n samples a class, each held out once to choose C; and the n from which on it is chosen."""
TRIED = COSTS[::4]
"""The 12 values of C that are tried, a power of ten apart."""


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
        logistic: mean accuracy of logistic regression.
        logistic_deviation: over draws.
        neighbours: mean accuracy of the vote of min(20, n) neighbours.
        neighbours_deviation: over draws.
        costs: C of the logistic regression, of each draw.
        selected_on: where C was chosen: "shots", cross-validated among the n samples a class; or "fixed".
    """

    n: int
    logistic: float
    logistic_deviation: float
    neighbours: float
    neighbours_deviation: float
    costs: tuple[float, ...]
    selected_on: str


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
        cost: C of the logistic regression where n is below 5: so few samples cannot choose it.
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
    subsets: Subsets | None = None,
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
        test: labelled with classes of `train`; other samples.
        ways: classes of an episode, at least 2.
        shots: each at least 1.
        queries: test samples of each class of an episode, at least 1.
        episodes: at least 2.
        per_class: values of n, each at least 1.
        draws: of n samples a class, at least 1.
        cost: C of sum CE + 1/(2C) |W|^2 where n is below 5; from 5 on it is chosen among 12 values from 1e-6 to 1e5 by
            the accuracy over 5 folds of the samples that are learnt from, of equals the smallest.
        seed: of all draws.
        subsets: drawn before, of these numbers and from these samples; drawn here where None.

    Raises:
        UserError: a number outside its range, too few classes or samples, or subsets of other samples.
    """
    sizes = Sizes(ways, tuple(shots), queries, episodes, tuple(per_class), draws)
    in_range(cost=(cost, 1e-12))
    sizes.check()
    drawn = draw(train, test, sizes, seed) if subsets is None else subsets
    if drawn.drawn_from != origin(train, test):
        raise UserError("these --subsets were drawn from other samples, or from another split (see --seed, --test).")
    pool = _pool(train, test)
    episodic = [_episodes(pool, drawn, number) for number in sorted(set(shots))]
    return FewShot(
        value=episodic[0].value,
        interval=episodic[0].interval,
        episodic=episodic,
        all_classes=[_per_class(pool, drawn.per_class[n], cost) for n in sorted(set(per_class))],
        ways=ways,
        queries=queries,
        episodes=episodes,
        draws=draws,
        cost=cost,
        n_train=len(train.ids),
        n_test=len(test.ids),
        classes=pool.classes,
    )


@dataclass(frozen=True)
class _Pool:
    """What is drawn from: embeddings centred and of length 1, by id."""

    rows: np.ndarray
    ids: np.ndarray
    test_rows: np.ndarray
    test_ids: np.ndarray
    test_labels: np.ndarray
    classes: int

    def learnt(self, ids: np.ndarray) -> np.ndarray:
        """Training rows (..., D) of ids (...)."""
        return self.rows[np.searchsorted(self.ids, ids)]

    def asked(self, ids: np.ndarray) -> np.ndarray:
        """Test rows (..., D) of ids (...)."""
        return self.test_rows[np.searchsorted(self.test_ids, ids)]


def _pool(train: Features, test: Features) -> _Pool:
    _, test_labels, classes = labelled_pair(train, test, "few-shot", apart=True)
    mean = sum((part.sum(axis=0) for part in blocks(train.embeddings)), np.zeros(train.embeddings.shape[1]))
    rows, test_rows = (normalise(each.embeddings - mean / len(train.ids)) for each in (train, test))
    return _Pool(rows, train.ids, test_rows, test.ids, test_labels, classes)


def _episodes(pool: _Pool, drawn: Subsets, shots: int) -> Episodes:
    """Accuracy of the nearest class mean; each process takes its share of the episodes."""
    learnt, asked = drawn.learnt[shots], drawn.asked[shots]
    count, ways, queries = asked.shape
    answer = np.repeat(np.arange(ways), queries)

    def episode(number: int) -> float:
        means = pool.learnt(learnt[number]).mean(axis=1)  # (ways, D)
        tested = pool.asked(asked[number].ravel())  # (ways queries, D)
        scores = 2 * tested @ means.T - np.square(means).sum(axis=1)  # |q|^2 less squared distance
        return float((scores.argmax(axis=1) == answer).mean())

    ours = [(number, episode(number)) for number in range(rank(), count, world_size())]
    values = np.array([value for _, value in sorted(each for part in collect(ours) for each in part)])
    return Episodes(shots, float(values.mean()), of_mean(values))


def _per_class(pool: _Pool, drawn: np.ndarray, cost: float) -> PerClass:
    """Accuracies from n samples of each class, (draws, C, n); processes divide these samples among them."""
    draws, classes, n = drawn.shape
    labels, share = np.repeat(np.arange(classes), n), slice(rank(), None, world_size())
    accuracies, costs = np.empty((draws, 2)), []
    for number, ids in enumerate(drawn):
        rows = pool.learnt(ids.ravel())  # (C n, D)
        near, _, voters = nearest_across(
            pool.test_rows, rows[share], np.arange(len(rows))[share], labels[share], min(NEIGHBOURS, n)
        )
        votes = weighted_vote(near, voters, classes, TEMPERATURE)
        span = _span(rows)
        rows, tested = rows @ span, pool.test_rows @ span
        costs.append(_chosen(rows, labels, classes, n) if n >= FOLDS else cost)
        found = Problem(rows, labels, classes, np.arange(len(rows))[share]).solve(costs[-1])
        accuracies[number] = [correct_at(each, pool.test_labels).mean() for each in (found.scores(tested), votes)]
    logistic, neighbours = accuracies.mean(axis=0).tolist()
    deviation = accuracies.std(axis=0, ddof=1).tolist() if draws > 1 else [0.0, 0.0]
    selected_on = "shots" if n >= FOLDS else "fixed"
    return PerClass(n, logistic, deviation[0], neighbours, deviation[1], tuple(costs), selected_on)


def _span(rows: np.ndarray) -> np.ndarray:
    """Orthonormal columns (D, r) that span the rows (N, D), r = min(N, D).

    The penalty keeps the weights within the rows' span, so that logistic regression on r coordinates is the same.
    """
    wide = rows.astype(np.float64)
    return np.linalg.qr(wide.T)[0] if len(rows) < rows.shape[1] else np.eye(rows.shape[1])


def _chosen(rows: np.ndarray, labels: np.ndarray, classes: int, n: int) -> float:
    """The C whose accuracy over folds is highest, of equals the smallest, as in `linear`; no test sample is seen.

    Args:
        rows: (C n, r), class by class.
        labels: int64 (C n,).
        classes: C.
        n: at least `FOLDS`.
    """
    share, fold = slice(rank(), None, world_size()), np.tile(np.arange(n) % FOLDS, classes)
    right = np.zeros(len(TRIED))
    for held in range(FOLDS):
        problem = Problem(rows, labels, classes, np.flatnonzero(fold != held)[share])
        out, current = np.flatnonzero(fold == held), None
        for place, cost in enumerate(TRIED):
            current = problem.solve(float(cost), current, 1e-3)
            accuracy, _ = judged(current, rows[out[share]], labels[out[share]])
            right[place] += round(accuracy * len(out))
    return float(TRIED[right.argmax()])
