"""Labels that fill given shares of a data set: entropic optimal transport with one number a cluster as its state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unlabeled.distributed import total

Logits = Tensor | np.ndarray | Iterable[Tensor | np.ndarray]

BLOCK = 2**18
"""Entries of the piece of logits that is worked on at a time: what a processor's cache holds."""


@dataclass(frozen=True)
class BalancedAssignment:
    """What `balanced_assignment` found.

    Args:
        labels: the cluster of each of this process's samples, (N,) int64.
        bias: log of the transport's scaling of each cluster, (K,) float64, of mean 0.
        marginal_error: the largest |m_y / r_y - 1| over clusters, m the shares of Q and r those asked for.
        passes: how often the data were read to find the bias.
    """

    labels: Tensor
    bias: Tensor
    marginal_error: float
    passes: int


def balanced_assignment(
    logits: Logits,
    strength: float = 25.0,
    marginals: Tensor | np.ndarray | None = None,
    tolerance: float = 1e-3,
    start: Tensor | None = None,
    weights: Tensor | np.ndarray | None = None,
    max_passes: int = 1000,
) -> BalancedAssignment:
    """Label every sample so that the clusters get given shares of them (SeLa: Asano et al. 2020, section 3).

    With x the logits and r the shares, the Q that minimises, among all with columns sums r and row sums 1/N,

        -sum Q log softmax(x)  +  1/strength KL(Q || uniform)        is        Q_iy = 1/N softmax_y(strength x_i + b)

    for the one b, up to a constant, that makes the column sums r. It is the fixed point of
    b <- b + log r - log m, m the mean over samples of softmax(strength x_i + b), and the label of a sample is
    the argmax of strength x_i + b.

    Args:
        logits: (N, K), a tensor, an array, a memory map, or chunks (n, K) that can be iterated again and
            again. Each process gives its own rows.
        strength: lambda > 0; the larger, the nearer to the transport without entropy, and the slower.
        marginals: r, (K,), shares that sum to 1, or counts; uniform where left out.
        tolerance: stop where the marginal error is below.
        start: a bias to begin with, (K,), such as that of the last time.
        weights: of samples, (N,), at least 0: 0 for padding.
        max_passes: stop there whatever the error.

    Raises:
        ValueError: no samples, a row without a finite maximum, or arguments of other shapes or ranges.
    """
    if not 0 < strength < float("inf"):
        raise ValueError(f"balanced_assignment takes a strength above 0, got {strength}")
    width = next((chunk.shape[1] for chunk, _ in _blocks(logits, weights)), 0)
    if width == 0:
        raise ValueError("balanced_assignment takes at least one sample and one cluster, got none")
    shares = _shares(marginals, width)
    bias = torch.zeros(width, dtype=torch.float64) if start is None else torch.as_tensor(start).double().cpu()
    error, passes = float("inf"), 0
    while True:
        found = torch.zeros(width + 1, dtype=torch.float64)
        for block, weight in _blocks(logits, weights):
            posterior = torch.softmax(block * strength + bias.to(block), 1).double()
            found[:width] += (posterior.T @ weight).cpu()
            found[width] += weight.sum().cpu()
        found = total(found)
        marginal = found[:width] / found[width]
        passes += 1
        if not torch.isfinite(marginal).all():
            raise ValueError("balanced_assignment takes logits with a finite maximum in every row")
        error = float((marginal / shares - 1).abs().max())
        if error < tolerance or passes >= max_passes:
            break
        bias += shares.log() - marginal.log()
        bias -= bias.mean()
    labels = [(block * strength + bias.to(block)).argmax(1).cpu() for block, _ in _blocks(logits, weights)]
    return BalancedAssignment(torch.cat(labels), bias, error, passes)


def _shares(marginals: Tensor | np.ndarray | None, width: int) -> Tensor:
    if marginals is None:
        return torch.full((width,), 1 / width, dtype=torch.float64)
    shares = torch.as_tensor(marginals).double().cpu()
    if shares.shape != (width,) or not (shares > 0).all():
        raise ValueError(f"balanced_assignment takes {width} marginals above 0, got {marginals}")
    return shares / shares.sum()


def _blocks(logits: Logits, weights: Tensor | np.ndarray | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Pieces of the logits with the weights of their rows, in order."""
    first = 0
    for chunk in [logits] if isinstance(logits, Tensor | np.ndarray) else logits:
        step = max(1, BLOCK // max(1, chunk.shape[1]))
        for begin in range(0, len(chunk), step):
            block = torch.as_tensor(np.array(chunk[begin : begin + step]) if isinstance(chunk, np.ndarray) else
                                    chunk[begin : begin + step])  # fmt: skip
            if block.dtype not in (torch.float32, torch.float64):
                block = block.float()
            part = slice(first + begin, first + begin + len(block))
            weight = torch.ones(len(block)) if weights is None else torch.as_tensor(weights[part])
            yield block, weight.to(block.device, torch.float64)
        first += len(chunk)
