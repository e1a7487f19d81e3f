"""Structural and temporal attention together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.encoders.temporal_graphs.graph import EdgeWeight, SnapshotGraph, snapshot_graph
from unlabeled.encoders.temporal_graphs.structural import StructuralAttention
from unlabeled.encoders.temporal_graphs.temporal import FeedForward, Scale, TemporalAttention

LIVELY = 4
"""Numbers that tell how lively a node is."""
FEW = 0.5
"""The share of the nodes below which the pass over structure is one over these nodes and their neighbours."""


@dataclass(frozen=True)
class Attention:
    """What self-attention over structure and time is made of; the defaults are DySAT's on Enron.

    Args:
        structural_widths: of each structural layer.
        structural_heads: of each.
        temporal_widths: of each temporal layer; none where `temporal` is False.
        temporal_heads: of each.
        structural: False leaves structural attention out: h is a learnt table of nodes ("No Structural").
        temporal: False leaves temporal attention out: e = h ("No Temporal").
        structural_dropout: within [0, 1).
        temporal_dropout: within [0, 1).
        positions: whether P is added.
        feed_forward: after which temporal layers the position-wise layer stands.
        scale: of the temporal logits.
        attention_window: snapshots that temporal attention looks back, at least 1; -1 for all.
        mask_unseen: keeps temporal attention from snapshots in which the node is not seen yet.
        residual: around every attention; in structural layers through weights of its own, as widths differ.
        edge_weight: what structural logits are multiplied by.
        self_loops: whether a node attends to itself in structural attention.
        activity: whether h sees how lively a node is in each snapshot (`graph.activity`), through a linear map. Ours.
        incremental: structural attention sees the last snapshot alone, and h of those before is `past`, a buffer (N,
            T - 1, F) that does not learn (IncSAT).

    Raises:
        ValueError: numbers that do not fit.
    """

    structural_widths: Sequence[int] = (128,)
    structural_heads: Sequence[int] = (16,)
    temporal_widths: Sequence[int] = (128,)
    temporal_heads: Sequence[int] = (16,)
    structural: bool = True
    temporal: bool = True
    structural_dropout: float = 0.1
    temporal_dropout: float = 0.5
    positions: bool = True
    feed_forward: FeedForward = "every"
    scale: Scale = "head_dim"
    attention_window: int = -1
    mask_unseen: bool = False
    residual: bool = False
    edge_weight: EdgeWeight = "gcn"
    self_loops: bool = True
    activity: bool = False
    incremental: bool = False

    def __post_init__(self) -> None:
        _same_length(structural_widths=self.structural_widths, structural_heads=self.structural_heads)
        _same_length(temporal_widths=self.temporal_widths, temporal_heads=self.temporal_heads)
        if not (0 <= self.structural_dropout < 1 and 0 <= self.temporal_dropout < 1):
            raise ValueError("structural_dropout and temporal_dropout take numbers from 0 to below 1")
        if self.attention_window < 1 and self.attention_window != -1:
            raise ValueError(
                f"attention_window takes a number of snapshots of at least 1, or -1, got {self.attention_window}"
            )
        if self.incremental and (self.mask_unseen or self.activity or not self.temporal):
            raise ValueError("incremental needs temporal attention, and neither mask_unseen nor activity")

    @property
    def width(self) -> int:
        """F of the last layer."""
        return (self.temporal_widths if self.temporal else self.structural_widths)[-1]


class SelfAttention(nn.Module):
    """Structural attention inside each snapshot, then causal attention over each node's history (DySAT, section 4).

        h_t = structural(x_t, A_t)  (N_t, F);      e = temporal(h + P)  (N, T, F),  h zero where a node is not seen yet

    A node's input is its one-hot number, so that the first layer's weight is a table of nodes; or its attributes.

    Args:
        nodes: N, rows of that table.
        snapshots: T, rows of the table P of positions.
        parts: what it is made of.
        attributes: A, of each node; 0 where it has none.

    Raises:
        ValueError: numbers that do not fit.
    """

    def __init__(self, nodes: int, snapshots: int, parts: Attention, attributes: int = 0) -> None:
        super().__init__()
        if nodes < 1 or snapshots < 1 + parts.incremental:
            raise ValueError(
                f"an encoder needs at least 1 node and 1 snapshot, 2 where it is incremental, got {nodes}, {snapshots}"
            )
        self.parts, self.snapshots = parts, snapshots
        rate, inputs, layers = parts.structural_dropout, attributes or nodes, []
        for width, heads in zip(parts.structural_widths, parts.structural_heads, strict=True):
            layers.append(StructuralAttention(inputs, width, heads, rate, parts.residual))
            inputs = width
        self.structural = nn.ModuleList(layers if parts.structural else [])
        self.table = None if parts.structural else nn.Parameter(nn.init.xavier_uniform_(torch.empty(nodes, inputs)))
        self.hidden_width = inputs
        self.activity = nn.Linear(LIVELY, inputs) if parts.activity else None
        self.temporal, self.positions = nn.ModuleList(), None
        if parts.temporal and parts.positions:
            self.positions = nn.Parameter(nn.init.xavier_uniform_(torch.empty(snapshots, inputs)))
        for layer in self._temporal_layers(inputs) if parts.temporal else ():
            self.temporal.append(layer)
        self.width = parts.width
        past = torch.zeros(nodes, snapshots - 1, self.hidden_width) if parts.incremental else None
        self.register_buffer("past", past)
        self.past: Tensor | None

    def _temporal_layers(self, inputs: int) -> Iterator[TemporalAttention]:
        parts, last = self.parts, len(self.parts.temporal_widths)
        for number, (width, heads) in enumerate(zip(parts.temporal_widths, parts.temporal_heads, strict=True), 1):
            after = parts.feed_forward == "every" or (parts.feed_forward == "last" and number == last)
            rate, scale, window = parts.temporal_dropout, parts.scale, parts.attention_window
            yield TemporalAttention(inputs, width, heads, rate, scale, window, after, parts.residual)
            inputs = width

    def graph_of(self, samples: Any) -> SnapshotGraph:
        """The form of data that `forward` takes, of `data.temporal_graphs.Snapshots`."""
        return snapshot_graph(
            samples if self.past is None else samples.tail(), self.parts.edge_weight, self.parts.self_loops,
            self.parts.activity,
        )  # fmt: skip

    def hidden(self, graph: SnapshotGraph, wanted: Tensor | None = None) -> Tensor:
        """h, (R, F): every node in every snapshot since its first.

        Args:
            graph: of `graph_of`.
            wanted: int64 (P,), the rows that are; then (P, F), for the cost of what these rows attend to.
        """
        found = self._structural(graph, wanted)
        if self.activity is None:
            return found
        assert graph.activity is not None
        lively = graph.activity.to(found.dtype)
        out: Tensor = found + self.activity(lively if wanted is None else lively[wanted])
        return out

    def _structural(self, graph: SnapshotGraph, wanted: Tensor | None) -> Tensor:
        if self.table is not None:
            return self.table[graph.node if wanted is None else graph.node[wanted]]
        parts = [graph.all] * len(self.structural)
        for number in reversed(range(len(parts))):
            if wanted is not None:
                parts[number] = graph.part(wanted)
                wanted = parts[number].rows
        kind = next(self.parameters()).dtype
        rows = None if graph.attributes is None else graph.attributes.to(kind)[graph.node[parts[0].rows]]
        for layer, part in zip(self.structural, parts, strict=True):
            rows = layer(rows, part)
        assert rows is not None
        return rows

    def history(self, graph: SnapshotGraph, nodes: Tensor | None = None) -> Tensor:
        """h of nodes (M,), of all where they are not given, in every snapshot, (M, T, F); that of `past` as it is."""
        nodes = torch.arange(graph.nodes, device=graph.since.device) if nodes is None else nodes
        seen = graph.since[nodes, None] <= torch.arange(graph.snapshots, device=nodes.device)  # (M, T)
        row = graph.first + nodes[:, None]
        if len(nodes) < FEW * graph.nodes:
            found = self.hidden(graph, row[seen])
            hidden = found.new_zeros(*seen.shape, found.shape[1]).index_put((seen,), found)
        else:
            found = self.hidden(graph)
            rows = found.index_select(0, torch.where(seen, row, 0).flatten())  # its gradient needs no sorting
            hidden = torch.where(seen[..., None], rows.view(*seen.shape, -1), 0.0)
        return hidden if self.past is None else torch.cat([self.past[nodes], hidden], 1)

    def forward(self, graph: SnapshotGraph, nodes: Tensor | None = None, last: int | None = None) -> Tensor:
        """Every node in every snapshot, (N, T, F).

        Args:
            graph: of `graph_of`.
            nodes: int64 (M,), the nodes that are wanted; the result is then (M, T, F).
            last: how many last snapshots are wanted, by default all T; the result is then (N or M, `last`, F).
        """
        hidden = self.history(graph, nodes)
        return self.over_time(hidden, graph.since if nodes is None else graph.since[nodes], last)

    def over_time(self, hidden: Tensor, since: Tensor, last: int | None = None) -> Tensor:
        """h (M, T, F) of nodes first seen in the snapshots `since` (M,), to e, or to its `last` snapshots."""
        count = hidden.shape[1]
        seen = torch.arange(count, device=since.device) >= since[:, None] if self.parts.mask_unseen else None
        if self.positions is not None:
            hidden = hidden + self.positions[:count]
        for number, layer in enumerate(self.temporal, 1):
            hidden = layer(hidden, seen, last if number == len(self.temporal) else None)
        return hidden if last is None else hidden[:, -last:]

    def weight_norm(self) -> Tensor:
        """The squared norm of structural weights, biases left out: what weight decay weighs."""
        if self.table is not None:
            return self.table.square().sum()
        norms: list[Tensor] = [layer.norm() for layer in self.structural.children()]  # type: ignore[operator]
        return torch.stack(norms).sum()


def _same_length(**pair: Sequence[int]) -> None:
    (one, widths), (other, heads) = pair.items()
    if len(widths) != len(heads) or not len(widths) or min(*widths, *heads) < 1:
        raise ValueError(f"{one} and {other} take a number each a layer, got {tuple(widths)} and {tuple(heads)}")
