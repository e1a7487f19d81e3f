"""Who is linked with whom: sparse between the nodes of a batch, dense between clusters. Both sum and average."""

import warnings
from typing import Any

import torch
from torch import Tensor

from unlabeled.data.graphs.batch import GraphBatch
from unlabeled.encoders.graphs.segments import unrounded


class _Neighbours(torch.autograd.Function):
    """A x for a sparse symmetric A, whose transpose, which the gradient takes, is A itself."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, x: Tensor) -> Tensor:
        ctx.matrix = matrix
        return _product(matrix, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, _product(ctx.matrix, gradient)


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    """In the matrix's precision, whatever x has: sums over many neighbours are not for bfloat16."""
    with unrounded(x.device):
        found: Tensor = matrix @ x.to(matrix.dtype).contiguous()
    return found.to(x.dtype)


class SparseLinks:
    """The links of a batch of graphs, all of weight 1.

    Args:
        batch: B graphs, n nodes.
        like: whose device and precision the sums are in.
    """

    def __init__(self, batch: GraphBatch, like: Tensor) -> None:
        count = len(batch.owner)
        degrees = torch.bincount(batch.edges[0], minlength=count)  # (n,)
        starts = torch.cat([degrees.new_zeros(1), degrees.cumsum(0)])
        exact = torch.float64 if like.dtype == torch.float64 else torch.float32
        ones = torch.ones(batch.edges.shape[1], dtype=exact, device=like.device)
        with warnings.catch_warnings():  # torch says once a process that this form is in beta
            warnings.simplefilter("ignore", UserWarning)
            self.matrix = torch.sparse_csr_tensor(
                starts.int(), batch.edges[1].int(), ones, (count, count), check_invariants=False
            )
        self.degree = degrees.to(like.dtype)[:, None]  # (n, 1)
        self.shares = 1 / self.degree.clamp_min(1)  # a node without links has a sum of 0
        loops = batch.edges[0, batch.edges[0] == batch.edges[1]]
        self.loops = like.new_zeros(count).index_fill_(0, loops, 1.0)  # (n,), the diagonal of A
        self.there: Tensor | None = None  # all of them
        self._last: tuple[Tensor, Tensor] | None = None

    def sum(self, x: Tensor) -> Tensor:
        """A x, (n, F) to (n, F); two networks that look at one x share the work, so x is not to be changed in place."""
        if self._last is None or self._last[0] is not x:
            self._last = x, _Neighbours.apply(self.matrix, x)
        return self._last[1]

    def mean(self, x: Tensor) -> Tensor:
        """The mean of the neighbours, (n, F) to (n, F); 0 for a node without any."""
        return self.sum(x) * self.shares


class DenseLinks:
    """Weighted links between the C clusters of each of B graphs.

    Args:
        weights: A, (B, C, C), symmetric, none below 0.
        there: which clusters there are, bool (B C,); by default all.
    """

    def __init__(self, weights: Tensor, there: Tensor | None = None) -> None:
        self.weights, self.there = weights, there
        self.degree = weights.sum(2).view(-1, 1)  # (B C, 1)
        self._means: Tensor | None = None

    def sum(self, x: Tensor) -> Tensor:
        """A x, rows of all graphs one after the other, (B C, F) to (B C, F); or (B, C, F) to the same."""
        return self._product(self.weights, x)

    def mean(self, x: Tensor) -> Tensor:
        """The mean of the neighbours by weight, in the same shapes."""
        if self._means is None:
            self._means = self.weights / self.degree.view(*self.weights.shape[:2], 1).clamp_min(1e-6)
        return self._product(self._means, x)

    def _product(self, matrix: Tensor, x: Tensor) -> Tensor:
        with unrounded(x.device):  # as between nodes
            found = matrix @ x.to(matrix.dtype).view(*matrix.shape[:2], -1)
        return found.view(x.shape).to(x.dtype)


Links = SparseLinks | DenseLinks
