"""Classifiers of frozen representations, one table of them, each tuned inside its fold."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from unlabeled.errors import UserError
from unlabeled.evaluation.folds import Fold

ClassifierName = Literal["svm", "linear-svm", "logistic"]

STEPS = 20_000
"""Of a logistic regression, at most; ten times what the weakest penalty takes on pooled features of PROTEINS."""


class Judged(NamedTuple):
    """What a classifier found in one fold.

    Args:
        accuracy: on the test part.
        unconverged: fits that ended before they converged, those of candidates too.
    """

    accuracy: float
    unconverged: int


def fold_accuracy(rows: np.ndarray, labels: np.ndarray, fold: Fold, classifier: ClassifierName = "svm") -> Judged:
    """Accuracy on the test part of the candidate that is best on the validation part, fitted anew on both others.

    Of equals the first is taken, the most regular one. Features are standardised by what is learnt from. A `UserError`
    is raised where that is all of one class.

    Args:
        rows: representations (N, D), finite.
        labels: int64 (N,).
        fold: places.
        classifier: a support vector machine with Gaussian kernel, a linear one, or logistic regression.
    """
    best, chosen, unconverged = -1.0, None, 0
    train, validation = _standardised(rows, fold.train, fold.validation)
    for candidate in CLASSIFIERS[classifier]():
        unconverged += not _converges(candidate, train, labels[fold.train])
        found = float((candidate.predict(validation) == labels[fold.validation]).mean())
        if found > best:
            best, chosen = found, candidate
    assert chosen is not None
    learnt, test = _standardised(rows, fold.learnt, fold.test)
    unconverged += not _converges(chosen, learnt, labels[fold.learnt])
    return Judged(float((chosen.predict(test) == labels[fold.test]).mean()), unconverged)


def _converges(candidate: Any, rows: np.ndarray, labels: np.ndarray) -> bool:
    """Fit a candidate, and say whether that came to its end.

    Raises:
        UserError: all rows are of one class.
    """
    from sklearn.exceptions import ConvergenceWarning

    if len(np.unique(labels)) < 2:
        raise UserError("what a fold learns from is of one class, as the other is too rare; give more graphs of it.")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        candidate.fit(rows, labels)
    return not any(issubclass(each.category, ConvergenceWarning) for each in told)


def _standardised(rows: np.ndarray, *parts: np.ndarray) -> list[np.ndarray]:
    """The rows of each part, by the mean and the deviation of the first."""
    first = rows[parts[0]].astype(np.float64)
    mean, deviation = first.mean(0), first.std(0)
    deviation[deviation < 1e-8 * (1 + np.abs(mean))] = np.inf  # a feature that is the same everywhere says nothing
    return [(rows[part] - mean) / deviation for part in parts]


def _gaussian() -> Iterator[Any]:
    from sklearn.svm import SVC

    class Scaled(SVC):  # type: ignore[misc]
        """Its kernel's width a multiple of 1 / (features x variance), which `scale` is."""

        def __init__(self, C: float = 1.0, factor: float = 1.0) -> None:
            super().__init__(C=C)
            self.factor = factor

        def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
            self.gamma = self.factor / max(X.shape[1] * float(X.var()), 1e-12)
            return super().fit(X, y)

    return (Scaled(C=cost, factor=factor) for cost in (1.0, 10.0, 100.0, 1000.0) for factor in (0.1, 0.3, 1.0, 3.0))


def _linear() -> Iterator[Any]:
    from sklearn.svm import SVC

    return (SVC(C=10.0**power, kernel="linear") for power in range(-3, 4))


def _logistic() -> Iterator[Any]:
    from sklearn.linear_model import LogisticRegression

    return (LogisticRegression(C=10.0**power, max_iter=STEPS) for power in range(-3, 4))


CLASSIFIERS: dict[str, Callable[[], Iterator[Any]]] = {
    "svm": _gaussian,
    "linear-svm": _linear,
    "logistic": _logistic,
}
"""Name to candidates, the most regular first."""
