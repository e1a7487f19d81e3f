"""Encoders of temporal graphs by name."""

from torch import nn

from unlabeled.data.temporal_graphs.form import SnapshotForm
from unlabeled.encoders.temporal_graphs.encoder import Attention, SelfAttention
from unlabeled.encoders.temporal_graphs.graph import EdgeWeight
from unlabeled.encoders.temporal_graphs.table import NodeTable
from unlabeled.encoders.temporal_graphs.temporal import FeedForward, Scale
from unlabeled.errors import UserError


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
    activity: bool = False,
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
        activity: each node is also told by its links and events in a snapshot, its links so far, and how long ago the
            last was (ours).
        incremental: learn from the last snapshot alone, on what an earlier run made of those before (IncSAT).

    Raises:
        UserError: no such encoder.
    """
    parts = Attention(
        structural_widths=structural_widths,
        structural_heads=structural_heads,
        temporal_widths=temporal_widths,
        temporal_heads=temporal_heads,
        structural=structural,
        temporal=temporal,
        structural_dropout=structural_dropout,
        temporal_dropout=temporal_dropout,
        positions=positions,
        feed_forward=feed_forward,
        scale=scale,
        attention_window=attention_window,
        mask_unseen=mask_unseen,
        residual=residual,
        edge_weight=edge_weight,
        self_loops=self_loops,
        activity=activity,
        incremental=incremental,
    )
    if form.attributes and not (structural and name == "self_attention"):
        raise UserError("attributes of nodes enter structural attention, and there is none; leave --attributes out.")
    if name == "self_attention":
        return SelfAttention(form.nodes, form.snapshots, parts, form.attributes)
    if name == "node_table":
        return NodeTable(form.nodes, form.snapshots, parts.width)
    raise UserError(f"no encoder of temporal graphs is called {name!r}; there are self_attention and node_table.")
