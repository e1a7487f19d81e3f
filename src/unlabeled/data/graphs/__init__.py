"""Sets of graphs: whatever a user has → `Graphs`."""

from unlabeled.data.graphs.atlas import sample
from unlabeled.data.graphs.collection import Graphs
from unlabeled.data.graphs.graph import Graph, tidy
from unlabeled.data.graphs.opening import holds_graphs, open_graphs

__all__ = ["Graph", "Graphs", "holds_graphs", "open_graphs", "sample", "tidy"]
