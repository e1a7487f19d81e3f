"""The losses of an assignment: how well clusters explain the links, and how sharp they are. None needs n x n numbers.

Each is of one graph at a time and independent of what else is in the batch; (B,) for B graphs.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from unlabeled.data.graphs.batch import Segments
from unlabeled.encoders.graphs.links import SparseLinks
from unlabeled.encoders.graphs.readouts import segment_sum
from unlabeled.encoders.graphs.segments import exact, gathered, spread, unrounded

LinkLossName = Literal["frobenius", "bce", "mincut", "dmon", "none"]
LinkNorm = Literal["n2", "none"]
LinkDiagonal = Literal["as-is", "ignore", "one"]


EPSILON = 1e-7
"""Inside both logarithms of the binary cross-entropy, as the official code has it."""
BLOCK = 2**20
"""Pairs of nodes that the binary cross-entropy looks at together."""


@dataclass(frozen=True)
class Penalties:
    """Which losses an assignment has.

    Args:
        link: frobenius (the paper), bce (the official code), mincut or dmon in its place, or none (its NoLP).
        norm: n2 divides by the number of pairs of nodes, none leaves the sum; mincut and dmon are shares already.
        diagonal: how the diagonal of the first level's A counts; see `frobenius`. Of frobenius and bce.
        hops: of bce, how many powers of S S^T are summed (the official code's `adj_hop`), at least 1.
        link_weight: at least 0.
        entropy_weight: at least 0.
    """

    link: LinkLossName = "frobenius"
    norm: LinkNorm = "n2"
    diagonal: LinkDiagonal = "as-is"
    hops: int = 1
    link_weight: float = 1.0
    entropy_weight: float = 1.0


DEFAULTS = Penalties()


def frobenius(
    assignment: Tensor, links: SparseLinks, coarse: Tensor, gram: Tensor, of: Segments, diagonal: LinkDiagonal
) -> Tensor:
    """||A - S S^T||_F^2 of each graph, in its trace form.

        sum A_uv^2 - 2 tr(S^T A S) + ||S^T S||_F^2        O(E C + n C^2) for E links, n nodes, C clusters

    The diagonal of A is 0 while that of S S^T nears 1 as S gets sharp, so that as it is this loss punishes sharp
    assignments; `ignore` leaves the diagonal out, `one` compares with A + I. Both change n terms only.

    Args:
        assignment: S, (n, C).
        links: A.
        coarse: S^T A S, (B, C, C).
        gram: S^T S, (B, C, C).
        of: the graphs of the rows.
        diagonal: how the diagonal counts.

    Returns:
        (B,), at least 0: what rounding makes negative is 0.
    """
    links_of = segment_sum(links.degree, of.owner, len(of))[:, 0]  # A is 0 or 1: the sum of squares is the sum
    found = links_of - 2 * coarse.diagonal(dim1=1, dim2=2).sum(1) + gram.square().sum((1, 2))
    if diagonal != "as-is":
        lengths = assignment.square().sum(1)  # (n,), the diagonal of S S^T
        change = -(links.loops - lengths).square()
        if diagonal == "one":
            change = change + (1 - lengths).square()
        found = found + segment_sum(change[:, None], of.owner, len(of))[:, 0]
    return found.clamp_min(0)


class _CrossEntropy(torch.autograd.Function):
    """Sums of binary cross-entropies over all pairs of nodes of each graph, a block of rows at a time."""

    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, edges: Tensor, ends: tuple[int, ...], diagonal: LinkDiagonal
    ) -> Tensor:
        sums, of_left = left.new_zeros(len(ends) - 1), torch.zeros_like(left)
        alike = left.data_ptr() == right.data_ptr()  # then so are the gradients, and a product is saved
        of_right = of_left if alike else torch.zeros_like(right)
        for place, (start, end) in enumerate(itertools.pairwise(ends)):
            rows = max(1, BLOCK // (end - start))
            for first in range(start, end, rows):
                last = min(first + rows, end)
                values, slopes = _pairs(left[first:last], right[start:end], edges, (first, last, start), diagonal)
                sums[place] += values
                of_left[first:last] = slopes @ right[start:end]
                if not alike:
                    of_right[first:last] = slopes @ left[start:end]  # symmetric: each pair counts from both ends
        ctx.save_for_backward(of_left, of_right)
        ctx.ends = ends
        return sums

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        of_left, of_right = ctx.saved_tensors
        counts = torch.tensor(ctx.ends, device=above.device).diff()
        each = above.repeat_interleave(counts)[:, None]
        return of_left * each, of_right * each, None, None, None


def _pairs(
    rows: Tensor, whole: Tensor, edges: Tensor, places: tuple[int, int, int], diagonal: LinkDiagonal
) -> tuple[Tensor, Tensor]:
    """The sum over a block of pairs and its slopes in p."""
    first, last, start = places
    inner = rows @ whole.T  # (rows, n_b)
    p = inner.clamp(max=1)
    linked = torch.zeros_like(p)
    own = edges[:, torch.searchsorted(edges[0], first) : torch.searchsorted(edges[0], last)]
    linked[own[0] - first, own[1] - start] = 1
    weight = torch.ones_like(p)
    here = torch.arange(last - first, device=rows.device)
    if diagonal == "ignore":
        weight[here, here + first - start] = 0
    elif diagonal == "one":
        linked[here, here + first - start] = 1
    values = -(linked * (p + EPSILON).log() + (1 - linked) * (1 - p + EPSILON).log()) * weight
    slopes = ((1 - linked) / (1 - p + EPSILON) - linked / (p + EPSILON)) * weight * (inner <= 1)
    return values.sum(), slopes


def cross_entropy(assignment: Tensor, edges: Tensor, of: Segments, diagonal: LinkDiagonal, hops: int = 1) -> Tensor:
    """Binary cross-entropy between min(S S^T, 1) and A, summed over all pairs of nodes of each graph.

    With more hops S S^T + (S S^T)^2 + ... takes the place of S S^T: S (1 + S^T S + ...) S^T, of factors as small as S.

    Of non-links log(1 - p) does not factor, so that all pairs are looked at, but a block at a time: memory is O(n C).
    In float32 at least, for 1e-7 beside 1 is nothing in half precision. The slope in S of two nodes that share one
    cluster for certain and are not linked (with the diagonal as it is, every node and itself) is 1e7, which no clamping
    of p at 1 takes away, for just below 1 it is as steep; softmax leaves about 1 of it in the logits.

    Args:
        assignment: S, (n, C).
        edges: the links, int64 (2, E), sorted by row.
        of: the graphs of the rows.
        diagonal: how the diagonal counts.
        hops: powers of S S^T that are summed, at least 1.

    Returns:
        (B,).
    """
    with unrounded(assignment.device):
        right = exact(assignment)
        left = right if hops == 1 else spread(right, _powers(gathered(right, right, of), hops), of)
        found: Tensor = _CrossEntropy.apply(left, right, edges, of.ends, diagonal)
        return found


def _powers(gram: Tensor, hops: int) -> Tensor:
    """1 + G + ... + G^(hops - 1), (B, C, C)."""
    power = total = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    for _ in range(hops - 1):
        power = power @ gram
        total = total + power
    return total


def dense_frobenius(assignment: Tensor, weights: Tensor) -> Tensor:
    """||A - S S^T||_F^2 between clusters, whose diagonal counts as it is: (B, C, C') and (B, C, C) to (B,)."""
    return (weights - assignment @ assignment.transpose(1, 2)).square().sum((1, 2))


def dense_cross_entropy(assignment: Tensor, weights: Tensor, hops: int = 1) -> Tensor:
    """The binary cross-entropy between clusters, links of a weight above 1 counting as 1: (B,)."""
    across = assignment.transpose(1, 2)
    p = (assignment @ _powers(across @ assignment, hops) @ across).clamp(max=1)
    linked = weights.clamp(max=1)
    return -(linked * (p + EPSILON).log() + (1 - linked) * (1 - p + EPSILON).log()).sum((1, 2))


def mincut(coarse: Tensor, gram: Tensor, volume: Tensor) -> Tensor:
    """A relaxed normalised cut, and how far clusters are from even and apart (Bianchi et al., ICML 2020), of A itself.

        - tr(S^T A S) / tr(S^T D S) + | S^T S / |S^T S|_F - I / sqrt(C) |_F

    Args:
        coarse: S^T A S, (B, C, C).
        gram: S^T S, (B, C, C).
        volume: tr(S^T D S) with D the degrees, (B,); the cut of a graph without links is 0.

    Returns:
        (B,).
    """
    clusters = gram.shape[1]
    even = torch.eye(clusters, dtype=gram.dtype, device=gram.device) / clusters**0.5
    apart = torch.linalg.matrix_norm(gram / torch.linalg.matrix_norm(gram)[:, None, None] - even)
    found: Tensor = apart - coarse.diagonal(dim1=1, dim2=2).sum(1) / volume.clamp_min(EPSILON)
    return found


def dmon(coarse: Tensor, gram: Tensor, volume: Tensor) -> Tensor:
    """The modularity of soft clusters, and how far these are from even (Tsitsulin et al., DMoN, 2020).

        - tr(S^T A S - S^T d d^T S / 2m) / 2m + sqrt(C) / n |S^T 1| - 1

    with d the degrees and 2m their sum. Rows of S add up to 1, so that S^T d is S^T A S 1, and S^T 1 is S^T S 1.

    Args:
        coarse: S^T A S, (B, C, C).
        gram: S^T S, (B, C, C).
        volume: as `mincut` takes it; not needed here.

    Returns:
        (B,).
    """
    degrees, sizes = coarse.sum(2), gram.sum(2)  # (B, C) each
    total = degrees.sum(1).clamp_min(EPSILON)
    within = coarse.diagonal(dim1=1, dim2=2).sum(1) - degrees.square().sum(1) / total
    uneven: Tensor = gram.shape[1] ** 0.5 * torch.linalg.vector_norm(sizes, dim=1) / sizes.sum(1) - 1
    return uneven - within / total


CUTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"mincut": mincut, "dmon": dmon}
"""Losses in place of the link loss, by name: shares of links and nodes, whatever the size of a graph."""


def entropy(assignment: Tensor, log_assignment: Tensor) -> Tensor:
    """- sum_c S_c log S_c of each row, (..., C) to (...); the logarithm is finite where S is rounded to 0."""
    return -(assignment * log_assignment).sum(-1)
