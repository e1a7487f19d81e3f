"""What the protocols that classify test samples have in common."""

from dataclasses import dataclass

import numpy as np

from unlabeled.metrics.accuracy import correct_at, majority, mean_per_class
from unlabeled.metrics.intervals import wilson


@dataclass(frozen=True, kw_only=True)
class Classified:
    """How right the answers of a classifier are.

    Args:
        value: top-1 accuracy on the test samples.
        interval: of `value`, Wilson, 95 %.
        per_class: the mean of the classes' accuracies.
        top5: top-min(5, C) accuracy; a class with a score of minus infinity is no answer.
        n_train: training samples.
        n_test: test samples.
        classes: C, of the training samples.
        majority: the accuracy of always answering the largest class of the training samples.
    """

    value: float
    interval: tuple[float, float]
    per_class: float
    top5: float
    n_train: int
    n_test: int
    classes: int
    majority: float


def classified(scores: np.ndarray, labels: np.ndarray, test_labels: np.ndarray) -> Classified:
    """Judge the scores (M, C) that a classifier gave test samples.

    Args:
        scores: (M, C), M at least 1.
        labels: int64 (N,), 0 to C - 1, of what it learnt from.
        test_labels: int64 (M,), 0 to C - 1.
    """
    correct = correct_at(scores, test_labels)
    return Classified(
        value=float(correct.mean()),
        interval=wilson(int(correct.sum()), len(correct)),
        per_class=mean_per_class(correct, test_labels),
        top5=float(correct_at(scores, test_labels, min(5, scores.shape[1])).mean()),
        n_train=len(labels),
        n_test=len(test_labels),
        classes=scores.shape[1],
        majority=majority(labels, test_labels),
    )
