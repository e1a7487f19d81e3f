"""ELo's label-free fitness: how far the sizes of clusters are from Zipf's law (Piergiovanni et al. 2020)."""

import numpy as np
import torch

from unlabeled.distributed import total
from unlabeled.metrics.spectrum import blocks


def zipf_kl(shares: np.ndarray, exponent: float = 1.0) -> float:
    """The divergence of cluster sizes from Zipf's law, in nats.

        KL(p || q) = sum_i p_i log(p_i / q_i),    p sorted falling,   q_i = i^(-s) / sum_{j <= k} j^(-s)

    Args:
        shares: p before sorting, (k,), at least 0, one of them above; divided by their sum here.
        exponent: s.

    Returns:
        0 (Zipf's law) and more: log H_{k,s} where one cluster holds all, with H_{k,s} = sum_j j^(-s), and
        log H_{k,s} - log k + (s/k) log k! where all are alike. It sees sizes alone: random clusters of such sizes
        score 0.

    Raises:
        ValueError: a negative share, or none above 0.
    """
    if not (shares >= 0).all() or not shares.sum() > 0:
        raise ValueError("zipf_kl takes shares of at least 0 with a sum above 0")
    share = np.sort(shares / shares.sum())[::-1]
    place = np.arange(1, len(share) + 1, dtype=np.float64)
    law = -exponent * np.log(place) - np.log((place**-exponent).sum())
    held = share > 0
    return max(float((share[held] * (np.log(share[held]) - law[held])).sum()), 0.0)


def soft_shares(
    rows: np.ndarray, centres: np.ndarray, temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray, float]:
    """How much of the rows of all processes each centre holds.

        p(c_i | x) = exp(-|x - c_i|^2 / T) / sum_j exp(-|x - c_j|^2 / T);    p(c_i) = (1/N) sum_x p(c_i | x)

    T = 1 is the paper's (2 sigma^2 = 1). The assignment depends on the scale of x: hard for long rows, nearly
    uniform for short ones.

    Args:
        rows: this process's, (N_p, D), perhaps memory-mapped.
        centres: (k, D).
        temperature: T > 0.

    Returns:
        p (k,); the share of rows whose nearest centre each is, (k,); and the mean over rows of max_i p(c_i | x),
        1/k (uniform) to 1 (hard).

    Raises:
        ValueError: T <= 0, or no row.
    """
    if not temperature > 0:
        raise ValueError(f"soft_shares takes a temperature above 0, got {temperature}")
    count = len(centres)
    sums = np.zeros(2 * count + 2)
    wide = centres.astype(np.float64)
    for part in blocks(rows):
        near = (2 * part @ wide.T - np.square(wide).sum(axis=1)) / temperature  # |x|^2 / T less, for all alike
        near -= near.max(axis=1, keepdims=True)
        hard = np.bincount(near.argmax(axis=1), minlength=count)
        share = np.exp(near, out=near)
        share /= share.sum(axis=1, keepdims=True)
        sums += np.concatenate([share.sum(axis=0), hard, [share.max(axis=1).sum(), len(part)]])
    sums = total(torch.from_numpy(sums)).numpy()
    if sums[-1] == 0:
        raise ValueError("soft_shares takes at least one row, got none")
    sums /= sums[-1]
    return sums[:count], sums[count:-2], float(sums[-2])
