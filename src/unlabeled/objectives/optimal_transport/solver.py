"""The fixed point that gives every cluster its share, and labels by it."""

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unlabeled.objectives.optimal_transport.mixing import Mixing
from unlabeled.objectives.optimal_transport.passes import Shares, labelled
from unlabeled.objectives.optimal_transport.rows import Logits, Threads, as_tensor, every, width_of


@dataclass(frozen=True)
class BalancedAssignment:
    """What `balanced_assignment` found.

    Args:
        labels: the cluster of each of this process's samples, (N,) int64.
        bias: what each cluster's logits are raised by, (K,) float64, of mean 0; `assign` labels other samples by it.
        marginal_error: the largest |m_y / r_y - 1| over clusters, m the shares of Q under `bias` and r those asked for.
        passes: how often the data were read to find the bias; the labels take one more.
    """

    labels: Tensor
    bias: Tensor
    marginal_error: float
    passes: int


@dataclass(frozen=True)
class Assignment:
    """Clusters of samples by a given bias.

    Args:
        labels: (N,) int64.
        confidences: the posterior of the label, the largest of softmax(strength x_i + b), (N,) float32, 1/K to 1.
    """

    labels: Tensor
    confidences: Tensor


@torch.no_grad()
def balanced_assignment(
    logits: Logits,
    strength: float = 25.0,
    marginals: Tensor | np.ndarray | None = None,
    tolerance: float = 1e-3,
    start: Tensor | np.ndarray | None = None,
    weights: Tensor | np.ndarray | None = None,
    max_passes: int = 1000,
    memory: int = 5,
    relaxation: float = 1.0,
    kernel_memory: int = 0,
    subsample: float | None = None,
) -> BalancedAssignment:
    """Label every sample so that each cluster gets its share of them (SeLa: Asano et al. 2020, section 3).

    With x the logits and r the shares, the plan Q, of row sums 1/N and column sums r, that minimises

        -sum_iy Q_iy log softmax(x_i)_y  +  1/strength KL(Q || r 1'/N)     is     Q_iy = softmax(strength x_i + b)_y / N

    for one bias b, up to a constant: the fixed point of b <- b + log r - log m, m_y = sum_i Q_iy. That is Sinkhorn's
    iteration with the samples' scalings solved for: the state is K numbers, a step is one pass over the data in any
    pieces, and nothing underflows. A sample's label is the argmax of strength x_i + b. Steps are mixed with those
    before (Anderson 1965), which takes 3 to 20 times fewer; where ||m - r||_1 does not fall, the next is a plain one
    from the best so far, which never raises it.

    Only Q has the shares: labels have them up to ties, so that copies of a sample have one label.

    Args:
        logits: (N, K) of any type: a tensor, an array, a memory map; or chunks (n, K) in order, anything that can be
            iterated once a pass, so that they can be computed on the fly. Under several processes each gives its own
            rows, and one may have none. -inf is never, +inf always.
        strength: lambda > 0: the larger, the nearer to the plan without entropy, and the more passes.
        marginals: r, (K,) above 0: shares of sum 1, or counts, whole numbers; equal ones where left out.
        tolerance: stop where the marginal error is below.
        start: a bias to begin with, (K,): that of the last time.
        weights: how much each sample counts, (N,), at least 0; 0 for padding, whose logits are numbers all the same.
        max_passes: stop there whatever the error, at least 1.
        memory: how many steps before are mixed in; 0 for none.
        relaxation: length of a step, above 0 and below 2; 1.5 to 1.8 saves up to half where `memory` is 0.
        kernel_memory: bytes in which exp(strength x) may be kept, as much of it as they hold, N K floats being all:
            later passes read it and form no exponential.
        subsample: share of the samples on which a start is found, 0 to 1; 0.05 does for large sets.

    Returns:
        Labels and bias, on the CPU; the bias is the same on all processes. Not converged within `max_passes` where the
        marginal error says so.

    Raises:
        ValueError: no samples, a row that is -inf or not a number, a cluster that no sample can have, logits that are
            read only once, arguments of other shapes or out of their ranges.
    """
    _refuse(strength=(strength, math.inf), relaxation=(relaxation, 2.0), max_passes=(max_passes, math.inf))
    if not memory >= 0 or not kernel_memory >= 0 or not (subsample is None or 0 < subsample <= 1):
        asked = f"memory {memory}, kernel_memory {kernel_memory}, subsample {subsample}"
        raise ValueError(f"balanced_assignment takes memory and kernel_memory from 0, subsample in (0, 1], got {asked}")
    width = width_of(logits)
    shares = _shares(marginals, width)
    bias = torch.zeros(width, dtype=torch.float64) if start is None else _vector(start, width, "start")
    counted = None if weights is None else _weights(weights)
    with Threads() as threads:
        if subsample is not None and subsample < 1:
            step = round(1 / subsample)
            some = None if counted is None else counted[::step]
            with suppress(ValueError):  # whether it lies in the data or in the choice, all of them will say
                part = Shares(every(logits, step), width, strength, some, kernel_memory, threads)
                bias = _fixed_point(part, shares, bias, 10 * tolerance, max_passes, Mixing(memory, relaxation))[0]
                del part
        whole = Shares(logits, width, strength, counted, kernel_memory, threads)
        bias, error, passes = _fixed_point(whole, shares, bias, tolerance, max_passes, Mixing(memory, relaxation), True)
        labels = whole.labels
        del whole  # and with it the kernel
        if labels is None:
            labels, _ = labelled(logits, bias, strength, threads, confident=False)
    return BalancedAssignment(labels, bias, error, passes)


