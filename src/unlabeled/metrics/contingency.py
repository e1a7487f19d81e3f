"""How well clusters tell classes, from one table of counts: a sum over processes, so every figure is exact over them.

Logarithms are natural and 0 log 0 is 0. Rows of the table that hold nothing, and columns, change no figure.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

from unlabeled.distributed import total

PIECE = 4096
"""Counts of one cell that are looked at together in the expected mutual information."""


def contingency(clusters: np.ndarray, labels: np.ndarray, count: int, classes: int) -> np.ndarray:
    """How many samples of each cluster are of each class, over all processes.

    Args:
        clusters: int64 (N_p,), 0 to `count` - 1, of this process's samples, perhaps none.
        labels: int64 (N_p,), 0 to `classes` - 1.
        count: K, at least 1.
        classes: C, at least 1.

    Returns:
        n_kc, int64 (K, C).

    Raises:
        ValueError: two lengths, or a number out of its range on any process.
    """
    fits = clusters.shape == labels.shape and clusters.ndim == 1
    for numbers, end in ((clusters, count), (labels, classes)):
        fits = fits and bool(((numbers >= 0) & (numbers < end)).all())
    cells = np.bincount(clusters * classes + labels, minlength=count * classes) if fits else np.zeros(count * classes)
    summed = total(torch.from_numpy(np.append(cells, not fits).astype(np.int64))).numpy()
    if summed[-1]:
        raise ValueError(
            f"contingency takes clusters of 0 to {count - 1} and labels of 0 to {classes - 1}, one of each a sample"
        )
    return summed[:-1].reshape(count, classes)


def purity(table: np.ndarray) -> float:
    """The share of samples in the largest class of their cluster, 0 to 1: (1/N) sum_k max_c n_kc.

    It grows with the number of clusters, to 1 where each sample is one: never say it without K.
    """
    return float(table.max(axis=1).sum() / _size(table))


def matched_accuracy(table: np.ndarray) -> float:
    """The share of samples that are right under the best one-to-one naming of clusters by classes, 0 to 1.

        (1/N) max over one-to-one pi of sum_k n_{k, pi(k)}      (Hungarian assignment)

    Where there are more clusters than classes, or fewer, those without a partner are all wrong.
    """
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / _size(table))


def entropy(counts: np.ndarray) -> float:
    """H of the shares that counts (n,) have, in nats, 0 to log n."""
    _size(counts)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum()) + 0.0


def conditional_entropy(table: np.ndarray) -> float:
    """H(C | K) = sum_k a_k/N H(classes of cluster k), in nats: what a cluster leaves open of the class, at least 0.

    It falls with the number of clusters, to 0 where each sample is one: never say it without K.
    """
    return max(entropy(table.ravel()) - entropy(table.sum(axis=1)), 0.0)


def mutual_information(table: np.ndarray) -> float:
    """I(K; C) = sum_kc n_kc/N log( N n_kc / (a_k b_c) ), in nats, at least 0; a and b are the table's margins."""
    size = _size(table)
    cluster, label = np.nonzero(table)
    count = table[cluster, label].astype(np.float64)
    margins = table.sum(axis=1)[cluster].astype(np.float64) * table.sum(axis=0)[label]
    return max(float((count / size * np.log(count * size / margins)).sum()), 0.0)


def expected_mutual_information(table: np.ndarray) -> float:
    """The mean of I(K; C) over all ways of dealing the labels out again, the table's margins kept (Vinh et al. 2010).

    sum_kc sum_n  n/N log( N n / (a_k b_c) )  P(n),
    P(n) = C(b_c, n) C(N - b_c, a_k - n) / C(N, a_k),     max(1, a_k + b_c - N) <= n <= min(a_k, b_c)
    """
    size = _size(table)
    factorial = gammaln(np.arange(size + 1) + 1.0)  # log n!, n = 0 to N
    a_sizes, a_times = np.unique(table.sum(axis=1), return_counts=True)
    b, b_times = np.unique(table.sum(axis=0), return_counts=True)
    expected = 0.0
    for a, times in zip(a_sizes.tolist(), a_times.tolist(), strict=True):
        for first in range(1, min(a, int(b.max())) + 1, PIECE):
            n = np.arange(first, min(first + PIECE - 1, a, int(b.max())) + 1)[:, None]  # (n, 1) against b (m,)
            possible = (n <= b) & (n >= a + b - size)
            outside = np.maximum(b - n, 0), np.maximum(size - a - b + n, 0)
            chance = factorial[a] + factorial[size - a] - factorial[size] - factorial[n] - factorial[a - n]
            chance = chance + factorial[b] + factorial[size - b] - factorial[outside[0]] - factorial[outside[1]]
            gain = n / size * (np.log(n * float(size)) - np.log(a * np.maximum(b, 1.0)))
            expected += times * float((np.where(possible, gain * np.exp(chance), 0.0) * b_times).sum())
    return expected


def normalised_mutual_information(table: np.ndarray) -> float:
    """I(K; C) over the arithmetic mean of H(K) and H(C), 0 to 1; 1 where both are 0.

    That of clusters drawn at random grows with K: say the adjusted one beside it.
    """
    mean = (entropy(table.sum(axis=1)) + entropy(table.sum(axis=0))) / 2
    return min(mutual_information(table) / mean, 1.0) if mean > 0 else 1.0


def adjusted_mutual_information(table: np.ndarray) -> float:
    """(I - E[I]) / (mean of H(K) and H(C) - E[I]): 0 for clusters drawn at random, whatever K, and 1 for the classes.

    Where nothing can vary (all in one cluster and one class, or every sample alone) it is 1 if the clusters are the
    classes and 0 if not.
    """
    mean = (entropy(table.sum(axis=1)) + entropy(table.sum(axis=0))) / 2
    expected = expected_mutual_information(table)
    if mean - expected <= 1e-12 * max(mean, 1.0):
        return float(_same(table))
    return (mutual_information(table) - expected) / (mean - expected)


def adjusted_rand_index(table: np.ndarray) -> float:
    """Pairs of samples on which clusters and classes agree, beyond what chance gives: at most 1, about 0 at random.

    ( S - E ) / ( (A + B)/2 - E ),    S = sum_kc C(n_kc, 2),  A = sum_k C(a_k, 2),  B = sum_c C(b_c, 2),
    E = A B / C(N, 2);    1 where the denominator is 0, for the clusters are then the classes
    """

    def pairs(counts: np.ndarray) -> int:
        return sum(n * (n - 1) // 2 for n in counts.ravel().tolist())  # whole numbers that do not overflow

    size = _size(table)
    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    every = max(size * (size - 1) // 2, 1)
    most = (rows + columns) * every - 2 * rows * columns  # times 2 C(N, 2)
    return 1.0 if most == 0 else 2 * (both * every - rows * columns) / most


def _same(table: np.ndarray) -> bool:
    """Whether the clusters are the classes under other names."""
    held = table > 0
    return bool((held.sum(axis=0) <= 1).all() and (held.sum(axis=1) <= 1).all())


def _size(table: np.ndarray) -> int:
    size = int(table.sum())
    if size == 0:
        raise ValueError("a table of clusters and classes needs at least one sample, and it holds none")
    return size
