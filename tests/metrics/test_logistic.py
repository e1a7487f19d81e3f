from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from unlabeled.metrics import logistic
from unlabeled.metrics.logistic import COSTS, Logistic, Problem, log_softmax, path


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    rows, labels = load_digits(return_X_y=True)
    return (rows / 16).astype(np.float32), labels.astype(np.int64)


def overlapping(count=600, width=20, classes=4, seed=0, apart=0.7) -> tuple[np.ndarray, np.ndarray]:
    """Classes that cannot be told apart wholly, in directions of very different size."""
    rng = np.random.default_rng(seed)
    sizes = np.arange(1, width + 1) ** -1.0
    labels = rng.integers(0, classes, count)
    rows = (apart * rng.standard_normal((classes, width))[labels] + rng.standard_normal((count, width))) * sizes
    return rows.astype(np.float32), labels


def slope(fitted, rows, labels) -> np.ndarray:
    """The gradient of sum CE + 1/(2C) |W|^2, row by row in float64, over W and b."""
    total = np.c_[fitted.weight / fitted.cost, np.zeros(len(fitted.bias))]
    for row, label in zip(rows.astype(np.float64), labels, strict=True):
        odds = np.exp(fitted.weight @ row + fitted.bias)
        total += np.outer(odds / odds.sum() - np.eye(len(odds))[label], np.append(row, 1.0))
    return total


@pytest.mark.parametrize("cost", [1e-3, 0.3])
def test_the_minimiser_is_that_of_scikit_learn_on_digits(cost):
    rows, labels = digits()
    ours = Problem(rows[:1000], labels[:1000], 10).solve(cost)
    theirs = LogisticRegression(C=cost, tol=1e-10, max_iter=5000).fit(rows[:1000].astype(np.float64), labels[:1000])
    assert ours.converged
    np.testing.assert_allclose(ours.weight, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, atol=1e-3)
    np.testing.assert_array_equal(ours.scores(rows[1000:]).argmax(axis=1), theirs.predict(rows[1000:]))


def test_two_classes_are_the_binary_regression_of_twice_the_cost():
    """Scores w/2 and -w/2 carry the penalty 2 |w/2|^2 = |w|^2 / 2."""
    rows, labels = overlapping(classes=2)
    ours = Problem(rows, labels, 2).solve(0.5)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(rows.astype(np.float64), labels)
    np.testing.assert_allclose(ours.weight[1] - ours.weight[0], theirs.coef_[0], atol=1e-4)
    np.testing.assert_allclose(ours.bias[1] - ours.bias[0], theirs.intercept_[0], atol=1e-4)


@pytest.mark.parametrize(("cost", "left"), [(1e-6, 1e-4), (1.0, 1e-6), (1e5, 1e-6)])
@pytest.mark.parametrize("data", [overlapping, lambda: tuple(part[:300] for part in digits())])
def test_the_gradient_vanishes_at_every_strength(data, cost, left):
    rows, labels = data()
    problem = Problem(rows, labels, labels.max() + 1)
    fitted = problem.solve(cost)
    null = replace(problem.null, cost=cost)
    assert fitted.converged
    assert np.abs(slope(fitted, rows, labels)).max() < left * np.abs(slope(null, rows, labels)).max()


def test_the_gradient_is_that_of_differences():
    rows, labels = overlapping(count=80, width=3)
    problem = Problem(rows, labels, 4, np.arange(0, 80, 2))
    point = np.random.default_rng(0).standard_normal(16)

    def apart(point):
        return problem.mean_loss(point[:12].reshape(4, 3), point[12:])

    assert check_grad(lambda p: apart(p)[0], lambda p: np.append(apart(p)[1], apart(p)[2]), point) < 1e-6
    chosen = log_softmax(rows[::2] @ point[:12].reshape(4, 3).T + point[12:])
    assert apart(point)[0] == pytest.approx(-np.mean([p[y] for p, y in zip(chosen, labels[::2], strict=True)]))


def test_the_coordinates_do_not_move_the_minimiser(monkeypatch):
    rows, labels = overlapping(count=200)
    full = Problem(rows, labels, 4).solve(1.0)
    monkeypatch.setattr(logistic, "WIDEST", 0)
    monkeypatch.setattr(logistic, "ROUND", 7)
    monkeypatch.setattr(logistic, "BLOCK", 33)
    diagonal = Problem(rows, labels, 4).solve(1.0)
    np.testing.assert_allclose(diagonal.weight, full.weight, atol=1e-6)
    np.testing.assert_allclose(diagonal.bias, full.bias, atol=1e-6)


