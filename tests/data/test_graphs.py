"""Sets of graphs: TU folders, objects in memory, the built-in sample; what is bad is told or listed."""

from pathlib import Path
from types import SimpleNamespace

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from small_graphs import drawn, matrix, several, write_tu
from unlabeled.data.graphs import Graph, open_graphs, tidy
from unlabeled.data.graphs.atlas import atlas, sample
from unlabeled.data.graphs.drawing import draw, layout
from unlabeled.data.graphs.form import form_from, form_of
from unlabeled.data.graphs.graph import MASKED
from unlabeled.data.source import describe, recognise, settled
from unlabeled.errors import UserError


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_tidy_links_are_those_of_networkx(nodes: int, pairs: list[tuple[int, int]]) -> None:
    pairs = [(a % nodes, b % nodes) for a, b in pairs]
    graph = networkx.Graph(pairs)
    graph.add_nodes_from(range(nodes))
    found = Graph(nodes, tidy(np.array(pairs, np.int64).reshape(-1, 2).T))
    np.testing.assert_array_equal(matrix(found), networkx.to_numpy_array(graph, nodelist=range(nodes), weight=None))
    keys = found.edges[0] * nodes + found.edges[1]
    assert (np.diff(keys) > 0).all(), "rows are not sorted, or something is there twice"


def test_a_folder_gives_back_the_graphs_with_their_isolated_nodes(tmp_path: Path) -> None:
    """Trap 6: a node without links stays, in its place."""
    graphs = [*several(), Graph(3, np.zeros((2, 0), np.int64), np.array([1, 0, 2]), np.ones((3, 2), np.float32))]
    opened = open_graphs(write_tu(tmp_path / "DS", graphs, [3, 1, 1, 3, 7, 1, 7]))
    assert recognise(tmp_path / "DS") == "graphs" and len(opened) == 7 and opened.classes == ["1", "3", "7"]
    assert opened.labels.tolist() == [1, 0, 0, 1, 2, 0, 2]
    for place, expected in enumerate(graphs):
        found = opened.read(place)
        assert found.nodes == expected.nodes
        np.testing.assert_array_equal(found.edges, expected.edges)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.attributes, expected.attributes)
    assert describe(opened) == "7 graphs in 3 classes"


def test_one_direction_twice_and_any_order_give_the_same_graphs(tmp_path: Path) -> None:
    graphs = several()
    whole = open_graphs(write_tu(tmp_path / "a", graphs))
    folder = write_tu(tmp_path / "b", graphs)
    lines = (folder / "DS_A.txt").read_text().splitlines()
    once = [line for line in lines if int(line.split(",")[0]) < int(line.split(",")[1])]
    (folder / "DS_A.txt").write_text("\n".join(reversed(once + once[:3])) + "\n")
    assert open_graphs(folder).fingerprint() == whole.fingerprint()
    assert open_graphs(write_tu(tmp_path / "c", several((5, 9, 2, 13, 7, 2)))).fingerprint() != whole.fingerprint()


def test_kinds_from_0_are_not_wrapped(tmp_path: Path) -> None:
    """Trap 7: kinds may begin at 0 and leave out numbers."""
    graphs = [
        Graph(3, tidy(np.array([[0], [1]])), np.array([0, 5, 0])),
        Graph(2, tidy(np.array([[0], [1]])), np.array([5, 2])),
    ]
    assert form_of(open_graphs(write_tu(tmp_path / "DS", graphs))).kinds == (0, 2, 5)


def test_folds_that_come_with_the_data(tmp_path: Path) -> None:
    folder = write_tu(tmp_path / "DS", several())
    (folder / "10fold_idx").mkdir()
    for k in range(1, 11):
        (folder / "10fold_idx" / f"train_idx-{k}.txt").write_text("0\n2\n")
        (folder / "10fold_idx" / f"test_idx-{k}.txt").write_text(f"{k}\n")
    folds = open_graphs(folder).folds
    assert len(folds) == 10 and folds[3] == (["0", "2"], ["4"])
    (folder / "10fold_idx" / "test_idx-7.txt").unlink()
    assert open_graphs(folder).folds is None


def test_bad_graphs_are_listed_and_the_others_kept(tmp_path: Path) -> None:
    folder = write_tu(tmp_path / "DS", several((4, 4, 4, 4)), [1, 2, 1, 2])
    with (folder / "DS_A.txt").open("a") as file:
        file.write("5, 9\n")  # graphs 1 and 2
    attributes = (folder / "DS_node_attributes.txt").read_text().splitlines()
    attributes[0] = "nan, 1.0"
    (folder / "DS_node_attributes.txt").write_text("\n".join(attributes))
    opened = open_graphs(folder)
    assert opened.names == ["3"] and opened.labels.tolist() == [1]
    assert [str(each) for each in opened.skipped] == [
        "0: has node attributes that are not finite numbers",
        "1: has a link to a node of another graph in DS_A.txt",
        "2: has a link to a node of another graph in DS_A.txt",
    ]


