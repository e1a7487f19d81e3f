"""Whether two figures put the same things in the same order, and whether chance would have done it too."""

from dataclasses import dataclass

import numpy as np

from unlabeled import chance

PERMUTATIONS = 9999
"""Random orders that a p-value compares with: the smallest it can be is 1 in 10,000."""

_BLOCK = 1 << 22  # values of the largest temporary array


@dataclass(frozen=True)
class RankCorrelation:
    """Agreement of two orders, from -1 (reversed) over 0 (none) to 1 (the same).

    Args:
        kendall: tau-b.
        kendall_p: two-sided, by permutation.
        spearman: rho.
        spearman_p: two-sided, by permutation.
        count: pairs of values.
    """

    kendall: float
    kendall_p: float
    spearman: float
    spearman_p: float
    count: int


def rank_correlation(first: np.ndarray, second: np.ndarray, seed: int = 0) -> RankCorrelation | None:
    """Kendall's tau-b and Spearman's rho of N pairs, each with a permutation p-value.

        tau_b = sum_{i<j} sgn(x_i - x_j) sgn(y_i - y_j) / sqrt(n_x n_y),   n_x the pairs that differ in x
        rho   = the correlation of the ranks, equal values sharing the mean of theirs
        p     = (1 + number of the P permutations of y with |statistic| at least as large) / (1 + P)

    The p-value supposes nothing of the values' distribution and is exact in expectation, ties included. The pairs
    are put in order first, so that theirs does not matter.

    Args:
        first: (N,), finite.
        second: (N,), finite.
        seed: of the permutations.

    Returns:
        None where all values of one of the two are equal, or N < 2: there is no order to agree with.

    Raises:
        ValueError: shapes that differ, or a value that is not finite.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"rank_correlation takes two (N,) arrays, got {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("rank_correlation takes finite values")
    order = np.lexsort((second, first))
    x, y = first[order], second[order]
    if len(x) < 2 or x[0] == x[-1] or y.min() == y.max():
        return None
    count = len(x)
    signs_x, signs_y = np.sign(x[:, None] - x), np.sign(y[:, None] - y)  # (N, N)
    pairs = np.sqrt((signs_x**2).sum() * (signs_y**2).sum())
    ranks_x, ranks_y = (signs.sum(axis=1) / 2 for signs in (signs_x, signs_y))  # mean ranks, centred on 0
    spread = np.sqrt((ranks_x**2).sum() * (ranks_y**2).sum())

    def statistics(orders: np.ndarray) -> np.ndarray:
        """tau-b and rho of x with y in each of the orders (P, N): (2, P)."""
        taus = np.einsum("ij,pij->p", signs_x, signs_y[orders[:, :, None], orders[:, None, :]]) / pairs
        return np.stack([taus, ranks_y[orders] @ ranks_x / spread])

    found = statistics(np.arange(count)[None])  # (2, 1)
    draw = chance.generator(seed, chance.ORDER)
    as_large = np.zeros(2)
    step = max(1, _BLOCK // count**2)
    for start in range(0, PERMUTATIONS, step):
        orders = draw.permuted(np.tile(np.arange(count), (min(step, PERMUTATIONS - start), 1)), axis=1)
        as_large += (np.abs(statistics(orders)) >= np.abs(found) - 1e-12).sum(axis=1)
    (kendall, spearman), (kendall_p, spearman_p) = found[:, 0], (1 + as_large) / (1 + PERMUTATIONS)
    return RankCorrelation(float(kendall), float(kendall_p), float(spearman), float(spearman_p), count)