def test_moving_scaling_and_shuffling_the_features():
    rows, labels = (part.astype(np.float64) if i == 0 else part for i, part in enumerate(overlapping()))
    base = Problem(rows, labels, 4).solve(1.0)
    moved = Problem(rows + 1000.0, labels, 4).solve(1.0)  # the bias, not penalised, takes it up
    np.testing.assert_allclose(moved.weight, base.weight, atol=1e-6)
    np.testing.assert_allclose(moved.bias + moved.weight.sum(axis=1) * 1000, base.bias, atol=1e-6)
    scaled = Problem(rows * 1e-3, labels, 4).solve(1e6)
    np.testing.assert_allclose(scaled.weight * 1e-3, base.weight, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Problem(rows[order], labels[order], 4).solve(1.0)
    np.testing.assert_allclose(shuffled.weight, base.weight, atol=1e-6)


def test_separable_classes_converge_at_the_weakest_penalty():
    rows, labels = digits()
    fitted = Problem(rows[:500], labels[:500], 10).solve(1e5)
    assert fitted.converged
    assert (fitted.scores(rows[:500]).argmax(axis=1) == labels[:500]).all()


def test_the_path_finds_the_best_of_all_costs_and_stops_early():
    rows, labels = overlapping(count=400, width=60, apart=0.2)  # ten values on a plateau, the loss rising
    problem = Problem(rows[:200], labels[:200], 4)
    chosen, accuracies, losses = path(problem, rows[200:], labels[200:])
    assert len(accuracies) < 45
    assert accuracies[-1] < accuracies.max() < 1
    assert (accuracies[-5:] <= accuracies[:-5].max()).all()
    assert (losses[-5:] >= losses[:-5].min()).all()
    for place in (5, 20, len(accuracies) - 1):
        alone = Problem(rows[:200], labels[:200], 4).solve(COSTS[place])
        logarithm = log_softmax(alone.scores(rows[200:]))
        assert accuracies[place] == pytest.approx((logarithm.argmax(axis=1) == labels[200:]).mean(), abs=0.011)
        assert losses[place] == pytest.approx(-logarithm[np.arange(200), labels[200:]].mean(), abs=5e-3)
    assert chosen.cost == COSTS[accuracies.argmax()]
    every = path(problem, rows[200:], labels[200:], patience=100)
    assert every[0].cost == pytest.approx(chosen.cost)


def test_the_path_is_not_ended_by_the_plateau_of_strong_penalties():
    """Small features and one large class: for many values of C every answer is that class."""
    rows, labels = overlapping(count=900)
    rows, labels = (
        rows[(labels == 0) | (np.arange(900) % 3 == 0)] * 0.01,
        labels[(labels == 0) | (np.arange(900) % 3 == 0)],
    )
    chosen, accuracies, _ = path(Problem(rows[::2], labels[::2], 4), rows[1::2], labels[1::2])
    assert len(set(accuracies[:10])) == 1  # ten values without a gain in accuracy
    assert accuracies.max() > accuracies[0] + 0.1
    assert chosen.cost > 1


class Scripted:
    """A problem whose fits are told beforehand: how far class 1 is ahead of class 0, and the objective."""

    def __init__(self, margins, objective):
        self.margins, self.objective = iter(margins), objective
        self.null = self.fitted(0.0, 0.0, 1.0)

    def fitted(self, cost, margin, objective):
        return Logistic(np.array([[0.0], [margin]]), np.zeros(2), cost, True, 0.0, objective, 1)

    def solve(self, cost, start, tolerance):
        return self.fitted(cost, next(self.margins), self.objective)


@pytest.mark.parametrize(
    ("margins", "objective", "labels", "tried", "chosen"),
    [
        (-np.linspace(2, 1, 45), 0.5, [1, 1], 45, 0),  # always wrong, but less and less surely
        (-np.linspace(1, 2, 45), 0.5, [1, 1], 6, 0),  # wrong and ever surer: one value, and five in vain
        (-np.linspace(1, 2, 45), 0.95, [1, 1], 45, 0),  # the same, but hardly fitted yet
        (np.r_[-np.linspace(1, 2, 5), 1, np.full(39, 2)], 0.5, [1, 1], 6, 5),  # all right ends it
        (np.r_[-1, np.linspace(1, 3, 44)], 0.5, [1, 1, 0], 7, 1),  # of equals the strongest penalty
    ],
)
def test_when_the_path_ends_and_what_it_chooses(margins, objective, labels, tried, chosen):
    best, accuracies, losses = path(Scripted(margins, objective), np.ones((len(labels), 1)), np.array(labels))
    assert len(accuracies) == len(losses) == tried
    assert best.cost == COSTS[chosen]


def test_what_cannot_be_fitted_is_said():
    rows, labels = overlapping(count=20)
    with pytest.raises(ValueError, match="each of 5 classes"):
        Problem(rows, labels, 5)
    with pytest.raises(ValueError, match="others"):
        Problem(rows, labels, 3)
    with pytest.raises(ValueError, match=r"got \(20, 20\) and \(3,\)"):
        Problem(rows, labels[:3], 4)
    with pytest.raises(ValueError, match="above 0, got 0"):
        Problem(rows, labels, 4).solve(0)
    with pytest.raises(ValueError, match="at least one held-out row"):
        path(Problem(rows, labels, 4), rows[:0], labels[:0])
