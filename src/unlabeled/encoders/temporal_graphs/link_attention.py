"""Attention along links: a softmax over the links of every row, and the sum of values by it, no message ever formed."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, leaky_relu_

SLOPE = 0.2
"""Of the leaky rectifier on logits."""
leaky_relu_backward = torch.ops.aten.leaky_relu_backward


@dataclass(frozen=True)
class Links:
    """Links sorted by the row that attends, and their order by the one that is attended to.

    Indices are int32, which the sums over them read in half the time.

    Args:
        query: (L,), rising.
        key: (L,).
        query_starts: (R + 1,), where each query's links begin.
        key_order: (L,), the links sorted by key.
        query_by_key: (L,), the queries in that order.
        key_starts: (M + 1,), where each key's links begin in it.
    """

    query: Tensor
    key: Tensor
    query_starts: Tensor
    key_order: Tensor
    query_by_key: Tensor
    key_starts: Tensor

    @staticmethod
    def of(query: Tensor, key: Tensor, rows: int, columns: int) -> "Links":
        """From int64 (L,) each, queries rising and below `rows`, keys below `columns`."""
        order = key.argsort(stable=True)
        narrow = query.int()
        return Links(narrow, key.int(), _starts(query, rows), order.int(), narrow[order], _starts(key, columns))


def _starts(ends: Tensor, rows: int) -> Tensor:
    counts = torch.bincount(ends, minlength=rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()


def link_attention(
    value: Tensor, query_logit: Tensor, key_logit: Tensor, weight: Tensor, links: Links, kept: Tensor | None = None
) -> Tensor:
    """What each row makes of those it has links to, head by head (graph attention; DySAT, equation 1).

        s_l = LeakyReLU(w_l (a_q + b_k)),   p = softmax of s over the links of q,   out_q = sum over them of d_l p_l v_k

    Forward and backward hold a few numbers a link and head, and none of the values' width.

    Args:
        value: v, (M, H, K).
        query_logit: a, (R, H).
        key_logit: b, (M, H).
        weight: w at least 0, (L,).
        links: between R rows and M columns.
        kept: d, (H, L): what dropout makes of the shares; by default 1.

    Returns:
        (R, H, K), in float32 at least; zeros where a row has no link.
    """
    wide = torch.promote_types(value.dtype, torch.float32)  # half precision has no room for the sums
    inputs = (each.to(wide) for each in (value, query_logit, key_logit, weight))
    out: Tensor = _LinkAttention.apply(*inputs, links, kept)
    return out


class _LinkAttention(torch.autograd.Function):
    """Head by head, in room that the next head uses again: fresh memory costs more than what is done in it."""

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, query_logit: Tensor, key_logit: Tensor, weight: Tensor, links: Links, kept: Any
    ) -> Tensor:
        out = value.new_empty(len(query_logit), *value.shape[1:])
        logits, other = torch.empty_like(weight), torch.empty_like(weight)
        signed, sizes = [], []
        for head in range(value.shape[1]):
            torch.index_select(query_logit[:, head], 0, links.query, out=logits)
            torch.index_select(key_logit[:, head], 0, links.key, out=other)
            leaky_relu_(logits.add_(other).mul_(weight), SLOPE)
            risen, size = softmax(logits, links)
            used = risen if kept is None else torch.mul(risen, kept[head], out=other)
            mixed = _weighed(value[:, head].contiguous(), links.key, links.query_starts, used)
            torch.mul(mixed, size[:, None], out=out[:, head])
            signed.append(risen.copysign_(logits))  # the sign is which side of the rectifier's bend it was
            sizes.append(size)
        ctx.save_for_backward(value, weight, kept, *signed, *sizes)
        ctx.links = links
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        value, weight, kept, *saved = ctx.saved_tensors
        links, heads = ctx.links, value.shape[1]
        of_value = torch.empty_like(value)
        of_query, of_key = (value.new_empty(len(each), heads) for each in (gradient, value))
        asked = gradient.new_empty(len(gradient), value.shape[2])
        risen, by_key, of_logit = weight.new_empty(3, len(weight))
        for head, (signed, size) in enumerate(zip(saved[:heads], saved[heads:], strict=True)):
            torch.abs(signed, out=risen)
            torch.mul(gradient[:, head], size[:, None], out=asked)
            products(asked, value[:, head].contiguous(), links, of_logit)
            if kept is not None:
                of_logit.mul_(kept[head])
            mean = sums(torch.mul(of_logit, risen, out=by_key), links.query_starts).mul_(size)
            of_logit.sub_(torch.index_select(mean, 0, links.query, out=by_key)).mul_(risen).mul_(weight)
            leaky_relu_backward(of_logit, signed, SLOPE, True, grad_input=of_logit)
            of_query[:, head] = sums(of_logit, links.query_starts)
            of_key[:, head] = key_sums(of_logit, links, by_key)
            used = torch.index_select(risen if kept is None else risen.mul_(kept[head]), 0, links.key_order, out=by_key)
            of_value[:, head] = _weighed(asked, links.query_by_key, links.key_starts, used)
        return of_value, of_query, of_key, None, None, None


def softmax(logits: Tensor, links: Links) -> tuple[Tensor, Tensor]:
    """The softmax over the links of each row as exponentials (L,) and what they are multiplied by, (R,)."""
    top = torch.segment_reduce(logits, "max", offsets=links.query_starts.long(), unsafe=True)
    risen = top.index_select(0, links.query)
    torch.sub(logits, risen, out=risen).exp_()
    size = sums(risen, links.query_starts).clamp_min_(1.0)  # at least 1 but for rows without links
    return risen, size.reciprocal_()


def sums(values: Tensor, starts: Tensor) -> Tensor:
    """Of runs of values (L,) that begin at int32 (R + 1,), (R,)."""
    one = values.new_ones(1, 1)  # twice as fast as segment_reduce on a processor
    return _weighed(one, torch.zeros(len(values), dtype=starts.dtype, device=starts.device), starts, values)[:, 0]


def key_sums(values: Tensor, links: Links, room: Tensor) -> Tensor:
    """Of the values (L,) of each key's links, (M,), in the same order every time; `room` (L,) may be written over."""
    if values.is_cuda:  # where adding one by one has no order
        return sums(torch.index_select(values, 0, links.key_order, out=room), links.key_starts)
    return values.new_zeros(len(links.key_starts) - 1).index_add_(0, links.key, values)  # a quarter of the time


def _weighed(rows: Tensor, index: Tensor, starts: Tensor, weight: Tensor) -> Tensor:
    """Sums of weight times the rows (M, K) that an index (L,) names, a sum a run of it: (R, K)."""
    return embedding_bag(index, rows, starts, mode="sum", per_sample_weights=weight, include_last_offset=True)


def products(left: Tensor, right: Tensor, links: Links, out: Tensor) -> Tensor:
    """<left_q, right_k> of every link into `out` (L,), of (R, K) and (M, K)."""
    if left.is_cuda or torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that sparse tensors are new and not checked
            ends = links.query_starts, links.key, out.zero_()  # of NaN, beta = 0 makes NaN
            pattern = torch.sparse_csr_tensor(*ends, (len(left), len(right)), check_invariants=False)
        torch.sparse.sampled_addmm(pattern, left, right.t(), beta=0.0, out=pattern)
        return out
    out.zero_()
    for mine, other in zip(left.t().contiguous(), right.t().contiguous(), strict=True):  # columns stay in a cache
        out.addcmul_(mine.index_select(0, links.query), other.index_select(0, links.key))
    return out
