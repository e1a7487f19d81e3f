"""Transfer of frozen rows: figures against scikit-learn's answers, verdicts against the tests of significance."""

import numpy as np
import pytest

from battery.features import digit_features
from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.linear import linear_with_scores
from unlabeled.evaluation.split import EXCHANGES
from unlabeled.evaluation.transfer import OnSource, answers, compared, summed
from unlabeled.metrics.intervals import wilson
from unlabeled.metrics.significance import exchanged, mcnemar


def blurred(features: Features, width: int) -> Features:
    """The first columns only: a worse encoder of the same samples."""
    return Features(features.embeddings[:, :width], features.ids, features.labels)


@pytest.mark.parametrize("metric", ["accuracy", "per_class"])
def test_figures_are_those_of_the_linear_protocol(metric):
    train, test = digit_features(400, 700)
    found = answers("digits", metric, train, test, seed=1)
    linear, scores = linear_with_scores(train, test, 1)
    right = scores.argmax(1) == test.labels
    assert (found.correct == right).all() and (found.labels == test.labels).all()
    by_class = [right[test.labels == c].mean() for c in range(10)]
    assert (found.found.accuracy, found.found.per_class) == (right.mean(), pytest.approx(np.mean(by_class)))
    assert found.found.value == (found.found.accuracy if metric == "accuracy" else found.found.per_class)
    low, high = found.found.interval
    assert low < found.found.value < high
    if metric == "accuracy":
        assert (low, high) == wilson(right.sum(), 300)
    assert (found.found.cost, found.found.n_train, found.found.n_test) == (linear.cost, 400, 300)


def test_verdicts_follow_the_paired_test():
    train, test = digit_features(400, 700)
    ours, worse, alike = (
        answers("digits", "accuracy", *map(blurred, (train, test), (width, width))) for width in (64, 20, 60)
    )
    told = compared(ours, worse)
    assert told.p_value == mcnemar(ours.correct, worse.correct) < 1e-3 and told.verdict == "better"
    assert compared(worse, ours).verdict == "worse"
    told = compared(ours, alike)
    assert told.p_value > 0.05 and told.verdict == "tie"
    ours, worse = (
        answers("digits", "per_class", *(blurred(each, width) for each in (train, test))) for width in (64, 20)
    )
    rng = chance.generator(3, chance.SPLIT, EXCHANGES)
    assert compared(ours, worse, 3).p_value == exchanged(ours.correct, worse.correct, test.labels, rng) < 0.01


def record(value: float, interval: tuple[float, float]) -> OnSource:
    return OnSource("a", "accuracy", value, interval, value, value, 10, 5, 2, 1.0, True, None)


def test_several_sources_are_averaged():
    found = summed([record(0.5, (0.4, 0.6)), record(0.9, (0.8, 0.95))])
    assert found.value == pytest.approx(0.7)
    assert found.interval == pytest.approx((0.7 - 0.5 * 0.02**0.5, 0.7 + 0.5 * (0.01 + 0.0025) ** 0.5))
    assert (found.n_train, found.n_test, found.better) == (20, 10, None)


def test_other_test_samples_and_metrics_are_said():
    train, test = digit_features(100, 160)
    ours = answers("digits", "accuracy", train, test)
    fewer = answers("digits", "accuracy", train, test.rows(np.arange(50)))
    with pytest.raises(UserError, match="the test samples of digits changed"):
        compared(ours, fewer)
    with pytest.raises(UserError, match="digits asks for the metric 'map'; the metrics are accuracy, per_class"):
        answers("digits", "map", train, test)
