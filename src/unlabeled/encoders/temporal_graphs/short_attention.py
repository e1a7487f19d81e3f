"""Causal attention over short histories of many nodes, laid out for processors: nodes are innermost.

A head looks at some ten or twenty snapshots with a handful of values each. As matrix products these are so small that
calling them costs more than they do; here every operation runs over all nodes of a block at once.
"""

from typing import Any

import torch
from torch import Tensor

from unlabeled.encoders.temporal_graphs.pointwise import kept

BLOCK = 256
"""Nodes whose attention is formed at once, so that it stays in the processor's cache."""


class _ShortAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, kept: Tensor | None) -> Tensor:
        out = torch.zeros_like(query)
        shares = []
        for part in _blocks(query):
            q, k, v = query[part], key[part], value[part]
            logits = bias[part].expand(len(q), len(k), *q.shape[2:]).clone()  # (S, T, H, N)
            for entry in range(q.shape[1]):
                logits.addcmul_(q[:, None, entry], k[None, :, entry])
            share = logits.softmax(1)
            shares.append(share)
            used = share if kept is None else share * kept[part]
            for j, rows in _later(len(q), len(k)):
                out[part][rows].addcmul_(used[rows, j, None], v[j])
        ctx.save_for_backward(query, key, value, kept, out, *shares)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, kept, out, *shares = ctx.saved_tensors
        gradient = gradient.contiguous()  # as it comes, nodes are seldom innermost, which doubles the time
        of_query, of_key, of_value = torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value)
        mean = (gradient * out).sum(1)  # sum over the keys of share times its gradient, (S, H, N)
        for part, share in zip(_blocks(query), shares, strict=True):
            q, k, v, g = query[part], key[part], value[part], gradient[part]
            of_logits = g[:, None, 0] * v[None, :, 0]  # of shares, at first
            for entry in range(1, q.shape[1]):
                of_logits.addcmul_(g[:, None, entry], v[None, :, entry])
            used = share
            if kept is not None:
                used = share * kept[part]
                of_logits *= kept[part]
            of_logits.sub_(mean[part][:, None]).mul_(share)
            for j, rows in _later(len(q), len(k)):
                of_query[part][rows].addcmul_(of_logits[rows, j, None], k[j])
            for i in range(len(q)):
                seen = slice(0, i + 1 + len(k) - len(q))
                of_key[part][seen].addcmul_(of_logits[i, seen, None], q[i])
                of_value[part][seen].addcmul_(used[i, seen, None], g[i])
        return of_query, of_key, of_value, None, None


def _blocks(query: Tensor) -> list[tuple[Any, slice]]:
    return [(..., slice(start, start + BLOCK)) for start in range(0, query.shape[-1], BLOCK)]


def _later(queries: int, keys: int) -> list[tuple[int, slice]]:
    """Of each key the queries that may see it: the last query is at the last key."""
    return [(j, slice(max(0, j - keys + queries), queries)) for j in range(keys)]


def short_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rate: float = 0.0, scale: float = 1.0
) -> Tensor:
    """softmax(scale <q, k>) v over the keys that the mask lets through, (S, K, H, N).

    Args:
        query: of the last S of T snapshots, (S, K, H, N).
        key: (T, K, H, N).
        value: (T, K, H, N).
        mask: bool (S, T) or (N, 1, S, T), within the causal one: no query sees a later key, and each sees some key.
        rate: of dropout on the softmax, within [0, 1).
        scale: of the logits.
    """
    open_ = mask[..., None, None] if mask.ndim == 2 else mask.permute(2, 3, 1, 0)  # (S, T, 1, N or 1)
    bias = torch.zeros(open_.shape, dtype=query.dtype, device=query.device).masked_fill(~open_, -torch.inf)
    shape = len(query), len(key), *query.shape[2:]
    shares_kept = kept(shape, rate, query) if rate else None
    bias = bias.expand(*bias.shape[:3], query.shape[3])
    out: Tensor = _ShortAttention.apply(scale * query, key, value, bias, shares_kept)
    return out
