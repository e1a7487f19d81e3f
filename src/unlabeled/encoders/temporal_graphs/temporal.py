"""Temporal attention: a node's representation in a snapshot attends to its own of that and earlier snapshots."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from unlabeled.encoders.temporal_graphs.short_attention import short_attention

Scale = Literal["head_dim", "snapshots"]
FeedForward = Literal["every", "last", "none"]

SHORT = 32
"""The longest history, in snapshots, that our own attention takes on a processor."""


class TemporalAttention(nn.Module):
    """One layer of causal attention over a node's history (DySAT, equation 2).

        Z = softmax(Q K^T / scale + M) V,    Q, K, V = X Wq, X Wk, X Wv, split into heads,   M_ij = 0 for j <= i
        e = ReLU(Z Wf + bf) + Z              with `feed_forward`

    Args:
        inputs: D.
        width: F, a multiple of `heads`.
        heads: H.
        rate: of dropout on the softmax, within [0, 1).
        scale: sqrt(F / H) (the paper), or sqrt(T + 1) (the official code).
        window: of the history, in snapshots; -1 for all of it.
        feed_forward: whether the position-wise layer follows.
        residual: adds X to the attention's output; needs D = F.

    Raises:
        ValueError: widths that do not fit.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        heads: int,
        rate: float,
        scale: Scale = "head_dim",
        window: int = -1,
        feed_forward: bool = True,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"temporal_widths takes multiples of the heads, got {width} for {heads} heads")
        if residual and inputs != width:
            raise ValueError(f"residual needs temporal layers as wide as their input, got {inputs} and {width}")
        self.heads, self.rate, self.scale, self.window, self.residual = heads, rate, scale, window, residual
        self.query, self.key, self.value = (nn.Linear(inputs, width, bias=False) for _ in range(3))
        self.feed_forward = nn.Linear(width, width) if feed_forward else None
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, rows: Tensor, seen: Tensor | None = None, last: int | None = None) -> Tensor:
        """(N, T, D) to (N, T, F).

        Args:
            rows: X.
            seen: bool (N, T), where False a snapshot is attended to by none; by default all are.
            last: how many last snapshots are wanted, by default all; the result is then (N, `last`, F).
        """
        count = rows.shape[1]
        asking = rows if last is None else rows[:, -last:]
        mask = causal(count, self.window, rows.device)[-asking.shape[1] :]
        if seen is not None:
            mask = mask & seen[:, None, None, :]  # (N, 1, S, T)
            lost = ~mask.any(-1, keepdim=True)  # a row that may attend to nothing: softmax has no answer there
            mask = mask | (lost & causal(count, -1, rows.device)[-asking.shape[1] :])
        out = self._mixed(rows, asking, mask)  # (N, S, F)
        if seen is not None:
            out = out.masked_fill(lost.flatten(1)[..., None], 0.0)
        if self.feed_forward is not None:
            out = relu(self.feed_forward(out)) + out
        return out + asking if self.residual else out

    def _mixed(self, rows: Tensor, asking: Tensor, mask: Tensor) -> Tensor:
        """Z, (N, S, F): by torch's own attention, or where histories are short and there is no other help, by ours."""
        count, rate = rows.shape[1], self.rate if self.training else 0.0
        scale = (self.query.out_features // self.heads if self.scale == "head_dim" else count + 1) ** -0.5
        exact = rows.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(rows.device.type)
        if count <= SHORT and exact and rows.device.type == "cpu":
            query, key, value = self._entries_first(rows)
            found = short_attention(query[-asking.shape[1] :], key, value, mask, rate, scale)
            return found.permute(3, 0, 2, 1).flatten(2)
        layers = (self.query, asking), (self.key, rows), (self.value, rows)
        query, key, value = (
            layer(part).view(*part.shape[:2], self.heads, -1).transpose(1, 2) for layer, part in layers
        )
        return scaled_dot_product_attention(query, key, value, mask, rate, scale=scale).transpose(1, 2).flatten(2)

    def _entries_first(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Q, K and V of (N, T, D) by one product, each as the attention of short histories takes it: (T, K, H, N)."""
        weights = torch.stack([layer.weight for layer in (self.query, self.key, self.value)])
        weights = weights.view(3, self.heads, -1, rows.shape[2]).transpose(1, 2)  # (3, K, H, D)
        found = torch.matmul(weights.flatten(0, 2), rows.permute(1, 2, 0))
        return found.view(len(found), *weights.shape[:3], len(rows)).unbind(1)


def causal(count: int, window: int, device: torch.device) -> Tensor:
    """bool (T, T): query i sees key j with j <= i, and of these the last `window` where that is not -1."""
    mask = torch.ones(count, count, dtype=torch.bool, device=device).tril()
    return mask if window < 0 else mask.triu(1 - window)
