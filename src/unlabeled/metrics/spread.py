"""How embeddings lie on the sphere and along their dimensions; each figure is over the rows of all processes."""

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b

import numpy as np
import torch

from unlabeled.distributed import collect, rank, total
from unlabeled.metrics.neighbours import normalise
from unlabeled.metrics.spectrum import blocks, central, in_threads, variance_sums


def _unit_blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """`blocks` of the rows divided by their norms, all in float64; a row of zeros stays zero."""
    for part in blocks(rows):
        norm = np.sqrt((part * part).sum(axis=1, keepdims=True))
        yield part / np.where(norm > 0, norm, 1.0)


def _sums(*values: float) -> list[float]:
    """Sums over processes."""
    return total(torch.tensor(values, dtype=torch.float64)).tolist()


def alignment(first: np.ndarray, second: np.ndarray, power: float = 2.0) -> float:
    """How far apart two views of one sample lie (Wang and Isola 2020).

        mean_i |f(x_i) - f(x_i^+)|^power,    f of length 1

    Args:
        first: (N, D), of any length: normalised here.
        second: (N, D); row i is another view of the sample of row i of `first`.
        power: above 0.

    Returns:
        0 (equal views) to 2^power; lower is better, but a collapsed encoder has 0.

    Raises:
        ValueError: two shapes, or no row.
    """
    if first.shape != second.shape:
        raise ValueError(f"alignment takes two (N, D) arrays of one shape, got {first.shape} and {second.shape}")
    apart = 0.0
    for one, other in zip(_unit_blocks(first), _unit_blocks(second), strict=True):
        gap = one - other
        apart += float(((gap * gap).sum(axis=1) ** (power / 2)).sum())
    apart, count = _sums(apart, len(first))
    if count == 0:
        raise ValueError("alignment takes at least one pair of rows, got none")
    return apart / count


def uniformity(rows: np.ndarray, t: float = 2.0, block: int = 1024) -> float:
    """How evenly rows lie on the sphere (Wang and Isola 2020).

        log( mean over pairs i < j of exp(-t |f(x_i) - f(x_j)|^2) ),    f of length 1

    Products of unit rows are formed tile by tile in float32 and summed in float64. Each process has
    its own rows and sees those of the others one block at a time.

    Args:
        rows: (N_p, D), of any length: normalised here.
        t: above 0.
        block: rows of a tile.

    Returns:
        0 (collapsed) down to log of 0F1(; D/2; t^2) - 2t for points drawn evenly, about -2t for large D; lower
        is better. Compare at equal N and D: the mean is unbiased, its logarithm is not.

    Raises:
        ValueError: fewer than two rows over all processes, or a value that is not finite.
    """
    own = [normalise(rows[start : start + block]) for start in range(0, len(rows), block)]
    pairs = 0.0
    for column in range(max(collect(len(own)))):
        for owner, part in enumerate(collect(own[column] if column < len(own) else None)):
            if part is not None:
                tiles = [
                    (own[place], part, (owner, column) == (rank(), place))
                    for place in range(len(own))
                    if _is_ours(place, owner, column)
                ]
                pairs += sum(in_threads(partial(_tile, t), tiles))
    pairs, count = _sums(pairs, len(rows))
    if count < 2:
        raise ValueError(f"uniformity takes at least two rows, got {count:.0f}")
    return float(np.log(pairs / (count * (count - 1) / 2)))


def _is_ours(place: int, owner: int, column: int) -> bool:
    """Whether this process counts the pairs of its block `place` with block `column` of `owner`.

    Of the two processes that see the tile exactly one does, by parity, so that each has half the work.
    """
    if owner == rank():
        return place <= column
    return (rank() < owner) == ((place + column) % 2 == 0)


def _tile(t: float, tile: tuple[np.ndarray, np.ndarray, bool]) -> float:
    """Sum of exp(-t |a - b|^2) over the pairs of two blocks of unit rows; over i < j where they are the same block."""
    one, other, same = tile
    kernel = one @ other.T
    kernel -= 1.0
    kernel *= 2.0 * t  # |a - b|^2 = 2 - 2 a.b
    whole = float(np.exp(kernel, out=kernel).sum(dtype=np.float64))
    return (whole - float(kernel.diagonal().sum(dtype=np.float64))) / 2 if same else whole


