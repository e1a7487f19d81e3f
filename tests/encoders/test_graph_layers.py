"""Layers, readouts, features and the deterministic clustering, each against a second computation."""

from dataclasses import replace

import networkx
import numpy as np
import pytest
import torch
from torch import nn

from small_graphs import drawn, matrix, renumbered, several
from unlabeled.data.graphs import Graph, open_graphs, tidy
from unlabeled.data.graphs.batch import joined
from unlabeled.data.graphs.form import GraphForm, form_of
from unlabeled.data.graphs.graph import MASKED
from unlabeled.encoders.graphs import clustering, graph_encoder
from unlabeled.encoders.graphs.clustering import clusters_of
from unlabeled.encoders.graphs.diffpool import DiffPool
from unlabeled.encoders.graphs.features import NodeFeatures, clustering_coefficients
from unlabeled.encoders.graphs.layers import CONVOLUTIONS, Block, Layers, unit_rows
from unlabeled.encoders.graphs.links import DenseLinks, SparseLinks
from unlabeled.encoders.graphs.picturing import pictured
from unlabeled.encoders.graphs.readouts import READOUTS, segment_max
from unlabeled.errors import UserError
from unlabeled.views.graphs.operations import mask

GRAPHS = several()
FORM = form_of(open_graphs(GRAPHS))


