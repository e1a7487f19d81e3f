"""Structural and temporal attention together, and a plain table of nodes to compare them with."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.data.temporal_graphs.form import SnapshotForm
from unlabeled.encoders.temporal_graphs.graph import EdgeWeight, SnapshotGraph, snapshot_graph
from unlabeled.encoders.temporal_graphs.structural import StructuralAttention
from unlabeled.encoders.temporal_graphs.temporal import FeedForward, Scale, TemporalAttention


class SelfAttention(nn.Module):
    """Structural attention inside each snapshot, then causal attention over each node's history (DySAT, section 4).

        h_t = structural(x_t, A_t)  (N_t, F);      e = temporal(h + P)  (N, T, F),  h zero where a node is not seen yet

    A node's input is its one-hot number, so that the first layer's weight is a table of nodes.

    Args:
        nodes: N, rows of that table.
        snapshots: T, rows of the table P of positions.
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
        residual: around every attention but the first structural layer.
        edge_weight: what structural logits are multiplied by.
        self_loops: whether a node attends to itself in structural attention.
        incremental: structural attention sees the last snapshot alone, and h of those before is `past`, a buffer (N,
            T - 1, F) that does not learn (IncSAT).

    Raises:
        ValueError: numbers that do not fit.
    """

    def __init__(
        self,
        nodes: int,
        snapshots: int,
        structural_widths: Sequence[int] = (128,),
        structural_heads: Sequence[int] = (16,),
        temporal_widths: Sequence[int] = (128,),
        temporal_heads: Sequence[int] = (16,),
        structural: bool = True,
        temporal: bool = True,
        structural_dropout: float = 0.1,
        temporal_dropout: float = 0.5,
        positions: bool = True,
        feed_forward: FeedForward = "every",
        scale: Scale = "head_dim",
        attention_window: int = -1,
        mask_unseen: bool = False,
        residual: bool = False,
        edge_weight: EdgeWeight = "gcn",
        self_loops: bool = True,
        incremental: bool = False,
    ) -> None:
        super().__init__()
        _same_length(structural_widths=structural_widths, structural_heads=structural_heads)
        _same_length(temporal_widths=temporal_widths, temporal_heads=temporal_heads)
        if not (0 <= structural_dropout < 1 and 0 <= temporal_dropout < 1):
            raise ValueError("structural_dropout and temporal_dropout take numbers from 0 to below 1")
        if attention_window < 1 and attention_window != -1:
            raise ValueError(
                f"attention_window takes a number of snapshots of at least 1, or -1, got {attention_window}"
            )
        if min(nodes, snapshots) < 1:
            raise ValueError(f"an encoder needs at least 1 node and 1 snapshot, got {nodes} and {snapshots}")
        if incremental and (mask_unseen or not temporal or snapshots < 2):
            raise ValueError("incremental needs two snapshots and temporal attention, and no mask_unseen")
        self.mask_unseen, self.edge_weight, self.self_loops = mask_unseen, edge_weight, self_loops
        self.snapshots = snapshots
        inputs, layers = nodes, []
        for width, heads in zip(structural_widths, structural_heads, strict=True):
            layers.append(StructuralAttention(inputs, width, heads, structural_dropout, residual and inputs != nodes))
            inputs = width
        self.structural = nn.ModuleList(layers if structural else [])
        self.table = None if structural else nn.Parameter(nn.init.xavier_uniform_(torch.empty(nodes, inputs)))
        self.hidden_width = inputs
        self.temporal, self.positions = nn.ModuleList(), None
        if temporal:
            if positions:
                self.positions = nn.Parameter(nn.init.xavier_uniform_(torch.empty(snapshots, inputs)))
            for number, (width, heads) in enumerate(zip(temporal_widths, temporal_heads, strict=True), 1):
                after = feed_forward == "every" or (feed_forward == "last" and number == len(temporal_widths))
                self.temporal.append(
                    TemporalAttention(inputs, width, heads, temporal_dropout, scale, attention_window, after, residual)
                )
                inputs = width
        self.width = inputs
        past = torch.zeros(nodes, snapshots - 1, self.hidden_width) if incremental else None
        self.register_buffer("past", past)
        self.past: Tensor | None

    def graph_of(self, samples: Any) -> SnapshotGraph:
        """The form of data that `forward` takes, of `data.temporal_graphs.Snapshots`."""
        return snapshot_graph(samples if self.past is None else samples.tail(), self.edge_weight, self.self_loops)

    def hidden(self, graph: SnapshotGraph) -> Tensor:
        """h, (R, F): every node in every snapshot since its first."""
        if self.table is not None:
            return self.table[graph.node]
        rows: Tensor | None = None
        for layer in self.structural:
            rows = layer(rows, graph)
        assert rows is not None
        return rows

    def history(self, graph: SnapshotGraph, nodes: Tensor | None = None) -> Tensor:
        """h of nodes (M,), of all where they are not given, in every snapshot, (M, T, F); that of `past` as it is."""
        nodes = torch.arange(graph.nodes, device=graph.since.device) if nodes is None else nodes
        seen = graph.since[nodes, None] <= torch.arange(graph.snapshots, device=nodes.device)  # (M, T)
        row = torch.where(seen, graph.first + nodes[:, None], 0)
        hidden = torch.where(seen[..., None], self.hidden(graph)[row], 0.0)
        return hidden if self.past is None else torch.cat([self.past[nodes], hidden], 1)

    def forward(self, graph: SnapshotGraph, nodes: Tensor | None = None) -> Tensor:
        """Every node in every snapshot, (N, T, F).

        Args:
            graph: of `graph_of`.
            nodes: int64 (M,), the nodes that are wanted; the result is then (M, T, F).
        """
        hidden = self.history(graph, nodes)
        return self.over_time(hidden, graph.since if nodes is None else graph.since[nodes])

    def over_time(self, hidden: Tensor, since: Tensor) -> Tensor:
        """h (M, T, F) of nodes first seen in the snapshots `since` (M,), to e."""
        count = hidden.shape[1]
        seen = torch.arange(count, device=since.device) >= since[:, None] if self.mask_unseen else None
        if self.positions is not None:
            hidden = hidden + self.positions[:count]
        for layer in self.temporal:
            hidden = layer(hidden, seen)
        return hidden

    def weight_norm(self) -> Tensor:
        """The squared norm of structural weights, biases left out: what weight decay weighs."""
        if self.table is not None:
            return self.table.square().sum()
        norms: list[Tensor] = [layer.norm() for layer in self.structural.children()]  # type: ignore[operator]
        return torch.stack(norms).sum()


class NodeTable(nn.Module):
    """One learnt vector a node, the same in every snapshot: DeepWalk, under a walk-context objective.

    Args:
        nodes: N.
        snapshots: T, of the data; the vectors do not depend on it.
        width: F, at least 1.
    """

    def __init__(self, nodes: int, snapshots: int, width: int = 128) -> None:
        super().__init__()
        if min(nodes, snapshots, width) < 1:
            raise ValueError(f"a table needs at least 1 node, snapshot and dimension, got {(nodes, snapshots, width)}")
        self.width, self.past = width, None
        self.table = nn.Parameter(torch.empty(nodes, width).uniform_(-0.5 / width, 0.5 / width))  # as word2vec begins

    def graph_of(self, samples: Any) -> SnapshotGraph:
        """The form of data that `forward` takes."""
        return snapshot_graph(samples, "count", False)

    def forward(self, graph: SnapshotGraph, nodes: Tensor | None = None) -> Tensor:
        """(N, T, F), or (M, T, F) of the nodes that are wanted."""
        table = self.table if nodes is None else self.table[nodes]
        return table[:, None].expand(-1, graph.snapshots, -1)

    def history(self, graph: SnapshotGraph) -> Tensor:
        """(N, T, F)."""
        return self(graph)  # type: ignore[no-any-return]

    def weight_norm(self) -> Tensor:
        """The table's squared norm."""
        return self.table.square().sum()


