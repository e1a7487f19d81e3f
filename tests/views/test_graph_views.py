"""Views of graphs: each operation changes what it says, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_graphs import drawn, matrix, several
from unlabeled.data.graphs import open_graphs
from unlabeled.data.graphs.form import GraphForm, form_of
from unlabeled.data.graphs.graph import MASKED
from unlabeled.views.graphs import changed, plain
from unlabeled.views.graphs.operations import OPERATIONS, change_edges, drop_nodes, mask, subgraph

GRAPHS = st.builds(drawn, st.integers(1, 20), st.integers(0, 99), st.sampled_from([0.0, 0.1, 0.5]))


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(GRAPHS, st.sampled_from(sorted(OPERATIONS)), st.floats(0, 0.9), st.integers(0, 9))
def test_every_view_is_a_whole_graph_and_leaves_its_own_alone(graph, name: str, share: float, seed: int) -> None:
    before = [None if each is None else each.copy() for each in (graph.edges, graph.labels, graph.attributes)]
    view = OPERATIONS[name](graph, chance(seed), share)
    found = matrix(view)  # raises where a link names no node
    assert view.nodes >= 1 and (found == found.T).all() and len(view.labels) == len(view.attributes) == view.nodes
    assert found.sum() == view.edges.shape[1], "a link is there twice"
    for old, new in zip(before, (graph.edges, graph.labels, graph.attributes), strict=True):
        np.testing.assert_array_equal(old, new)


def test_dropping_nodes_keeps_the_induced_graph() -> None:
    graph = drawn(20)
    view = drop_nodes(graph, chance(), 0.25)
    assert view.nodes == 15
    kept = [int(np.flatnonzero((graph.attributes == row).all(1))[0]) for row in view.attributes]
    assert kept == sorted(kept)
    np.testing.assert_array_equal(matrix(view), matrix(graph)[np.ix_(kept, kept)])
    assert drop_nodes(drawn(1), chance(), 0.9).nodes == 1


def test_changing_edges_changes_that_share_and_no_node() -> None:
    graph = drawn(40, share=0.1)
    before, after = matrix(graph), matrix(change_edges(graph, chance(), 0.2))
    links = before.sum() / 2
    lost = ((before == 1) & (after == 0)).sum() / 2
    assert 0.1 * links < lost <= 0.2 * links + 1
    assert after.sum() <= before.sum() and ((before == 0) & (after == 1)).any()
    assert (np.diag(after) == 0).all()


def test_masking_hides_that_share_of_the_nodes() -> None:
    graph = drawn(20)
    view = mask(graph, chance(), 0.3)
    hidden = np.isnan(view.attributes).all(1)
    assert hidden.sum() == 6 and (view.labels[hidden] == MASKED).all()
    assert not {MASKED} & set(form_of(open_graphs([view, graph])).kinds), "a masked node has a kind of its own"
    np.testing.assert_array_equal(view.attributes[~hidden], graph.attributes[~hidden])
    np.testing.assert_array_equal(view.edges, graph.edges)


def test_a_walk_keeps_neighbours_together() -> None:
    """On a long path the nodes of a walk that never has to begin again lie side by side."""
    from unlabeled.data.graphs import Graph, tidy

    path = Graph(60, tidy(np.stack([np.arange(59), np.arange(1, 60)])), np.arange(60))
    spans = []
    for seed in range(8):
        kept = subgraph(path, chance(seed), 0.8).labels
        assert len(kept) == 12
        spans.append(kept.max() - kept.min() + 1)
    assert np.median(spans) < 30, "as far apart as nodes drawn evenly"


def test_presets_draw_operations_evenly_and_by_the_generator_alone() -> None:
    views = changed(GraphForm(nodes=13), ("identity", "mask"), 0.5)
    graph = drawn(10)
    masked = [(views.view(graph, chance(seed)).labels < 0).any() for seed in range(200)]
    assert 70 < sum(masked) < 130
    first, again = (views.view(graph, chance(3)) for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    assert views.count == 2 and plain(GraphForm()).count == 1
    for wrong in ({"operations": ()}, {"share": 1.0}, {"count": 0}):
        with pytest.raises(ValueError, match="views of graphs take"):
            changed(GraphForm(), **wrong)


def test_joined_views_lie_view_by_view() -> None:
    samples = open_graphs(several())
    views = plain(GraphForm())
    read = [views.read(samples, place) for place in range(6)]
    batch = views.join([read, read[::-1]])
    assert len(batch) == 12 and batch.counts.tolist() == [5, 9, 2, 13, 7, 1, 1, 7, 13, 2, 9, 5]
    inside = batch.owner[batch.edges[0]] == batch.owner[batch.edges[1]]
    assert inside.all() and batch.edges.shape[1] == 2 * sum(each.edges.shape[1] for each in read)
    rows = batch.edges[0]
    assert (rows.diff() >= 0).all()
