"""Intervals of confidence."""

from collections.abc import Sequence
from math import sqrt

import numpy as np


def wilson(correct: float, total: int, deviations: float = 1.959963984540054) -> tuple[float, float]:
    """The Wilson interval of a share, which stays within 0 and 1 and serves few samples too.

    With p = correct / n and z = `deviations`:

        ( p + z^2 / 2n  -/+  z sqrt( p (1 - p) / n + z^2 / 4n^2 ) )  /  ( 1 + z^2 / n )

    Args:
        correct: how many, 0 to `total`; a mean over repetitions need not be whole.
        total: n, at least 1.
        deviations: z of the normal distribution; the default gives 95 %.

    Returns:
        The lower and the upper end, 0 <= low <= p <= high <= 1.

    Raises:
        ValueError: `total` < 1, or `correct` outside 0 to `total`.
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"wilson takes 0 <= correct <= total and total >= 1, got {correct} of {total}")
    share, square = correct / total, deviations**2
    centre = share + square / (2 * total)
    half = deviations * sqrt(share * (1 - share) / total + square / (4 * total**2))
    low, high = (centre - half) / (1 + square / total), (centre + half) / (1 + square / total)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # rounding may pass an end by 1e-17


def of_mean(values: np.ndarray, deviations: float = 1.959963984540054) -> tuple[float, float]:
    """The interval of a mean of independent values: mean -/+ z deviation / sqrt(n), deviation with n - 1.

    Args:
        values: (n,), n at least 1; of one value the interval is that value.
        deviations: z of the normal distribution; the default gives 95 %.
    """
    half = deviations * float(values.std(ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean()) - half, float(values.mean()) + half


def of_few(shares: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean of few independent shares, by Student's t with n - 1 degrees, within 0 and 1.

    Args:
        shares: (n,), from 0 to 1, n at least 2.
    """
    from scipy.stats import t

    low, high = of_mean(shares, float(t.ppf(0.975, len(shares) - 1)))
    return max(0.0, low), min(1.0, high)


def of_auc(value: float, positives: int, negatives: int, deviations: float = 1.959963984540054) -> tuple[float, float]:
    """The interval of an area under the ROC curve (Hanley and McNeil 1982), within 0 and 1.

    With A the area, p positives, n negatives, Q1 = A / (2 - A), Q2 = 2 A^2 / (1 + A):

        A -/+ z sqrt( ( A (1 - A) + (p - 1)(Q1 - A^2) + (n - 1)(Q2 - A^2) ) / (p n) )

    Args:
        value: A, from 0 to 1.
        positives: p, at least 1.
        negatives: n, at least 1.
        deviations: z of the normal distribution; the default gives 95 %.
    """
    one, two = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (one - value**2) + (negatives - 1) * (two - value**2)
    half = deviations * sqrt(max(spread, 0.0) / (positives * negatives))
    return max(value - half, 0.0), min(value + half, 1.0)


def of_average(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The interval of the plain average of independent figures that have intervals of their own.

    With v_i within [l_i, u_i], m the average of v over n (Zou and Donner 2008: the distances from a figure to its
    ends stand for deviations, which add by their squares):

        ( m - sqrt(sum (v_i - l_i)^2) / n,   m + sqrt(sum (u_i - v_i)^2) / n )

    Args:
        values: v_i, at least one.
        intervals: (l_i, u_i), of the same level, which is that of the result.
    """
    figures, ends = np.asarray(values, np.float64), np.asarray(intervals, np.float64)  # (n,), (n, 2)
    below, above = np.sqrt(np.square(ends - figures[:, None]).sum(axis=0)) / len(figures)
    return float(figures.mean() - below), float(figures.mean() + above)