def temporal_encoder(
    name: str,
    form: SnapshotForm,
    structural_widths: tuple[int, ...] = (128,),
    structural_heads: tuple[int, ...] = (16,),
    temporal_widths: tuple[int, ...] = (128,),
    temporal_heads: tuple[int, ...] = (16,),
    structural: bool = True,
    temporal: bool = True,
    structural_dropout: float = 0.1,
    temporal_dropout: float = 0.5,
    positions: bool = True,
    feed_forward: FeedForward = "every",
    scale: Scale = "head_dim",
    attention_window: int = -1,
    mask_unseen: bool = False,
    residual: bool = False,
    edge_weight: EdgeWeight = "gcn",
    self_loops: bool = True,
    incremental: bool = False,
) -> nn.Module:
    """An encoder of temporal graphs by name.

    Args:
        name: self_attention, or node_table (one vector a node, as wide as the last layer).
        form: how many nodes and snapshots there are.
        structural_widths: of each structural layer.
        structural_heads: of each.
        temporal_widths: of each temporal layer.
        temporal_heads: of each.
        structural: false leaves structural attention out (the ablation "No Structural").
        temporal: false leaves temporal attention out (the ablation "No Temporal").
        structural_dropout: within [0, 1).
        temporal_dropout: within [0, 1); the official code's never acts: 0 gives it.
        positions: whether a learnt position is added to each snapshot.
        feed_forward: after which temporal layers a position-wise layer stands.
        scale: temporal logits are divided by the root of the head's width (paper), or of the snapshots plus 1 (official
            code).
        attention_window: snapshots that temporal attention looks back; -1 for all.
        mask_unseen: keep temporal attention from the time before a node is seen.
        residual: around attention.
        edge_weight: structural logits are multiplied by normalised weights (official code) or by counts (paper).
        self_loops: whether a node attends to itself among its neighbours.
        incremental: learn from the last snapshot alone, on what an earlier run made of those before (IncSAT).

    Raises:
        UserError: no such encoder.
    """
    from unlabeled.errors import UserError

    options = dict(locals())
    for ours in ("name", "form", "UserError"):
        options.pop(ours)
    if name not in ENCODERS:
        raise UserError(f"no encoder of temporal graphs is called {name!r}; there are {', '.join(ENCODERS)}.")
    return ENCODERS[name](form.nodes, form.snapshots, options)


ENCODERS: dict[str, Callable[[int, int, dict[str, Any]], nn.Module]] = {
    "self_attention": lambda nodes, snapshots, options: SelfAttention(nodes, snapshots, **options),
    "node_table": lambda nodes, snapshots, options: NodeTable(
        nodes, snapshots, (options["temporal_widths"] if options["temporal"] else options["structural_widths"])[-1]
    ),
}
"""Name to encoder."""


def _same_length(**pair: Sequence[int]) -> None:
    (one, widths), (other, heads) = pair.items()
    if len(widths) != len(heads) or not len(widths) or min(*widths, *heads) < 1:
        raise ValueError(f"{one} and {other} take a number each a layer, got {tuple(widths)} and {tuple(heads)}")