def test_a_label_more_than_there_are_graphs_is_one_of_a_graph_without_nodes(tmp_path: Path) -> None:
    folder = write_tu(tmp_path / "DS", several((4, 4)), [1, 2])
    with (folder / "DS_graph_labels.txt").open("a") as file:
        file.write("2\n")
    opened = open_graphs(folder)
    assert opened.names == ["0", "1"] and [str(each) for each in opened.skipped] == ["2: has no nodes"]


BAD = {
    "A": ("1, x\n", "something that is no whole number"),
    "A ": ("1, 2\n1, 99\n", r"names the link 1, 99 \(line 2\)"),
    "A  ": ("1\n2\n", "has 1 numbers a line, and should have 2"),
    "graph_indicator": ("1\n1\n", "is there"),
    "graph_indicator ": ("0\n0\n", "numbers graphs below 1"),
    "graph_indicator  ": ("1\n1\n1\n2\n2\n2\n1000000000000\n", "numbers a graph 1000000000000 where there are 7 nodes"),
    "graph_labels": ("1\n", "it needs one a graph"),
    "node_labels": ("1\n2\n", "it needs one a node"),
    "node_attributes": ("1.0, 2.0\n3.0\n", "rows of two lengths"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_told_in_a_sentence(what: str, tmp_path: Path) -> None:
    folder = write_tu(tmp_path / "DS", several((3, 4)), [1, 2])
    text, sentence = BAD[what]
    if what == "graph_indicator  ":
        (folder / "DS_graph_labels.txt").unlink()
    (folder / f"DS_{what.strip()}.txt").write_text(text)
    if what == "graph_indicator":
        sentence = "there are nodes 1 to 2|it needs one a node"
    with pytest.raises(UserError, match=sentence):
        open_graphs(folder)


def test_what_is_absent_is_told(tmp_path: Path) -> None:
    folder = write_tu(tmp_path / "DS", several((3, 4)))
    (folder / "DS_A.txt").unlink()
    with pytest.raises(UserError, match=r"DS_A.txt cannot be read \(no such file or directory\); add it"):
        open_graphs(folder)
    with pytest.raises(UserError, match="holds no DS_graph_indicator"):
        open_graphs(tmp_path)
    with pytest.raises(UserError, match="nothing can be opened"):
        open_graphs(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no graphs"):
        open_graphs(3)


# --- in memory ------------------------------------------------------------------------------------------------------


def test_objects_of_networkx_and_of_pytorch_geometric() -> None:
    graph = networkx.path_graph(4)
    networkx.set_node_attributes(graph, {node: node % 2 for node in graph}, "label")
    data = SimpleNamespace(edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]), num_nodes=4, x=None, y=None)
    first, second = open_graphs([graph, graph]), open_graphs([data, data])
    assert recognise([graph]) == recognise([data]) == "graphs"
    np.testing.assert_array_equal(first.read(0).edges, second.read(1).edges)
    assert first.read(0).labels.tolist() == [0, 1, 0, 1] and second.read(0).labels is None
    np.testing.assert_array_equal(matrix(first.read(0)), networkx.to_numpy_array(graph))


def test_labels_of_objects_and_beside_them() -> None:
    items = [
        SimpleNamespace(edge_index=torch.tensor([[0], [1]]), x=torch.ones(2, 3), y=torch.tensor([k])) for k in (4, 1)
    ]
    opened = open_graphs(items)
    assert opened.classes == ["1", "4"] and opened.labels.tolist() == [1, 0]
    assert opened.read(0).attributes.shape == (2, 3)
    assert open_graphs((items, ["a", "b"])).classes == ["a", "b"]


def test_objects_that_cannot_be_read_are_listed() -> None:
    good = SimpleNamespace(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    bad = SimpleNamespace(edge_index=torch.tensor([[0], [5]]), num_nodes=2)
    opened = open_graphs([good, bad, networkx.Graph(), good])
    assert opened.names == ["0", "3"]
    assert [each.path for each in opened.skipped] == ["1", "2"]
    assert "names node 5 of 2 nodes" in opened.skipped[0].reason and "has no nodes" in opened.skipped[1].reason
    with pytest.raises(UserError, match="none of the 1 objects"):
        open_graphs([bad])


def test_graphs_of_our_own_are_looked_at_like_any_other() -> None:
    links = np.array([[0, 1], [1, 2]])  # in one direction, which a sum over neighbours would take for all
    bad = [
        Graph(3, np.array([[0], [10**9]])),
        Graph(3, np.array([0, 1])),
        Graph(3, links, labels=np.array([1, 2])),
        Graph(3, links, attributes=np.full((3, 1), np.nan, np.float32)),
        Graph(3, links, attributes=np.zeros(3, np.float32)),
    ]
    opened = open_graphs([Graph(3, links), *bad])
    assert opened.names == ["0"] and [each.path for each in opened.skipped] == ["1", "2", "3", "4", "5"]
    assert "names node 1000000000 of 3 nodes" in opened.skipped[0].reason
    assert opened.read(0).edges.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]


# --- the built-in sample --------------------------------------------------------------------------------------------


def test_the_built_in_sample_is_all_connected_graphs_and_their_diameters() -> None:
    whole = atlas()
    graphs = [graph for graph in networkx.graph_atlas_g() if len(graph) > 1 and networkx.is_connected(graph)]
    assert len(whole) == len(graphs) == 995
    expected = [min(max(networkx.diameter(graph) - 2, 0), 2) for graph in graphs]
    assert whole.labels.tolist() == expected
    assert settled("networkx:atlas") == "networkx:atlas" and recognise("networkx:atlas") == "graphs"
    train, test = sample()
    assert len(train) + len(test) == 995 and not set(train.names) & set(test.names)


# --- the form, subsets, pictures ------------------------------------------------------------------------------------


def test_the_form_survives_json_and_knows_means() -> None:
    graphs = several()
    form = form_of(open_graphs(graphs))
    rows = np.concatenate([graph.attributes for graph in graphs])
    np.testing.assert_allclose(form.means, rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(form.deviations, rows.std(0), atol=1e-6)
    assert form.nodes == 13 and form_from([list(each) if isinstance(each, tuple) else each for each in form]) == form


def test_subsets_and_labels_of_another_source(tmp_path: Path) -> None:
    opened = open_graphs((several(), [1, 2, 1, 2, 1, 2]))
    part = opened.subset(np.array([4, 1]))
    assert part.names == ["4", "1"] and part.read(0).nodes == 7 and part.labels.tolist() == [0, 1]
    assert part.relabel(["0", "1", "2"]).labels.tolist() == [1, 2]
    with pytest.raises(UserError, match="has the class '1'"):
        part.relabel(["2"])
    (tmp_path / "labels.csv").write_text("path,label\n0,a\n5,b\n17,c\n")
    given_ = open_graphs(several(), tmp_path / "labels.csv")
    assert given_.labels.tolist() == [0, -1, -1, -1, -1, 1] and [each.path for each in given_.skipped] == ["17"]


@pytest.mark.parametrize(("lacks", "says"), [({"kinds": 0}, "kinds"), ({"attributes": 0}, "attributes")])
def test_what_some_nodes_lack_is_not_taken_from_the_others_without_a_word(lacks: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=f"nodes of graph 1 .*1 of 3 graphs in all.* have no {says}"):
        open_graphs([drawn(4), drawn(4, **lacks), drawn(5)])


def test_labels_of_a_subset_are_of_its_own_graphs(tmp_path: Path) -> None:
    part = open_graphs(several()).subset(np.array([4, 1, 3]))
    (tmp_path / "labels.csv").write_text("path,label\n1,one\n4,four\n3,three\n")
    found = open_graphs(part, tmp_path / "labels.csv")
    assert [found.classes[label] for label in found.labels] == ["four", "one", "three"]
    assert [found.read(k).nodes for k in range(3)] == [part.read(k).nodes for k in range(3)] == [7, 9, 13]
    assert found.subset(np.array([2])).labels.tolist() == [found.classes.index("three")]


def test_the_form_of_a_subset_knows_nothing_of_the_other_graphs() -> None:
    graphs = [Graph(2, np.array([[0, 1], [1, 0]]), np.array([k, 7]), np.full((2, 1), k, np.float32)) for k in range(4)]
    whole = open_graphs(graphs)
    for places in ([0, 1, 2], [3, 1], [2]):
        alone = open_graphs([graphs[place] for place in places])
        assert form_of(whole.subset(np.array(places))) == form_of(alone)


@pytest.mark.parametrize("nodes", [1, 2, 40, 400])
def test_pictures_are_drawn_alike_and_hold_the_graph(nodes: int) -> None:
    graph = drawn(nodes, share=min(0.3, 3 / nodes))
    picture = draw(graph, 48)
    assert picture.shape == (48, 48, 3) and picture.dtype == np.uint8 and picture.min() < 200
    np.testing.assert_array_equal(picture, draw(graph, 48))
    points = layout(graph)
    assert points.min() >= 0 and points.max() <= 1
    if nodes > 1:
        grey = draw(graph, 48, np.full(nodes, MASKED))
        assert (picture != grey).any() and (draw(graph, 48, np.full(nodes, -1)) != grey).any(), "groups have no colour"
