"""Structural attention: every node attends to its neighbours of a snapshot, all snapshots in one sparse pass."""

import torch
from torch import Tensor, nn

from unlabeled.encoders.temporal_graphs.graph import Part
from unlabeled.encoders.temporal_graphs.link_attention import link_attention
from unlabeled.encoders.temporal_graphs.pointwise import elu_, kept


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

    def forward(self, rows: Tensor | None, part: Part) -> Tensor:
        """x (R', D) to z (P, F); without `rows`, x is one-hot: W x is a row of W, shared by all snapshots."""
        weight = self.weight if rows is not None or part.nodes is None else self.weight[part.nodes]
        value = weight if rows is None else rows @ weight
        value = value.view(len(value), self.heads, -1)  # (M or R', H, K)
        query_logit = (value * self.to_query).sum(2) + self.query_bias
        key_logit = (value * self.to_key).sum(2) + self.key_bias
        drops = self.training and self.rate > 0
        shares_kept = kept((self.heads, len(part.query)), self.rate, value) if drops else None
        shared = rows is None and not drops
        if rows is None:
            query_logit = query_logit[part.node]
            if drops:  # each snapshot drops its own
                value, key_logit = value[part.node], key_logit[part.node]
        if drops:
            value = value * kept(value.shape, self.rate, value)
        links = part.node_links if shared else part.links
        out = link_attention(value, part.asked(query_logit), key_logit, part.weight, links, shares_kept)  # (P, H, K)
        if self.skip is None:
            return elu_(out).flatten(1)  # (P, F)
        skipped = part.asked(self.skip(rows) if rows is not None else self._skipped(part))
        return elu_(out.flatten(1) + skipped)

    def _skipped(self, part: Part) -> Tensor:
        """W_r of one-hot rows, (R', F)."""
        assert self.skip is not None
        table = self.skip.weight.t()
        return table[part.node if part.nodes is None else part.nodes[part.node]]

    def norm(self) -> Tensor:
        """|W|^2 + |a1|^2 + |a2|^2, what weight decay weighs."""
        return self.weight.square().sum() + self.to_query.square().sum() + self.to_key.square().sum()