def mean_cosine(rows: np.ndarray) -> float:
    """The mean cosine of two different rows, in one pass.

        ( |sum_i f_i|^2 - sum_i |f_i|^2 ) / (N (N - 1)),    f_i of length 1

    Args:
        rows: (N_p, D); a row of zeros has cosine 0 with all.

    Returns:
        -1 / (N - 1) to 1; 1 is collapse to one direction.

    Raises:
        ValueError: fewer than two rows over all processes.
    """
    along, squares = np.zeros(rows.shape[1]), 0.0
    for part in _unit_blocks(rows):
        along += part.sum(axis=0)
        squares += float((part * part).sum())
    *along_all, squares, count = _sums(*along, squares, len(rows))
    if count < 2:
        raise ValueError(f"mean_cosine takes at least two rows, got {count:.0f}")
    return (float(np.square(along_all).sum()) - squares) / (count * (count - 1))


def spread(rows: np.ndarray) -> float:
    """The deviation of normalised rows against that of points drawn evenly on the sphere.

        sqrt(D) mean_d std_i( z_id / |z_i| )

    Args:
        rows: (N_p, D).

    Returns:
        0 (collapsed) to 1 (isotropic).

    Raises:
        ValueError: no row.
    """
    width = rows.shape[1]
    count, _, second = central(_unit_blocks(rows), width, variance_sums)
    if count == 0:
        raise ValueError("spread takes at least one row, got none")
    return float(np.sqrt(second / count).mean() * np.sqrt(width))


def norms(rows: np.ndarray) -> tuple[float, float]:
    """The mean and the deviation over rows of their Euclidean norms.

    Args:
        rows: (N_p, D).

    Raises:
        ValueError: no row.
    """
    lengths = (np.sqrt(np.square(part).sum(axis=1, keepdims=True)) for part in blocks(rows))
    count, mean, second = central(lengths, 1, variance_sums)
    if count == 0:
        raise ValueError("norms takes at least one row, got none")
    return float(mean[0]), float(np.sqrt(second[0] / count))


def deviations(rows: np.ndarray) -> np.ndarray:
    """The deviation of each dimension, float64 (D,).

    Args:
        rows: (N_p, D).

    Raises:
        ValueError: no row.
    """
    count, _, second = central(blocks(rows), rows.shape[1], variance_sums)
    if count == 0:
        raise ValueError("deviations takes at least one row, got none")
    return np.sqrt(second / count)


def dead_dimensions(rows: np.ndarray, share: float = 1e-4) -> float:
    """The share of dimensions that hardly vary.

        mean_d [ std_d <= share sqrt(mean_e std_e^2) ]

    The root mean square is the yardstick, and not the median, because the median is itself dead as
    soon as half of the dimensions are.

    Args:
        rows: (N_p, D).
        share: of the root mean square deviation.

    Returns:
        0 to 1; 1 where nothing varies.

    Raises:
        ValueError: no row.
    """
    deviation = deviations(rows)
    return float((deviation <= share * np.sqrt((deviation**2).mean())).mean())


def finite_rows(rows: np.ndarray) -> np.ndarray:
    """Which rows hold finite values only, bool (N,).

    Args:
        rows: (N, D).
    """
    parts = [np.isfinite(part).all(axis=1) for part in blocks(rows)]
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def nonfinite(rows: np.ndarray) -> float:
    """The share of values that are infinite or not a number, 0 to 1; 0 without any value.

    Args:
        rows: (N_p, D).
    """
    wrong = sum(int((~np.isfinite(part)).sum()) for part in blocks(rows))
    wrong_all, size = _sums(wrong, rows.size)
    return wrong_all / max(size, 1.0)


def duplicates(rows: np.ndarray) -> int:
    """How many rows repeat another one, value for value: N less the number of different rows.

    Args:
        rows: (N_p, D).
    """
    own = {blake2b((part + 0.0).tobytes(), digest_size=16).digest() for block in blocks(rows) for part in block}
    return int(_sums(len(rows))[0]) - len(set().union(*collect(own)))