def sums_of(name: str, layer: nn.Module, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The layer's equation in NumPy."""
    w = {key: value.detach().numpy() for key, value in layer.named_parameters()}
    degree = a.sum(1, keepdims=True)
    if name == "sage":
        near = a @ x / np.maximum(degree, 1)
        own, neighbours = w["linear.weight"].T[: x.shape[1]], w["linear.weight"].T[x.shape[1] :]
        return x @ own + near @ neighbours + w["linear.bias"]
    if name == "s2v":
        return x @ w["of_first.weight"].T + w["of_first.bias"] + a @ x @ w["of_near.weight"].T
    if name == "gcn":
        loops = a + np.eye(len(a))
        scale = np.diag(loops.sum(1) ** -0.5)
        return scale @ loops @ scale @ x @ w["linear.weight"].T + w["linear.bias"]
    hidden = ((1 + w["epsilon"]) * x + a @ x) @ w["first.weight"].T + w["first.bias"]
    hidden = hidden / np.sqrt(1 + 1e-5)  # batch norm at its first averages
    return np.maximum(hidden, 0) @ w["second.weight"].T + w["second.bias"]


@pytest.mark.parametrize("output", [3, 6])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_layer_is_its_equation_sparse_and_dense(name: str, output: int) -> None:
    torch.manual_seed(0)
    layer = CONVOLUTIONS[name](4, output, 4, Layers()).double().eval()
    if name == "gin":
        nn.init.constant_(layer.epsilon, 0.3)
    batch = joined(GRAPHS)
    x = torch.randn(len(batch.owner), 4, dtype=torch.float64)
    found = layer(x, SparseLinks(batch, x), x).detach()
    for place, graph in enumerate(GRAPHS):
        rows = slice(int(batch.starts[place]), int(batch.starts[place + 1]))
        expected = sums_of(name, layer, matrix(graph), x[rows].numpy())
        np.testing.assert_allclose(found[rows].numpy(), expected, atol=1e-12)
        dense = layer(x[rows][None], DenseLinks(torch.from_numpy(matrix(graph))[None]), x[rows][None]).detach()[0]
        np.testing.assert_allclose(dense.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_clusters_of_many_graphs_do_not_mix(name: str) -> None:
    torch.manual_seed(0)
    layer = CONVOLUTIONS[name](4, 3, 4, Layers()).double().eval()
    weights, x = torch.rand(3, 5, 5, dtype=torch.float64), torch.randn(15, 4, dtype=torch.float64)
    weights = weights + weights.transpose(1, 2)
    found = layer(x, DenseLinks(weights), x)
    alone = [layer(part, DenseLinks(one[None]), part) for part, one in zip(x.chunk(3), weights, strict=True)]
    torch.testing.assert_close(found, torch.cat(alone))


def test_the_official_layer_sums_neighbours_alone() -> None:
    layer = CONVOLUTIONS["sage"](4, 3, 4, Layers(aggregation="sum", own=False)).double()
    graph = drawn(8)
    x = torch.randn(8, 4, dtype=torch.float64)
    found = layer(x, SparseLinks(joined([graph]), x), x)
    expected = torch.from_numpy(matrix(graph)) @ x @ layer.linear.weight.T + layer.linear.bias
    torch.testing.assert_close(found, expected)


def test_the_sparse_sum_has_the_gradient_of_finite_differences() -> None:
    batch = joined(several((3, 5)))
    x = torch.randn(8, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: SparseLinks(batch, rows).sum(rows).sin(), (x,))


def test_a_block_stacks_layers_of_unit_length_side_by_side() -> None:
    torch.manual_seed(0)
    how = Layers(hidden=5, output=3)
    block = Block(4, how).double().eval()
    batch = joined(GRAPHS)
    x = torch.randn(len(batch.owner), 4, dtype=torch.float64)
    links = SparseLinks(batch, x)
    found = block(x, links)
    assert block.width == found.shape[1] == 13
    for number, layer in enumerate(block.layers):
        x = nn.functional.normalize(layer(x, links, x), dim=1)
        if number < 2:
            x = block.norms[number](x.relu())
        torch.testing.assert_close(found[:, 5 * number : 5 * number + x.shape[1]], x)
    last = Block(4, replace(how, concat=False)).double().eval()
    last.load_state_dict(block.state_dict())
    assert last.width == 3
    torch.testing.assert_close(
        last(torch.ones_like(found[:, :4]), links), block(torch.ones_like(found[:, :4]), links)[:, 10:]
    )
    assert not any(isinstance(each, nn.BatchNorm1d) for each in Block(4, replace(how, batch_norm=False)).modules())


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_without_batch_norm_there_is_none_in_any_layer(name: str) -> None:
    block = Block(4, Layers(name, batch_norm=False))
    assert not any(isinstance(each, nn.BatchNorm1d) for each in block.modules())


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_without_biases_a_layer_is_linear(name: str) -> None:
    """GIN but for its batch norm, which is of no bias of a layer."""
    block = Block(4, Layers(name, hidden=5, output=3, bias=False))
    assert not [key for key, _ in block.named_parameters() if "bias" in key and "norm" not in key]
    batch = joined(GRAPHS)
    none = torch.zeros(len(batch.owner), 4)
    if name != "gin":
        torch.testing.assert_close(block.layers[0](none, SparseLinks(batch, none), none), torch.zeros(len(none), 5))


def test_dropout_is_of_every_layers_input_in_training_alone() -> None:
    torch.manual_seed(0)
    how = Layers(hidden=5, output=3, unit=False, batch_norm=False, own=True, dropout=0.5)
    block, batch = Block(4, how), joined(GRAPHS)
    x = torch.ones(len(batch.owner), 4)
    links, seen = SparseLinks(batch, x), []
    for layer in block.layers:
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    plain = block.eval()(x, links)
    torch.testing.assert_close(plain, Block.forward(block, x, links))
    seen.clear()
    block.train()(x, links)
    assert set(seen[0].unique().tolist()) == {0.0, 2.0}  # kept ones weigh twice
    assert all((each == 0).float().mean() > 0.2 for each in seen)


def test_residual_layers_add_to_what_is_as_wide() -> None:
    torch.manual_seed(0)
    batch = joined(GRAPHS)
    x = torch.randn(len(batch.owner), 4, dtype=torch.float64)
    links = SparseLinks(batch, x)
    block = Block(4, Layers(hidden=5, output=5, residual=True)).double().eval()
    first, second, third = block(x, links).chunk(3, 1)
    plain = [
        nn.functional.normalize(layer(each, links, x), dim=1)
        for layer, each in zip(block.layers, (x, first, second), strict=True)
    ]
    torch.testing.assert_close(first, block.norms[0](plain[0].relu()))
    torch.testing.assert_close(second, first + block.norms[1](plain[1].relu()))
    torch.testing.assert_close(third, second + plain[2])


def test_every_layer_of_structure2vec_sees_what_the_block_was_given() -> None:
    torch.manual_seed(0)
    graph = drawn(8)
    block = Block(4, Layers("s2v", 2, 5, 3, unit=False, batch_norm=False)).double()
    x, a = torch.randn(8, 4, dtype=torch.float64), torch.from_numpy(matrix(graph))
    one, two = block.layers
    hidden = (one.of_first(x) + a @ x @ one.of_near.weight.T).relu()
    expected = two.of_first(x) + a @ hidden @ two.of_near.weight.T
    torch.testing.assert_close(block(x, SparseLinks(joined([graph]), x))[:, 5:], expected)


def test_lengths_and_maxima_have_the_gradient_of_torchs_own() -> None:
    """Ties share the gradient, and a row of zeros has none to share."""
    batch = joined(GRAPHS)
    rows = torch.randn(len(batch.owner), 3, dtype=torch.float64).round().requires_grad_()
    weight = torch.randn(len(batch), 3, dtype=torch.float64)
    found = segment_max(rows, batch.owner, len(batch))
    empty = torch.full_like(found, float("-inf"))
    other = empty.scatter_reduce(0, batch.owner[:, None].expand_as(rows), rows, "amax", include_self=False)
    torch.testing.assert_close(found, other)
    slopes = [torch.autograd.grad((each * weight).sum(), rows)[0] for each in (found, other)]
    torch.testing.assert_close(*slopes)
    lengths = torch.randn(5, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(unit_rows, (lengths,))
    torch.testing.assert_close(unit_rows(torch.zeros(2, 3)), torch.zeros(2, 3))


# --- readouts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max", "mean", "sum", "max-sum", "max-mean-sum"])
def test_readouts_are_those_of_numpy(name: str) -> None:
    batch = joined(GRAPHS)
    rows = torch.randn(len(batch.owner), 3)
    found = READOUTS[name](3, 0)(rows, batch.segments()).numpy()
    for place, part in enumerate(np.split(rows.numpy(), batch.starts[1:-1].numpy())):
        each = {"max": [part.max(0)], "mean": [part.mean(0)], "sum": [part.sum(0)]}
        each["max-sum"] = each["max"] + each["sum"]
        each["max-mean-sum"] = each["max"] + each["mean"] + each["sum"]
        np.testing.assert_allclose(found[place], np.concatenate(each[name]), rtol=1e-5, atol=1e-6)


def test_set2set_is_written_out() -> None:
    torch.manual_seed(0)
    batch, readout = joined(GRAPHS), READOUTS["set2set"](3, 0)
    rows = torch.randn(len(batch.owner), 3)
    found = readout(rows, batch.segments())
    for place, part in enumerate(rows.split(batch.counts.tolist())):
        state, both = (torch.zeros(1, 3), torch.zeros(1, 3)), torch.zeros(1, 6)
        for _ in range(4):
            state = readout.cell(both, state)
            weights = torch.softmax(part @ state[0][0], 0)
            both = torch.cat([state[0], (weights @ part)[None]], 1)
        torch.testing.assert_close(found[place], both[0])


def test_sortpool_takes_the_first_nodes_by_their_last_feature() -> None:
    torch.manual_seed(0)
    graphs = several((15, 4, 30))
    batch, readout = joined(graphs), READOUTS["sortpool"](3, 12)
    rows = torch.randn(len(batch.owner), 3)
    found = readout(rows, batch.segments())
    for place, part in enumerate(rows.split(batch.counts.tolist())):
        chosen = part[part[:, 2].argsort(descending=True)][:12]
        chosen = torch.cat([chosen, torch.zeros(12 - len(chosen), 3)])
        channels = nn.functional.max_pool1d(readout.first(chosen).relu().T[None], 2)
        torch.testing.assert_close(found[place], readout.second(channels).relu().flatten())
    assert readout.width == found.shape[1]


@pytest.mark.parametrize("readout", READOUTS)
def test_flat_networks_do_not_see_node_numbers(readout: str) -> None:
    torch.manual_seed(0)
    built = graph_encoder("flat", FORM, readout=readout, hidden=6, output=5).double().eval()
    turned = [renumbered(graph, np.random.default_rng(1).permutation(graph.nodes)) for graph in GRAPHS]
    torch.testing.assert_close(built(joined(turned).double()), built(joined(GRAPHS).double()))


# --- what a network is told of nodes --------------------------------------------------------------------------------


def test_features_are_kinds_and_standardised_attributes() -> None:
    features, batch = NodeFeatures(FORM), joined(GRAPHS)
    found = features(batch).numpy()
    labels = np.concatenate([graph.labels for graph in GRAPHS])
    rows = np.concatenate([graph.attributes for graph in GRAPHS])
    np.testing.assert_array_equal(found[:, :3], np.eye(3)[labels])
    np.testing.assert_allclose(found[:, 3:], (rows - rows.mean(0)) / rows.std(0), atol=1e-5)
    assert features.width == 5 and features.categories == 3


def test_masked_and_unknown_nodes_say_nothing() -> None:
    graph = Graph(
        3, tidy(np.array([[0], [1]])), np.array([MASKED, 77, 1]), np.array([[np.nan, 0], [0, 0], [0, 0]], np.float32)
    )
    found = NodeFeatures(GraphForm((1, 5), (0.0, 0.0), (1.0, 1.0), 3))(joined([graph]))
    assert found[:2, :2].abs().sum() == 0 and found[2].tolist() == [1, 0, 0, 0] and torch.isfinite(found).all()


def test_any_whole_number_is_a_kind_and_a_masked_node_has_none() -> None:
    """Data may well have the kind -1."""
    kinds = np.array([-1, 4, -(2**40), -1, 0])
    graph = Graph(5, tidy(np.array([[0, 1], [1, 2]])), kinds)
    features = NodeFeatures(form_of(open_graphs([graph])), "labels")
    found = features(joined([graph])).numpy()
    np.testing.assert_array_equal(found, kinds[:, None] == [-(2**40), -1, 0, 4])
    view = mask(graph, np.random.default_rng(0), 0.4)
    hidden = np.flatnonzero(view.labels != kinds)
    expected = found.copy()
    expected[hidden] = 0
    assert len(hidden) == 2
    np.testing.assert_array_equal(features(joined([view])).numpy(), expected)


def test_other_features_and_what_nodes_lack() -> None:
    graph = drawn(20, share=0.4)
    batch, bare = joined([graph]), GraphForm(nodes=20)
    known = networkx.from_numpy_array(matrix(graph))
    expected = [networkx.clustering(known)[node] for node in range(20)]
    np.testing.assert_allclose(clustering_coefficients(batch).numpy(), expected)
    struct = NodeFeatures(FORM, "struct")(batch)
    assert struct.shape == (20, 15) and struct[:, :11].sum(1).eq(1).all()
    degree = NodeFeatures(bare)(batch)
    np.testing.assert_array_equal(degree.argmax(1).numpy(), graph.degrees())
    assert NodeFeatures(GraphForm(kinds=(0,), nodes=20)).width == degree.shape[1], "one kind for all tells nothing"
    assert NodeFeatures(bare, "constant")(batch).eq(1).all()
    number = NodeFeatures(bare, "degree-number")
    assert number.width == 1 and number(batch)[:, 0].tolist() == graph.degrees().tolist()
    assert NodeFeatures(FORM, "labels").width == 3 and NodeFeatures(FORM, "attributes").width == 2
    for features in ("labels", "attributes", "all"):
        with pytest.raises(ValueError, match="carry no"):
            NodeFeatures(bare, features)


def test_identity_is_the_place_in_a_graph() -> None:
    features = NodeFeatures(GraphForm(nodes=4), "identity")
    found = features(joined([drawn(3), drawn(2), drawn(6)]))
    places = [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert features.width == 4 and torch.equal(found[:9], torch.eye(4)[places])
    assert found[9:].eq(0).all(), "no graph of the set is as large"


# --- the deterministic clustering -----------------------------------------------------------------------------------


def test_cliques_joined_by_a_link_are_found() -> None:
    pairs = [(a + 4 * k, b + 4 * k) for k in range(4) for a in range(4) for b in range(a)]
    pairs += [(3, 4), (7, 8), (11, 12)]
    batch = joined([Graph(16, tidy(np.array(pairs).T)), drawn(3)])
    first, second = clusters_of(batch, [4, 2])
    groups = [set(np.flatnonzero(first[:16].numpy() == label).tolist()) for label in range(4)]
    assert sorted(map(sorted, groups)) == [list(range(4 * k, 4 * k + 4)) for k in range(4)]
    assert second.shape == (2, 4) and second.max() < 2


@pytest.mark.parametrize("asked", [[1], [2], [5, 2], [50, 3, 1]])
def test_clusters_are_within_bounds_and_nested(asked: list[int]) -> None:
    batch = joined([*GRAPHS, drawn(40, share=0.02), Graph(9, np.zeros((2, 0), np.int64))])
    bare = joined([Graph(graph.nodes, graph.edges) for graph in [*GRAPHS, drawn(40, share=0.02)]])
    for each in (bare, joined([Graph(9, np.zeros((2, 0), np.int64))])):
        found = clusters_of(each, asked)
        assert found[0].min() >= 0 and all(level.max() < count for level, count in zip(found, asked, strict=True))
        for place in range(len(each)):
            own = found[0][each.owner == place]
            assert len(own.unique()) == min(asked[0], len(own)), "more is merged than was asked for"
    assert batch.labels is None


def association(a: np.ndarray, label: np.ndarray) -> float:
    """The number of clusters less the normalised cut, from its definition."""
    found = 0.0
    for each in np.unique(label):
        inside = label == each
        volume = a[inside].sum()
        found += a[np.ix_(inside, inside)].sum() / volume if volume else 0.0
    return found


def test_no_single_node_could_move_to_a_smaller_normalised_cut() -> None:
    bettered = 0
    for seed in range(12):
        graph = drawn(16, seed, share=0.2)
        batch, a = joined([graph]), matrix(graph)
        label = clusters_of(batch, [4])[0].numpy()
        own, edges = np.zeros(16, np.int64), graph.edges
        merged = clustering._merged(own, edges, np.ones(edges.shape[1]), np.ones(16), 1, 4)
        assert association(a, label) >= association(a, merged) - 1e-12
        bettered += association(a, label) > association(a, merged) + 1e-9
        for node in range(16):
            for other in set(label.tolist()) - {label[node]}:
                moved = label.copy()
                moved[node] = other
                if (label == label[node]).sum() > 1 and a[node, label == other].any():
                    assert association(a, moved) <= association(a, label) + 1e-8
    assert bettered >= 6, "merging alone would have done"


def test_refinement_of_weighted_clusters_and_of_many_graphs_at_once() -> None:
    graphs = [drawn(20, seed, share=0.25) for seed in range(5)]
    both = clusters_of(joined(graphs), [6, 2])
    alone = [clusters_of(joined([graph]), [6, 2]) for graph in graphs]
    torch.testing.assert_close(both[0], torch.cat([each[0] for each in alone]))
    torch.testing.assert_close(both[1], torch.cat([each[1] for each in alone]))
    for graph, (first, second) in zip(graphs, alone, strict=True):
        s = np.eye(6)[first.numpy()]
        coarse, label = s.T @ matrix(graph) @ s, second[0].numpy()
        for node in range(6):
            moved = label.copy()
            moved[node] = 1 - label[node]
            if (label == label[node]).sum() > 1 and coarse[node, label == moved[node]].any():
                assert association(coarse, moved) <= association(coarse, label) + 1e-8


def test_clusters_that_do_not_exist_take_no_place_in_the_next_pool() -> None:
    for nodes in (2, 5, 8):
        graph = Graph(nodes, tidy(np.stack([np.arange(nodes - 1), np.arange(1, nodes)])))
        _, exact = clusters_of(joined([graph]), [nodes, 3])
        first, second = clusters_of(joined([graph, graph]), [12, 3])
        for one in (0, 1):
            of_nodes = second[one][first[one * nodes : (one + 1) * nodes]]
            assert of_nodes.tolist() == exact[0].tolist() and len(of_nodes.unique()) == min(nodes, 3)


@pytest.mark.parametrize("convolution", ["sage", "gin", "gcn", "s2v"])
def test_det_knows_no_cluster_that_does_not_exist(convolution: str) -> None:
    """Trap 4 for clusters: what a graph is told by must not depend on how many more clusters others have."""
    graph = drawn(5, 1, 0.6, attributes=0)
    wholes, nodes = [], []
    for clusters in ([5, 3], [12, 3]):
        torch.manual_seed(0)
        layers = Layers(convolution, hidden=6, output=6)
        built = DiffPool(NodeFeatures(FORM, "degree"), layers, clusters, assign=False, readout="max-mean-sum")
        built.double().train()
        for parameter in built.parameters():
            torch.nn.init.normal_(parameter)  # biases too, which say something of rows of zeros
        found = built.hierarchy(joined([graph, graph]))
        assert [len(level.rows) for level in found.levels] == [10, 10, 6]
        assert built.figures()["effective_clusters_1"] == pytest.approx(5)
        wholes.append(found.whole)
        nodes.append(found.unpooled())
    torch.testing.assert_close(wholes[0], wholes[1])
    torch.testing.assert_close(nodes[0], nodes[1])


def test_det_pools_by_them_and_learns_no_assignment() -> None:
    built = graph_encoder("diffpool", FORM, assign=False, pools=2, assign_ratio=0.4, hidden=6, output=5).train()
    batch = joined(GRAPHS)
    found = built.hierarchy(batch)
    assert built.assign is None and set(found.assignments[0].unique().tolist()) == {0.0, 1.0}
    first = clusters_of(batch, built.clusters)[0]
    torch.testing.assert_close(found.assignments[0].argmax(1), first)
    (found.whole.sum() + built.penalty()).backward()
    assert all(parameter.grad is not None for parameter in built.parameters())


# --- making ---------------------------------------------------------------------------------------------------------


def test_what_cannot_be_made_is_told() -> None:
    with pytest.raises(UserError, match="there are diffpool and flat"):
        graph_encoder("resnet18", FORM)
    for wrong in ({"pools": 4}, {"assign_ratio": 0.0}, {"layers": 0}, {"dropout": 1.0}, {"link_weight": -1.0}):
        with pytest.raises(ValueError, match=r"takes|at least"):
            graph_encoder("diffpool", FORM, **wrong)
    with pytest.raises(ValueError, match="set2set is of flat"):
        graph_encoder("diffpool", FORM, readout="set2set")


def test_pictures_of_clusters_show_each_pool() -> None:
    built = graph_encoder("diffpool", FORM, pools=2, assign_ratio=0.4).eval()
    pictures = pictured(built, drawn(12), 40)
    assert len(pictures) == 4 and all(each.shape == (40, 40, 3) for each in pictures)
    assert pictured(graph_encoder("flat", FORM).eval(), drawn(12), 40) == []
