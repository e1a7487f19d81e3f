"""Encoders of graphs that change: a representation of every node in every snapshot."""

from unlabeled.encoders.temporal_graphs.encoder import Attention, SelfAttention
from unlabeled.encoders.temporal_graphs.graph import SnapshotGraph, snapshot_graph
from unlabeled.encoders.temporal_graphs.making import temporal_encoder
from unlabeled.encoders.temporal_graphs.rows import node_rows
from unlabeled.encoders.temporal_graphs.table import NodeTable

__all__ = [
    "Attention", "NodeTable", "SelfAttention", "SnapshotGraph", "node_rows", "snapshot_graph", "temporal_encoder",
]  # fmt: skip
