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
    @staticmethod
    def forward(
        ctx: Any, value: Tensor, query_logit: Tensor, key_logit: Tensor, weight: Tensor, links: Links, kept: Any
    ) -> Tensor:
        value, query_logit, key_logit = _by_head(value), _by_head(query_logit), _by_head(key_logit)
        signed, sizes, outs = [], [], []
        for head in range(len(value)):
            logits = query_logit[head].index_select(0, links.query)
            logits = leaky_relu_(logits.add_(key_logit[head].index_select(0, links.key)).mul_(weight), SLOPE)
            risen, size = softmax(logits, links)
            used = risen if kept is None else risen * kept[head]
            outs.append(_weighed(value[head], links.key, links.query_starts, used).mul_(size[:, None]))
            signed.append(risen.copysign_(logits))  # the sign is which side of the rectifier's bend it was
            sizes.append(size)
        ctx.save_for_backward(value, weight, kept, *signed, *sizes, *outs)
        ctx.links = links
        return torch.stack(outs).transpose(0, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        value, weight, kept, *saved = ctx.saved_tensors
        links, heads, gradient = ctx.links, len(value), _by_head(gradient)
        signed, sizes, outs = (saved[start : start + heads] for start in range(0, 3 * heads, heads))
        of_value, of_query, of_key = [], [], []
        for head in range(heads):
            risen = signed[head].abs()
            asked = gradient[head] * sizes[head][:, None]  # (R, K)
            mean = (asked * outs[head]).sum(1)  # sum over the links of a row of share times its gradient
            of_logit = products(asked, value[head], links)
            if kept is not None:
                of_logit.mul_(kept[head])
            of_logit.sub_(mean.index_select(0, links.query)).mul_(risen).mul_(weight)
            of_logit = leaky_relu_backward(of_logit, signed[head], SLOPE, True)
            of_query.append(sums(of_logit, links.query_starts))
            of_key.append(sums(of_logit.index_select(0, links.key_order), links.key_starts))
            used = (risen if kept is None else risen.mul_(kept[head])).index_select(0, links.key_order)
            of_value.append(_weighed(asked, links.query_by_key, links.key_starts, used))
        found = (torch.stack(each).transpose(0, 1) for each in (of_value, of_query, of_key))
        return *found, None, None, None


def _by_head(rows: Tensor) -> Tensor:
    """(R, H, ...) to (H, R, ...), each head's together."""
    return rows.transpose(0, 1).contiguous()


def softmax(logits: Tensor, links: Links) -> tuple[Tensor, Tensor]:
    """The softmax over the links of each row as exponentials (L,) and what they are multiplied by, (R,)."""
    top = torch.segment_reduce(logits, "max", offsets=links.query_starts.long(), unsafe=True)
    risen = (logits - top.index_select(0, links.query)).exp_()
    size = sums(risen, links.query_starts).clamp_min_(1.0)  # at least 1 but for rows without links
    return risen, size.reciprocal_()


def sums(values: Tensor, starts: Tensor) -> Tensor:
    """Of runs of values (L,) that begin at int32 (R + 1,), (R,)."""
    return torch.segment_reduce(values, "sum", offsets=starts.long(), unsafe=True)


def _weighed(rows: Tensor, index: Tensor, starts: Tensor, weight: Tensor) -> Tensor:
    """Sums of weight times the rows (M, K) that an index (L,) names, a sum a run of it: (R, K)."""
    return embedding_bag(index, rows, starts, mode="sum", per_sample_weights=weight, include_last_offset=True)


def products(left: Tensor, right: Tensor, links: Links) -> Tensor:
    """<left_q, right_k> of every link, (L,): (R, K) and (M, K)."""
    if left.is_cuda or torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that sparse tensors are new and not checked
            ends = links.query_starts, links.key, left.new_zeros(len(links.key))
            pattern = torch.sparse_csr_tensor(*ends, (len(left), len(right)), check_invariants=False)
        found: Tensor = torch.sparse.sampled_addmm(pattern, left, right.t(), beta=0.0, out=pattern).values()
        return found
    found = left.new_zeros(len(links.key))
    for mine, other in zip(left.t().contiguous(), right.t().contiguous(), strict=True):  # columns stay in a cache
        found.addcmul_(mine.index_select(0, links.query), other.index_select(0, links.key))
    return found
