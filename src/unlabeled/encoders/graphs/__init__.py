"""Networks for sets of graphs: DiffPool and flat ones, on GraphSAGE, GIN or GCN layers."""

from unlabeled.encoders.graphs.diffpool import DiffPool
from unlabeled.encoders.graphs.flat import FlatEncoder
from unlabeled.encoders.graphs.hierarchy import Hierarchy, Level
from unlabeled.encoders.graphs.making import NAMES, graph_encoder

__all__ = ["NAMES", "DiffPool", "FlatEncoder", "Hierarchy", "Level", "graph_encoder"]
