"""Whether two classifiers that answered the same samples differ by more than chance."""

import numpy as np
from scipy.stats import binomtest

TIE = 0.05
"""A larger probability counts as a tie (SimCLR, appendix B.8)."""


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """McNemar's exact test of two top-1 accuracies on the same samples.

    With b the samples that only the first answered rightly, c those that only the second did, n = b + c:

        p = min(1, 2 P[X <= min(b, c)]),    X ~ Binomial(n, 1/2)

    It is what `exchanged` comes to with ever more exchanges and weights that are all alike.

    Args:
        first: bool (N,), which samples the first classifier answered rightly.
        second: bool (N,), the same of the second.

    Returns:
        The two-sided probability, within (0, 1]; 1 where no sample tells them apart.

    Raises:
        ValueError: two shapes, or another than (N,).
    """
    _check(first, second)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(min(only_first, only_second), only_first + only_second).pvalue)


def exchanged(
    first: np.ndarray, second: np.ndarray, groups: np.ndarray, rng: np.random.Generator, exchanges: int = 100_000
) -> float:
    """The paired permutation test of two means of group accuracies (SimCLR, appendix B.8).

    Each exchange swaps the two classifiers' answers to each sample with probability one half. The statistic is the
    difference of the means over groups of the accuracies within them: with classes as groups the mean accuracy a
    class, with one group the plain accuracy. With T the statistic and T_e that of exchange e of E:

        p = (1 + #{e: |T_e| >= |T|}) / (1 + E)

    Within a group all that an exchange changes is how many of its discordant samples fall to the first, which is
    Binomial(n, 1/2): so E exchanges are E draws a group, whatever the number of samples.

    Args:
        first: bool (N,), which samples the first classifier answered rightly.
        second: bool (N,), the same of the second.
        groups: int64 (N,) from 0, of every sample.
        rng: where the draws come from.
        exchanges: E, at least 1.

    Returns:
        The two-sided probability, within (0, 1].

    Raises:
        ValueError: shapes that do not fit, or no exchanges.
    """
    _check(first, second)
    if groups.shape != first.shape or exchanges < 1:
        raise ValueError(f"exchanged takes groups (N,) and exchanges of at least 1, got {groups.shape} and {exchanges}")
    sizes = np.bincount(groups)
    only_first = np.bincount(groups, first & ~second).astype(np.int64)
    discordant = np.bincount(groups, first ^ second).astype(np.int64)
    told = np.flatnonzero(discordant)
    weights = 1.0 / (sizes[told] * np.count_nonzero(sizes))
    observed = abs(float(weights @ (2 * only_first[told] - discordant[told])))
    drawn = np.zeros(exchanges)
    for weight, count in zip(weights.tolist(), discordant[told].tolist(), strict=True):
        drawn += weight * (2 * rng.binomial(count, 0.5, exchanges) - count)
    # equal statistics may differ in their last digits, by the order of the sum
    return float(1 + np.count_nonzero(np.abs(drawn) >= observed - 1e-12)) / (1 + exchanges)


def _check(first: np.ndarray, second: np.ndarray) -> None:
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"two rows of answers (N,) are needed, got {first.shape} and {second.shape}")
