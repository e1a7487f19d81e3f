"""Encoders of graphs that change: a representation of every node in every snapshot."""

from unlabeled.encoders.temporal_graphs.encoder import ENCODERS, NodeTable, SelfAttention, temporal_encoder
from unlabeled.encoders.temporal_graphs.graph import SnapshotGraph, snapshot_graph
from unlabeled.encoders.temporal_graphs.rows import node_rows

__all__ = ["ENCODERS", "NodeTable", "SelfAttention", "SnapshotGraph", "node_rows", "snapshot_graph", "temporal_encoder"]
