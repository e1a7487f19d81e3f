"""The spectrum of embeddings: effective rank, decay and concentration, all from one pass over the rows.

Sums are in float64: accumulated in float32 the small singular values drown at 3e-4 of the largest.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from unlabeled.distributed import collect, total

Result = TypeVar("Result")

BLOCK = 4096
"""Rows that are read at once."""
FIRST, LAST = 11, 100
"""The range of ranks to which alpha-ReQ fits its power law."""


@cache
def _controller() -> Any:
    return ThreadpoolController()


def one_core() -> AbstractContextManager[None]:
    """While it lasts NumPy's products use one core each.

    Small products and decompositions gain nothing from several; where other work keeps a core busy, the
    threads of one wait for each other, and it takes a hundred times as long.
    """
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


def in_threads(function: Callable[[Any], Result], items: Iterable[Any]) -> list[Result]:
    """`function` of each item, in order; as many at a time as torch has threads, each on one core."""
    with one_core(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(function, items))


def blocks(rows: np.ndarray, places: np.ndarray | None = None, block: int = BLOCK) -> Iterator[np.ndarray]:
    """Rows in float64, `block` at a time: (<= block, D) each.

    Args:
        rows: (N, D), perhaps memory-mapped.
        places: int64 (M,), which rows to read; all where None.
        block: at least 1.
    """
    for start in range(0, len(rows) if places is None else len(places), block):
        part = slice(start, start + block)
        yield rows[part if places is None else places[part]].astype(np.float64)


def covariance_sums(centred: np.ndarray) -> np.ndarray:
    """Sums of products of every two dimensions: (B, D) to (D, D)."""
    return centred.T @ centred  # type: ignore[no-any-return]


def variance_sums(centred: np.ndarray) -> np.ndarray:
    """Sums of squares of every dimension: (B, D) to (D,)."""
    return np.square(centred).sum(axis=0)  # type: ignore[no-any-return]


def central(
    parts: Iterator[np.ndarray], width: int, sums: Callable[[np.ndarray], np.ndarray] = covariance_sums
) -> tuple[int, np.ndarray, np.ndarray]:
    """Count, mean and central second moments of the rows of all processes.

    Each block is centred on its own mean and blocks are joined by

        M = M_a + M_b + n_a n_b / (n_a + n_b) (m_a - m_b)(m_a - m_b)^T

    (Chan et al. 1979), so that a mean far larger than the deviations costs no digits, as it does in
    the sum of squares less the square of the sum.

    Args:
        parts: blocks of this process's rows, float64 (B, D) each, B at least 1; perhaps none.
        width: D.
        sums: `covariance_sums` or `variance_sums`.

    Returns:
        N over all processes, the mean (D,), and the sums over rows of centred products, (D, D) or (D,).
    """
    count, mean, second = 0, np.zeros(width), sums(np.zeros((1, width)))
    for part in parts:
        middle = part.mean(axis=0)
        gap = (middle - mean)[None, :]
        both = count + len(part)
        second += sums(part - middle) + sums(gap) * (count * len(part) / both)
        mean += gap[0] * (len(part) / both)
        count = both
    everyone = total(torch.from_numpy(np.concatenate([mean * count, [count]]))).numpy()
    overall = everyone[:-1] / max(everyone[-1], 1.0)
    second += sums((mean - overall)[None, :]) * count
    return int(everyone[-1]), overall, total(torch.from_numpy(second)).numpy()


@dataclass(frozen=True)
class Moments:
    """What every figure of the spectrum is read from.

    Args:
        count: N, the rows of all processes.
        width: D.
        raw: eigenvalues of Z^T Z, neither centred nor divided, float64 (min(N, D),), falling.
        central: eigenvalues of the centred covariance, divided by N, float64 (min(N, D),), falling.
    """

    count: int
    width: int
    raw: np.ndarray
    central: np.ndarray


def moments(rows: np.ndarray, block: int = BLOCK) -> Moments:
    """One pass over the rows of all processes.

    With at least D rows the eigenvalues are those of the (D, D) sums, else those of the (N, N)
    products of the rows, which are the same without the zeros.

    Args:
        rows: (N_p, D), this process's rows Z, perhaps memory-mapped.
        block: rows that are read at once.

    Raises:
        ValueError: no process has a row.
    """
    width = rows.shape[1]
    count = int(total(torch.tensor(len(rows))))
    if count == 0:
        raise ValueError("moments takes at least one row, got none")
    if count < width:
        every = np.concatenate(collect(rows.astype(np.float64)))
        centred = every - every.mean(axis=0)
        return Moments(count, width, eigenvalues(every @ every.T), eigenvalues(centred @ centred.T / count))
    count, mean, second = central(blocks(rows, block=block), width)
    return Moments(count, width, eigenvalues(second + count * np.outer(mean, mean)), eigenvalues(second / count))


def eigenvalues(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric positive matrix, falling; those that rounding made negative are 0."""
    with one_core():
        return np.maximum(np.linalg.eigvalsh(matrix)[::-1], 0.0)


