"""The transfer protocol: one encoder's linear classifiers on many labelled sources, and whether they beat another's."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.linear import linear_with_scores
from unlabeled.evaluation.split import EXCHANGES, labelled_pair
from unlabeled.metrics.accuracy import correct_at
from unlabeled.metrics.intervals import of_average, wilson
from unlabeled.metrics.significance import TIE, exchanged, mcnemar


@dataclass(frozen=True)
class Against:
    """Our answers beside another's, on the same test samples.

    Args:
        p_value: of the paired test, two-sided.
        verdict: of ours: "better" or "worse", or a "tie" where `p_value` is above 0.05.
    """

    p_value: float
    verdict: str


@dataclass(frozen=True)
class OnSource:
    """One encoder on one source.

    Args:
        source: its name.
        metric: what `value` is, and what the paired test is of: "accuracy" or "per_class".
        value: on the test samples.
        interval: of `value`, 95 %, over test samples.
        accuracy: top-1.
        per_class: the mean of the classes' accuracies.
        n_train: training samples, those of validation among them.
        n_test: test samples.
        classes: how many.
        cost: the chosen C.
        converged: whether the gradient of the last fit fell to the tolerance.
        against: our encoder beside this one; None for ours itself.
    """

    source: str
    metric: str
    value: float
    interval: tuple[float, float]
    accuracy: float
    per_class: float
    n_train: int
    n_test: int
    classes: int
    cost: float
    converged: bool
    against: Against | None


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """What `transfer` found of one encoder.

    Args:
        value: the plain mean of the sources' values.
        interval: of `value`, 95 %, over test samples.
        sources: each of them.
        better: on how many of them ours is better than this one; None for ours itself.
        ties: on how many they cannot be told apart.
        worse: on how many ours is worse.
        n_train: training samples of all sources.
        n_test: test samples of all sources.
        selected_on: where each C was chosen.
        seed: of the validation samples and of the exchanges.
    """

    value: float
    interval: tuple[float, float]
    sources: list[OnSource]
    better: int | None
    ties: int | None
    worse: int | None
    n_train: int
    n_test: int
    selected_on: str
    seed: int


@dataclass(frozen=True)
class Answers:
    """An encoder's answers to the test samples of one source.

    Args:
        found: its figures, beside nobody's.
        correct: bool (M,).
        ids: int64 (M,), the test samples.
        labels: int64 (M,), 0 to C - 1.
    """

    found: OnSource
    correct: np.ndarray
    ids: np.ndarray
    labels: np.ndarray


def answers(source: str, metric: str, train: Features, test: Features, seed: int = 0) -> Answers:
    """Multinomial logistic regression on plain views of one source (Chen et al. 2020, appendix B.8).

    L-BFGS along 45 penalties, the best on a tenth of the training samples fitted again on all of them; no
    augmentation (see `linear.linear_with_scores`).

    Args:
        source: its name.
        metric: which of the two accuracies the source is judged by.
        train: labelled.
        test: labelled with classes of `train`.
        seed: of the validation samples.

    Raises:
        UserError: as `linear`, or another metric.
    """
    if metric not in MEASURES:
        raise UserError(f"{source} asks for the metric {metric!r}; the metrics are {', '.join(MEASURES)}.")
    linear, scores = linear_with_scores(train, test, seed)
    _, labels, _ = labelled_pair(train, test, source)
    correct = correct_at(scores, labels)
    value, interval = MEASURES[metric](correct, labels)
    found = OnSource(
        source=source,
        metric=metric,
        value=value,
        interval=interval,
        accuracy=linear.value,
        per_class=linear.per_class,
        n_train=linear.n_train,
        n_test=linear.n_test,
        classes=linear.classes,
        cost=linear.cost,
        converged=linear.converged,
        against=None,
    )
    return Answers(found, correct, test.ids, labels)


def _accuracy(correct: np.ndarray, labels: np.ndarray) -> tuple[float, tuple[float, float]]:
    return float(correct.mean()), wilson(int(correct.sum()), len(correct))


def _per_class(correct: np.ndarray, labels: np.ndarray) -> tuple[float, tuple[float, float]]:
    sizes, right = np.bincount(labels), np.bincount(labels, correct)
    present = np.flatnonzero(sizes)
    values = (right[present] / sizes[present]).tolist()
    return float(np.mean(values)), of_average(values, [wilson(right[c], int(sizes[c])) for c in present])


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], tuple[float, tuple[float, float]]]] = {
    "accuracy": _accuracy,
    "per_class": _per_class,
}
"""(which test samples are right, their labels) -> value and interval."""


def compared(ours: Answers, other: Answers, seed: int = 0) -> Against:
    """The paired test of two encoders on one source: of equal answers, p is 1.

    Of accuracy McNemar's exact test, which the paper's 100,000 exchanges come near; of the mean a class the exchanges.

    Args:
        ours: of one encoder.
        other: of another, of the same test samples.
        seed: of the exchanges.

    Raises:
        UserError: the test samples are not the same.
    """
    name, metric = ours.found.source, ours.found.metric
    if not np.array_equal(ours.ids, other.ids) or not np.array_equal(ours.labels, other.labels):
        raise UserError(f"the test samples of {name} changed between two encoders; evaluate again.")
    if metric == "accuracy":
        p_value = mcnemar(ours.correct, other.correct)
    else:
        p_value = exchanged(ours.correct, other.correct, ours.labels, chance.generator(seed, chance.SPLIT, EXCHANGES))
    if p_value > TIE:
        return Against(p_value, "tie")
    return Against(p_value, "better" if ours.found.value > other.found.value else "worse")


def summed(found: list[OnSource], seed: int = 0) -> Transferred:
    """One encoder on all sources."""
    verdicts = [each.against.verdict for each in found if each.against is not None]
    counts = [verdicts.count(verdict) if verdicts else None for verdict in ("better", "tie", "worse")]
    return Transferred(
        value=float(np.mean([each.value for each in found])),
        interval=of_average([each.value for each in found], [each.interval for each in found]),
        sources=found,
        better=counts[0],
        ties=counts[1],
        worse=counts[2],
        n_train=sum(each.n_train for each in found),
        n_test=sum(each.n_test for each in found),
        selected_on="validation",
        seed=seed,
    )
