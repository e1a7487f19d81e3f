"""How well scores tell positives from negatives."""

import numpy as np


def auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The area under the ROC curve, which is the Mann-Whitney statistic: ties count one half.

        mean over pairs of [p > n] + [p = n] / 2

    Args:
        positives: scores (P,), at least one.
        negatives: scores (M,), at least one.

    Raises:
        ValueError: one of them is empty, or holds a score that is no number.
    """
    positives, negatives = _checked(positives, negatives)
    risen = np.sort(negatives)
    below, upto = (np.searchsorted(risen, positives, side) for side in ("left", "right"))
    return float((below.sum() + upto.sum()) / (2 * len(positives) * len(negatives)))


def average_precision(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The mean of precision over recall, equal scores taken together.

        sum over thresholds of (recall_i - recall_(i - 1)) precision_i

    Args:
        positives: scores (P,), at least one.
        negatives: scores (M,), at least one.

    Raises:
        ValueError: as `auc`.
    """
    positives, negatives = _checked(positives, negatives)
    scores, many = np.unique(positives, return_counts=True)
    above = len(negatives) - np.searchsorted(np.sort(negatives), scores, "left")  # negatives at or above each
    right = many[::-1].cumsum()[::-1]
    return float((many * right / (right + above)).sum() / len(positives))


def _checked(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    positives, negatives = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    if not (positives.size and negatives.size):
        raise ValueError(f"there are {positives.size} positives and {negatives.size} negatives, each needs at least 1")
    if np.isnan(positives).any() or np.isnan(negatives).any():
        raise ValueError("a score is no number")
    return positives, negatives
