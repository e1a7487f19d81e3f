"""What methods look at of a graph that changes: its nodes, the contexts that walks find, and nodes drawn by chance."""

from unlabeled.views.temporal_graphs.negatives import Negatives
from unlabeled.views.temporal_graphs.nodes import Nodes, activity_bars, nodes
from unlabeled.views.temporal_graphs.walks import Contexts, contexts, walks

__all__ = ["Contexts", "Negatives", "Nodes", "activity_bars", "contexts", "nodes", "walks"]
