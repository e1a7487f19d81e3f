"""Views of graphs: nodes dropped, links changed, attributes masked, subgraphs walked."""

from unlabeled.views.graphs.looking import GraphViews, changed, plain

__all__ = ["GraphViews", "changed", "plain"]
