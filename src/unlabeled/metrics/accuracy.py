"""Accuracies of a classifier's scores."""

import numpy as np


def correct_at(scores: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """Whether each row's true class is among its k best classes.

    The rank of the true class y is the number of classes before it, by score falling, then class rising:

        #{c: s_c > s_y} + #{c < y: s_c = s_y}  <  k

    Args:
        scores: (N, C); minus infinity marks a class that is no answer at all, however few answers there are.
        labels: int64 (N,), 0 to C - 1.
        k: at least 1; from C on every class that is an answer counts.

    Returns:
        bool (N,); its mean is the top-k accuracy.

    Raises:
        ValueError: k < 1, or a label outside 0 to C - 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise ValueError(f"labels must be 0 to {scores.shape[1] - 1}, got {labels.min()} to {labels.max()}")
    own = np.take_along_axis(scores, labels[:, None], axis=1)  # (N, 1)
    earlier = np.arange(scores.shape[1])[None, :] < labels[:, None]  # (N, C)
    before = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
    return (before < k) & ~np.isneginf(own[:, 0])  # type: ignore[no-any-return]


def mean_per_class(correct: np.ndarray, labels: np.ndarray) -> float:
    """The mean over the classes present of each class's accuracy, 0 to 1.

    Args:
        correct: bool (N,), N at least 1.
        labels: int64 (N,) from 0.
    """
    size = np.bincount(labels)
    hits = np.bincount(labels, weights=correct)
    return float((hits[size > 0] / size[size > 0]).mean())


def majority(train_labels: np.ndarray, test_labels: np.ndarray) -> float:
    """The accuracy of always answering the largest class of the training set (the lowest of equals), 0 to 1.

    Args:
        train_labels: int64 (N,) from 0, N at least 1.
        test_labels: int64 (M,) from 0, M at least 1.
    """
    return float((test_labels == np.bincount(train_labels).argmax()).mean())