@torch.no_grad()
def assign(logits: Logits, bias: Tensor | np.ndarray, strength: float = 25.0) -> Assignment:
    """Label samples, new ones too, by the bias that `balanced_assignment` found.

    Args:
        logits: as of `balanced_assignment`, but read once.
        bias: (K,).
        strength: that of the bias.

    Raises:
        ValueError: a row that is -inf or not a number, or arguments of other shapes or out of their ranges.
    """
    _refuse(strength=(strength, math.inf))
    with Threads() as threads:
        return Assignment(*labelled(logits, _vector(bias, len(bias), "bias"), strength, threads, confident=True))


def _fixed_point(
    data: Shares,
    shares: Tensor,
    bias: Tensor,
    tolerance: float,
    max_passes: int,
    mixing: Mixing,
    label: bool = False,
) -> tuple[Tensor, float, int]:
    """The bias, its marginal error, and the number of passes; with `label` the last allowed one looks for labels."""
    passes = 0
    while True:
        bias = bias - bias.mean()
        step = shares.log() - data.log(bias, label and passes + 1 >= max_passes)
        passes += 1
        error = float(torch.expm1(-step).abs().max())
        if error < tolerance or passes >= max_passes:
            return bias, error, passes
        gap = float((shares * torch.expm1(-step)).abs().sum())  # |m - r|_1
        bias = mixing.next(bias, step, gap)


def _refuse(**given: tuple[float, float]) -> None:
    """Raise for the first number that is not above 0 and below what stands beside it."""
    for name, (value, end) in given.items():
        if not 0 < value < end:
            below = "" if end == math.inf else f" and below {end:g}"
            raise ValueError(f"balanced assignment takes a {name} above 0{below}, got {value}")


def _vector(given: Tensor | np.ndarray, width: int, name: str) -> Tensor:
    """Finite numbers, one a cluster, (K,) float64."""
    vector = as_tensor(given).to("cpu", torch.float64)
    if vector.shape != (width,) or not vector.isfinite().all():
        raise ValueError(f"{name} is {width} finite numbers, one a cluster, got {tuple(vector.shape)}: {vector}")
    return vector


def _shares(marginals: Tensor | np.ndarray | None, width: int) -> Tensor:
    """Shares of sum 1, (K,) float64."""
    if marginals is None:
        return torch.full((width,), 1 / width, dtype=torch.float64)
    given = _vector(marginals, width, "marginals")
    counts = bool((given == given.round()).all())
    if not (given > 0).all() or not (counts or abs(given.sum() - 1) < 1e-4):
        raise ValueError(
            "marginals are above 0, shares of sum 1 or whole numbers (leave a cluster out that gets none), "
            f"got a smallest of {given.min():g} and a sum of {given.sum():g}"
        )
    return given / given.sum()


def _weights(given: Tensor | np.ndarray) -> Tensor:
    """Weights at least 0, (N,) of any type."""
    weights = as_tensor(given)
    if weights.ndim != 1 or not (weights.isfinite() & (weights >= 0)).all():
        raise ValueError(f"weights are numbers from 0, one a sample, got {tuple(weights.shape)}: {weights}")
    return weights
