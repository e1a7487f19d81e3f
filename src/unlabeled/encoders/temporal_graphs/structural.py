"""Structural attention: every node attends to its neighbours of a snapshot, all snapshots in one sparse pass."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, elu, leaky_relu

from unlabeled.encoders.temporal_graphs.graph import SnapshotGraph

SLOPE = 0.2
"""Of the leaky rectifier on logits."""

CHUNK = 2**17
"""Values of messages, links times width, that are formed at once."""


class _Gathered(torch.autograd.Function):
    """sum over the links of a row of share * value, without ever holding a message for every link."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, share: Tensor, query: Tensor, key: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(value, share, query, key)
        out = value.new_zeros(rows, *value.shape[1:])  # (R, H, K)
        for part in _chunks(value, query):
            out.index_add_(0, query[part], share[part, :, None] * value[key[part]])
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        value, share, query, key = ctx.saved_tensors
        of_value, of_share = torch.zeros_like(value), torch.empty_like(share)
        for part in _chunks(value, query):
            asked = gradient[query[part]]  # (C, H, K)
            of_share[part] = (asked * value[key[part]]).sum(2)
            of_value.index_add_(0, key[part], share[part, :, None] * asked)
        return of_value, of_share, None, None, None


def _chunks(value: Tensor, links: Tensor) -> list[slice]:
    step = max(1, CHUNK // max(1, value[0].numel()))
    return [slice(start, start + step) for start in range(0, len(links), step)]


def gathered(value: Tensor, share: Tensor, query: Tensor, key: Tensor, rows: int) -> Tensor:
    """out_q = sum over links (q, k) of share * value_k.

    Args:
        value: (M, H, K).
        share: (L, H).
        query: int64 (L,), below `rows`.
        key: int64 (L,), below M.
        rows: R.

    Returns:
        (R, H, K); zeros where a row has no link.
    """
    out: Tensor = _Gathered.apply(value.to(share.dtype), share, query, key, rows)
    return out


def link_softmax(logits: Tensor, query: Tensor, rows: int) -> Tensor:
    """The softmax of logits (L, H) over the links of each row, (L, H), in float32 at least."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision has no room for the sums
    index = query[:, None].expand_as(logits)
    top = logits.new_full((rows, logits.shape[1]), -torch.inf)
    top = top.scatter_reduce(0, index, logits.detach(), "amax")
    risen = (logits - top[query]).exp()
    return risen / logits.new_zeros(rows, logits.shape[1]).index_add(0, query, risen)[query]


class StructuralAttention(nn.Module):
    """One layer of attention to neighbours, weights shared by all snapshots (DySAT, equation 1).

        s_vu  = LeakyReLU(A_vu (a1 . W x_v + b1 + a2 . W x_u + b2))
        z_v   = ELU( sum over u of softmax_u(s_vu) W x_u )              heads side by side

    Args:
        inputs: D, the width of x; or the number of nodes where x is one-hot.
        width: F, a multiple of `heads`.
        heads: H.
        rate: of dropout, on the softmax and on W x, within [0, 1).
        residual: adds W_r x before the ELU; not where x is one-hot.

    Raises:
        ValueError: the width is no multiple of the heads.
    """

    def __init__(self, inputs: int, width: int, heads: int, rate: float, residual: bool = False) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"structural_widths takes multiples of the heads, got {width} for {heads} heads")
        self.heads, self.rate = heads, rate
        self.weight = nn.Parameter(torch.empty(inputs, width))
        self.to_query = nn.Parameter(torch.empty(heads, width // heads))  # a1
        self.to_key = nn.Parameter(torch.empty(heads, width // heads))  # a2
        self.query_bias = nn.Parameter(torch.zeros(heads))
        self.key_bias = nn.Parameter(torch.zeros(heads))
        self.skip = nn.Linear(inputs, width, bias=False) if residual else None
        for head in self.weight.chunk(heads, 1):  # each head is a layer of its own: its own fan
            nn.init.xavier_uniform_(head.data)
        bound = (6 / (width // heads + 1)) ** 0.5  # Glorot's of a (K, 1) matrix
        for vector in (self.to_query, self.to_key):
            nn.init.uniform_(vector, -bound, bound)
        if self.skip is not None:
            nn.init.xavier_uniform_(self.skip.weight)

    def forward(self, rows: Tensor | None, graph: SnapshotGraph) -> Tensor:
        """x (R, D) to z (R, F); without `rows`, x is one-hot: W x is a row of W, shared by all snapshots."""
        value = self.weight if rows is None else rows @ self.weight
        value = value.view(len(value), self.heads, -1)  # (N or R, H, K)
        query_logit = (value * self.to_query).sum(2) + self.query_bias
        key_logit = (value * self.to_key).sum(2) + self.key_bias
        query, key = (graph.node[graph.query], graph.node[graph.key]) if rows is None else (graph.query, graph.key)
        logits = graph.weight[:, None].to(value.dtype) * (query_logit[query] + key_logit[key])  # (L, H)
        share = link_softmax(leaky_relu(logits, SLOPE), graph.query, len(graph.node))
        if self.training and self.rate:
            share = dropout(share, self.rate)
            if rows is None:
                value, key = value[graph.node], graph.key  # each snapshot drops its own
            value = dropout(value, self.rate)
        out = gathered(value, share, graph.query, key, len(graph.node)).flatten(1)  # (R, F)
        if self.skip is not None:
            out = out + (self.skip.weight.t()[graph.node] if rows is None else self.skip(rows))
        return elu(out)

    def norm(self) -> Tensor:
        """|W|^2 + |a1|^2 + |a2|^2, what weight decay weighs."""
        return self.weight.square().sum() + self.to_query.square().sum() + self.to_key.square().sum()