def effective_rank(singular: np.ndarray, epsilon: float = 1e-7) -> float | None:
    """The exponential of the entropy of singular values (RankMe, Garrido et al. 2023).

        p_k = sigma_k / sum(sigma) + epsilon;    exp( - sum_k p_k log p_k )

    Epsilon is added after the division and p is not divided by its sum again, as in the paper.

    Args:
        singular: (q,), at least 0.
        epsilon: above 0.

    Returns:
        About 1 (one direction) to about q (all alike); None where all singular values are 0.
    """
    if not singular.sum() > 0:
        return None
    share = singular / singular.sum() + epsilon
    return float(np.exp(-(share * np.log(share)).sum()))


def rankme(found: Moments, epsilon: float = 1e-7) -> float | None:
    """RankMe of the rows as they are, neither centred nor normalised: `effective_rank` of their singular values.

    Compare it only between runs of one method and architecture. At most min(N, D), but for epsilon.
    None where every row is zero.
    """
    return effective_rank(np.sqrt(found.raw), epsilon)


def power_law(found: Moments) -> tuple[float, float] | None:
    """alpha-ReQ: the decay of the covariance's eigenvalues, lambda_i ~ c i^(-alpha), and how well that fits.

        minimise over alpha and c:   sum_{i=11}^{100} (1/i) (log lambda_i - log c + alpha log i)^2

    With q = min(D, N - 1) below 110 the range ends at q - 10. R^2 is that of the same weighted fit.

    Returns:
        (alpha, R^2). About 1 is the sweet spot, larger is collapsed, smaller is noisy; with an R^2
        below 0.95 alpha means nothing. None where q < 32, or where an eigenvalue of the range is 0
        up to rounding.
    """
    rank = min(found.width, found.count - 1)
    if rank < 32:
        return None
    place = np.arange(FIRST, min(LAST, rank - 10) + 1)
    values = found.central[place - 1]
    if values[-1] <= found.central[0] * 1e-14:
        return None
    x, y, weight = np.log(place), np.log(values), 1.0 / place
    x = x - np.average(x, weights=weight)
    y = y - np.average(y, weights=weight)
    slope = (weight * x * y).sum() / (weight * x * x).sum()
    rest, whole = (weight * (y - slope * x) ** 2).sum(), (weight * y * y).sum()
    return float(-slope), float(1.0 - rest / whole) if whole > 0 else 1.0


def participation_ratio(found: Moments) -> float | None:
    """(sum lambda)^2 / sum lambda^2 of the covariance: 1 (one direction) to D; None without variance."""
    values = found.central
    return float(values.sum() ** 2 / (values**2).sum()) if values[0] > 0 else None


def top_variance_share(found: Moments) -> float | None:
    """lambda_1 / sum lambda of the covariance: 1 / D to 1; None without variance."""
    values = found.central
    return float(values[0] / values.sum()) if values[0] > 0 else None
