"""LiDAR: the effective rank of what distinguishes samples from one another, against what views change (Thilak 2024)."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import LinAlgError, eigh

from unlabeled.distributed import total
from unlabeled.metrics.spectrum import blocks, central, effective_rank, one_core

SAMPLES = 256
"""Samples whose views are summed at once."""


@dataclass(frozen=True)
class Lidar:
    """What `lidar` found.

    Args:
        value: about 1 to min(D, n - 1); None where no direction tells samples apart.
        delta: what was added to the diagonal of the within-sample scatter.
        samples: n, over all processes.
        views: q.
    """

    value: float | None
    delta: float
    samples: int
    views: int


def lidar(views: np.ndarray, delta: float = 1e-4, relative: bool = False, epsilon: float = 1e-7) -> Lidar:
    """The effective rank of the linear-discriminant matrix whose classes are the samples (Thilak et al. 2024).

        S_b = 1/(n - 1) sum_i (m_i - m)(m_i - m)^T,      m_i = mean_j e_ij,  m = mean_i m_i
        S_w = 1/(n (q - 1)) sum_ij (e_ij - m_i)(e_ij - m_i)^T + delta I
        lambda: the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2), from the generalised problem (S_b, S_w) in float64
        LiDAR = exp( -sum_k p_k log p_k ),    p_k = lambda_k / sum(lambda) + epsilon

    With delta = 0 any invertible linear map of the embeddings leaves it as it is; with an absolute delta their scale
    counts.

    Args:
        views: e, this process's samples with all their views, (n_p, q, D); drawn as in pre-training.
        delta: at least 0.
        relative: whether delta is a share of trace(S_w) / D.
        epsilon: of `effective_rank`.

    Raises:
        ValueError: fewer than 2 samples or views, delta below 0, or a within-sample scatter that is singular for want
            of a delta.
    """
    count, q, width = views.shape
    if q < 2 or not delta >= 0:
        raise ValueError(f"lidar takes at least 2 views of a sample and a delta of at least 0, got {q} and {delta}")
    within = np.zeros((width, width))
    for start in range(0, count, SAMPLES):
        part = views[start : start + SAMPLES].astype(np.float64)
        own = (part - part.mean(axis=1, keepdims=True)).reshape(-1, width)
        within += own.T @ own
    samples, _, between = central(blocks(views.mean(axis=1, dtype=np.float64)), width)
    if samples < 2:
        raise ValueError(f"lidar takes at least 2 samples, got {samples}")
    within = total(torch.from_numpy(within)).numpy() / (samples * (q - 1))
    added = delta * float(np.trace(within)) / width if relative else delta
    try:
        with one_core():
            values = eigh(between / (samples - 1), within + added * np.eye(width), eigvals_only=True)
    except LinAlgError:
        raise ValueError(
            f"the scatter of {q} views within {samples} samples has no full rank in {width} dimensions; give a delta "
            "above 0"
        ) from None
    return Lidar(effective_rank(np.maximum(values, 0.0), epsilon), added, samples, q)
