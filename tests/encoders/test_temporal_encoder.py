"""Structural and temporal attention against dense NumPy, and what must hold of both."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from unlabeled.data.temporal_graphs import Snapshots, southern_women
from unlabeled.encoders.temporal_graphs import Attention, NodeTable, SelfAttention, node_rows, snapshot_graph
from unlabeled.encoders.temporal_graphs.encoder import FEW
from unlabeled.encoders.temporal_graphs.graph import activity
from unlabeled.encoders.temporal_graphs.link_attention import Links, link_attention
from unlabeled.encoders.temporal_graphs.link_attention import softmax as link_softmax
from unlabeled.encoders.temporal_graphs.structural import StructuralAttention
from unlabeled.encoders.temporal_graphs.temporal import TemporalAttention


def small(**options: Any) -> SelfAttention:
    """An encoder for the built-in sample, float64, in evaluation."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "structural_widths": (12, 8), "structural_heads": (4, 2), "temporal_widths": (8,), "temporal_heads": (4,),
    }  # fmt: skip
    module = SelfAttention(18, 14, Attention(**(settings | options))).double().eval()
    for name, parameter in module.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(parameter)  # zero at first, so that a lost bias would not be seen
    return module


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def softmax(x: np.ndarray) -> np.ndarray:
    risen = np.exp(x - x.max(-1, keepdims=True))
    return risen / risen.sum(-1, keepdims=True)


def dense_adjacency(snapshots: Snapshots, t: int, self_loops: bool = True) -> np.ndarray:
    """A of one snapshot, one link at a time."""
    out = np.eye(snapshots.nodes[t]) if self_loops else np.zeros((snapshots.nodes[t],) * 2)
    for a, b, w in zip(*snapshots.links(t), strict=True):
        if a != b:
            out[a, b] += w
            out[b, a] += w
    return out


def dense_layer(layer: StructuralAttention, x: np.ndarray, adjacency: np.ndarray, gcn: bool) -> np.ndarray:
    """Equation 1 on a dense matrix, head by head."""
    weight = adjacency
    if gcn:
        root = np.sqrt(adjacency.sum(1))
        weight = adjacency / root[:, None] / root[None, :]
    out = []
    for head in range(layer.heads):
        w = np.split(array(layer.weight), layer.heads, 1)[head]
        value = x @ w
        query = value @ array(layer.to_query)[head] + array(layer.query_bias)[head]
        key = value @ array(layer.to_key)[head] + array(layer.key_bias)[head]
        logits = weight * (query[:, None] + key[None, :])
        logits = np.where(logits > 0, logits, 0.2 * logits)
        out.append(softmax(np.where(adjacency > 0, logits, -1e300)) @ value)
    return elu(np.concatenate(out, 1))


def dense(module: SelfAttention, snapshots: Snapshots, gcn: bool = True) -> np.ndarray:
    """The whole encoder: snapshot by snapshot, then node by node."""
    hidden = np.zeros((len(snapshots), snapshots.count, 8))
    for t in range(snapshots.count):
        x = np.eye(18)[: snapshots.nodes[t]]
        for layer in module.structural:
            x = dense_layer(layer, x, dense_adjacency(snapshots, t), gcn)  # type: ignore[arg-type]
        hidden[: len(x), t] = x
    out = hidden if module.positions is None else hidden + array(module.positions)
    for number, layer in enumerate(module.temporal, 1):
        follows = module.parts.feed_forward == "every" or (
            module.parts.feed_forward == "last" and number == len(module.temporal)
        )
        out = np.stack([dense_temporal(layer, row, follows) for row in out])
    return out


def dense_temporal(layer: Any, x: np.ndarray, feed_forward: bool = True) -> np.ndarray:
    """Equation 2 for one node, query by query."""
    query, key, value = (x @ array(each.weight).T for each in (layer.query, layer.key, layer.value))
    width = value.shape[1] // layer.heads
    mixed = np.zeros_like(value)
    for head in range(layer.heads):
        part = slice(head * width, (head + 1) * width)
        for i in range(len(x)):
            share = softmax(key[: i + 1, part] @ query[i, part] / np.sqrt(width))
            mixed[i, part] = share @ value[: i + 1, part]
    if not feed_forward:
        return mixed
    return np.maximum(mixed @ array(layer.feed_forward.weight).T + array(layer.feed_forward.bias), 0) + mixed


@pytest.mark.parametrize("weight", ["gcn", "count"])
def test_the_sparse_pass_is_the_dense_equation(weight: Any) -> None:
    module, snapshots = small(edge_weight=weight), southern_women()
    found = array(module(module.graph_of(snapshots)))
    expected = dense(module, snapshots, weight == "gcn")
    np.testing.assert_allclose(found, expected, atol=1e-6)  # link weights are kept in float32


@pytest.mark.parametrize("feed_forward", ["every", "last", "none"])
@pytest.mark.parametrize("positions", [True, False])
def test_layers_over_time_one_after_another(feed_forward: Any, positions: bool) -> None:
    """The position-wise layer after every one, or the last alone (the paper), with positions and without."""
    two: dict[str, Any] = {"temporal_widths": (8, 12), "temporal_heads": (4, 3)}
    module, snapshots = small(feed_forward=feed_forward, positions=positions, **two), southern_women()
    found = array(module(module.graph_of(snapshots)))
    np.testing.assert_allclose(found, dense(module, snapshots), atol=1e-6)


def gat_by_hand(layer: StructuralAttention, rows: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Graph attention (Velickovic et al. 2018) without bias, a node and a head at a time, before its ELU."""
    value = (rows @ layer.weight).view(len(rows), layer.heads, -1)
    out = torch.empty_like(value)
    for node in range(len(rows)):
        near = value[key[query == node]]
        for head in range(layer.heads):
            logits = value[node, head] @ layer.to_query[head] + near[:, head] @ layer.to_key[head]
            out[node, head] = leaky_relu(logits, 0.2).softmax(0) @ near[:, head]
    return out.flatten(1)


def gat_of_pytorch_geometric(layer: StructuralAttention, rows: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """The same by its `GATConv`, whose links run from the node that is attended to."""
    network = pytest.importorskip("torch_geometric.nn")
    conv = network.GATConv(
        layer.weight.shape[0], layer.to_key.shape[1], layer.heads,
        negative_slope=0.2, add_self_loops=False, bias=False,
    ).double()  # fmt: skip
    with torch.no_grad():
        conv.lin.weight.copy_(layer.weight.T)
        conv.att_src.copy_(layer.to_key[None])
        conv.att_dst.copy_(layer.to_query[None])
    found: Tensor = conv(rows, torch.stack([key, query]))
    return found


@pytest.mark.parametrize("reference", [gat_by_hand, gat_of_pytorch_geometric])
def test_with_weights_of_one_a_layer_is_graph_attention(reference: Any) -> None:
    """Invariant e: self-loops, no biases."""
    snapshots = replace(southern_women(), weight=np.ones(322))
    graph = snapshot_graph(snapshots, "count")
    assert (graph.weight == 1).all()
    torch.manual_seed(0)
    layer, rows = StructuralAttention(5, 12, 3, 0.0).double(), torch.randn(len(graph.node), 5).double()
    expected = torch.nn.functional.elu(reference(layer, rows, graph.query, graph.key))
    torch.testing.assert_close(layer(rows, graph.all), expected, rtol=0, atol=1e-6)


def test_attributes_take_the_place_of_numbers() -> None:
    """Each row divided by its sum; one-hot attributes are the numbers themselves."""
    snapshots, rng = southern_women(), np.random.default_rng(0)
    attributes = rng.random((18, 5)).astype(np.float32)
    attributes[3] = 0
    torch.manual_seed(0)
    parts = Attention((12,), (4,), (8,), (4,), structural_dropout=0.0)
    module = SelfAttention(18, 14, parts, 5).double().eval()
    found = array(module.hidden(module.graph_of(replace(snapshots, attributes=attributes))))
    shares = attributes / np.maximum(attributes.sum(1, keepdims=True), 1e-30)
    expected = [
        dense_layer(module.structural[0], shares[:many], dense_adjacency(snapshots, t), True)  # type: ignore[arg-type]
        for t, many in enumerate(snapshots.nodes)
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)
    numbered, hot = small(), small()
    same = hot(hot.graph_of(replace(snapshots, attributes=np.eye(18, dtype=np.float32))))
    torch.testing.assert_close(same, numbered(numbered.graph_of(snapshots)))


def test_residuals_go_around_every_attention() -> None:
    module, snapshots = small(residual=True), southern_women()
    graph = module.graph_of(snapshots)
    rows = torch.eye(18, dtype=torch.float64)[graph.node]
    for layer in module.structural:
        skip, layer.skip = layer.skip, None
        before_elu = torch.where((plain := layer(rows, graph.all)) > 0, plain, plain.clamp(min=-1 + 1e-12).log1p())
        rows = torch.nn.functional.elu(before_elu + rows @ skip.weight.T)
        layer.skip = skip
    torch.testing.assert_close(module.hidden(graph), rows)
    hidden = module.history(graph) + module.positions
    last = module.temporal[0]
    last.residual = False
    expected = last(hidden) + hidden
    last.residual = True
    torch.testing.assert_close(module(graph), expected)


@pytest.mark.parametrize("lively", [False, True])
def test_what_is_later_changes_nothing_before(lively: bool) -> None:
    module, whole = small(activity=lively), southern_women()
    weight = whole.weight.copy()
    weight[whole.offsets[9] :] *= 7
    changed = replace(whole, weight=weight)
    one, other = module(module.graph_of(whole)), module(module.graph_of(changed))
    assert torch.equal(one[:, :9], other[:, :9]) and not torch.equal(one[:, 9:], other[:, 9:])


@pytest.mark.parametrize("options", [{}, {"activity": True}, {"temporal_widths": (8, 8), "temporal_heads": (4, 2)}])
def test_later_links_and_later_nodes_change_nothing_before(options: dict[str, Any]) -> None:
    module, whole = small(**options), southern_women()
    every = module(module.graph_of(whole))
    fewer = []
    for count in (1, 3, 9):
        part = whole.prefix(count)
        fewer.append(len(part))
        torch.testing.assert_close(module(module.graph_of(part)), every[: len(part), :count])
    assert fewer[0] < fewer[1] < len(whole)


@pytest.mark.parametrize(
    "options",
    [{}, {"temporal_widths": (8, 8), "temporal_heads": (4, 2)}, {"temporal": False}, {"attention_window": 2},
     {"residual": True, "mask_unseen": True}, {"activity": True}],
)  # fmt: skip
def test_the_last_snapshots_alone_are_the_last_of_all(options: dict[str, Any]) -> None:
    module = small(**options)
    graph = module.graph_of(southern_women())
    for last in (1, 3, 20):
        torch.testing.assert_close(module(graph, last=last), module(graph)[:, -last:])


def test_renumbered_nodes_have_the_same_embeddings() -> None:
    module, whole = small(), southern_women()
    late = replace(whole, nodes=np.full_like(whole.nodes, 18))  # all seen from the start, so that any order is one
    order = np.random.default_rng(0).permutation(18)  # old node -> new
    source, target = order[whole.source], order[whole.target]
    turned = replace(late, source=np.minimum(source, target), target=np.maximum(source, target))
    before = module(module.graph_of(late))
    with torch.no_grad():
        module.structural[0].weight[order] = module.structural[0].weight.clone()
    torch.testing.assert_close(module(module.graph_of(turned))[order], before)


def test_one_snapshot_attends_to_itself_alone() -> None:
    layer = TemporalAttention(6, 8, 4, 0.0).double()
    rows = torch.randn(5, 1, 6, dtype=torch.float64)
    value = layer.value(rows)
    assert layer.feed_forward is not None
    torch.testing.assert_close(layer(rows), torch.relu(layer.feed_forward(value)) + value)


def test_without_attention_vectors_a_layer_is_the_mean_of_neighbours() -> None:
    snapshots = southern_women()
    module = small(structural_widths=(8,), structural_heads=(2,), temporal=False)
    layer: Any = module.structural[0]
    with torch.no_grad():
        for vector in (layer.to_query, layer.to_key, layer.query_bias, layer.key_bias):
            vector.zero_()
    found = array(module(module.graph_of(snapshots)))
    links = dense_adjacency(snapshots, 5) > 0
    mean = links / links.sum(1, keepdims=True) @ array(layer.weight)[: len(links)]
    np.testing.assert_allclose(found[: len(links), 5], elu(mean), atol=1e-12)


def test_scaled_counts_are_scaled_attention_vectors() -> None:
    """The leaky rectifier is positively homogeneous; a weight after the softmax would fail here."""
    snapshots = southern_women()
    triple = replace(snapshots, weight=3 * snapshots.weight)
    module = small(edge_weight="count", self_loops=False, structural_widths=(8,), structural_heads=(2,))
    expected = module(module.graph_of(triple))
    layer: Any = module.structural[0]
    with torch.no_grad():
        for vector in (layer.to_query, layer.to_key, layer.query_bias, layer.key_bias):
            vector.mul_(3)
    torch.testing.assert_close(module(module.graph_of(snapshots)), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("window", [1, 3])
def test_a_window_is_the_input_cut_off(window: int) -> None:
    layer = TemporalAttention(8, 8, 2, 0.0, window=window).double()
    rows = torch.randn(4, 6, 8, dtype=torch.float64)
    whole = TemporalAttention(8, 8, 2, 0.0).double()
    whole.load_state_dict(layer.state_dict())
    for last in range(6):
        begin = max(0, last - window + 1)
        torch.testing.assert_close(layer(rows)[:, last], whole(rows[:, begin : last + 1])[:, -1])


def test_unseen_snapshots_are_attended_to_unless_masked() -> None:
    snapshots = southern_women()
    plain, masked = small(), small(mask_unseen=True)
    late = int(np.argmax(snapshots.nodes[0] <= np.arange(18)))  # a node that is not there in the first snapshot
    graph = plain.graph_of(snapshots)
    since = int(graph.since[late])
    one, other = plain(graph), masked(graph)
    assert torch.equal(one[0], other[0]) and not torch.allclose(one[late, since:], other[late, since:])
    assert torch.isfinite(other).all()
    assert masked.positions is not None
    alone = masked.temporal[0]((masked.history(graph) + masked.positions)[late : late + 1, since:])
    torch.testing.assert_close(other[late, since:], alone[0])
    bare = TemporalAttention(8, 8, 2, 0.0, feed_forward=False).double()
    seen = torch.arange(4) >= 2
    out = bare(torch.randn(1, 4, 8, dtype=torch.float64), seen[None])
    assert (out[0, :2] == 0).all() and (out[0, 2:] != 0).all()


def test_the_code_scales_by_the_snapshots() -> None:
    module = TemporalAttention(8, 8, 2, 0.0, scale="snapshots").double()
    paper = TemporalAttention(8, 8, 2, 0.0).double()
    paper.load_state_dict(module.state_dict())
    rows = torch.randn(3, 5, 8, dtype=torch.float64)
    assert not torch.allclose(module(rows), paper(rows))
    with torch.no_grad():
        paper.query.weight.mul_((4 / 6) ** 0.5)  # 8 / 2 wide heads, 5 + 1 snapshots
    torch.testing.assert_close(module(rows), paper(rows))


def test_temporal_dropout_acts() -> None:
    module = small(structural_dropout=0.0, temporal_dropout=0.5)
    graph = module.graph_of(southern_women())
    assert torch.equal(module(graph), module(graph))
    module.train()
    assert not torch.equal(module(graph), module(graph))
    still = small(structural_dropout=0.0, temporal_dropout=0.0).train()
    assert torch.equal(still(graph), still(graph))


def test_structural_dropout_is_drawn_for_each_snapshot() -> None:
    module = small(structural_dropout=0.5, temporal=False, structural_widths=(8,), structural_heads=(2,)).train()
    once = replace(southern_women(), weight=np.ones(322))
    graph = module.graph_of(once)
    lone = (graph.snapshot == 9) | (graph.snapshot == 10)  # two gatherings of three: most women have but their loop
    out = module.hidden(graph)[lone].view(2, 18, 8)
    assert not torch.equal(out[0], out[1])


def test_activity_is_what_has_happened_so_far() -> None:
    """Counted one link at a time; the linear map of it is added to what structure gives."""
    whole = southern_women()
    own = replace(whole, target=np.where(np.arange(len(whole.source)) % 7 == 3, whole.source, whole.target))
    expected = []
    for t in range(own.count):
        for node in range(int(own.nodes[t])):
            links, events, total, last = 0, 0.0, 0, None
            for snapshot in range(t + 1):
                for link in range(own.offsets[snapshot], own.offsets[snapshot + 1]):
                    ends = int(own.source[link]), int(own.target[link])
                    if node in ends and ends[0] != ends[1]:
                        total, last = total + 1, snapshot
                        links += snapshot == t
                        events += float(own.weight[link]) * (snapshot == t)
            recent = 0.0 if last is None else 1 / (1 + t - last)
            expected.append([np.log1p(links), np.log1p(events), np.log1p(total), recent])
    np.testing.assert_allclose(activity(own), expected, rtol=1e-6)
    module, plain = small(activity=True), small()
    plain.load_state_dict({name: each for name, each in module.state_dict().items() if "activity" not in name})
    graph, linear = module.graph_of(own), module.activity
    assert linear is not None and graph.activity is not None and plain.graph_of(own).activity is None
    added = module.hidden(graph) - plain.hidden(plain.graph_of(own))
    torch.testing.assert_close(added, linear(graph.activity.double()))


def test_ablations() -> None:
    snapshots = southern_women()
    no_structure = small(structural=False)
    changed = replace(snapshots, weight=snapshots.weight[::-1].copy())
    graphs = [no_structure.graph_of(each) for each in (snapshots, changed)]
    assert torch.equal(no_structure(graphs[0]), no_structure(graphs[1]))  # links are seen by the objective alone
    no_time = small(temporal=False)
    graph = no_time.graph_of(snapshots)
    torch.testing.assert_close(no_time(graph)[graph.node, graph.snapshot], no_time.hidden(graph))
    assert not [name for name, _ in no_time.named_parameters() if "temporal" in name or "positions" in name]


def test_the_last_snapshot_with_stored_history_is_the_whole() -> None:
    """IncSAT with the history that DySAT itself has."""
    module, snapshots = small(), southern_women()
    graph = module.graph_of(snapshots)
    later = small(incremental=True)
    later.load_state_dict({**module.state_dict(), "past": module.history(graph)[:, :-1]})
    last = later(later.graph_of(snapshots))
    torch.testing.assert_close(last, module(graph))
    table = node_rows(later.float(), snapshots)
    assert set(table.columns["snapshot"]) == {13} and len(table.embeddings) == 18


def test_a_table_is_the_same_in_every_snapshot() -> None:
    table, snapshots = NodeTable(18, 14, 5), southern_women()
    out = table(table.graph_of(snapshots))
    assert out.shape == (18, 14, 5) and (out == table.table[:, None]).all()


def test_rows_of_all_nodes_and_snapshots() -> None:
    module, snapshots = small(), southern_women()
    table = node_rows(module, snapshots)
    out = array(module(module.graph_of(snapshots)))
    assert len(table.embeddings) == snapshots.nodes.sum()
    for row in (0, 5, 40, len(table.embeddings) - 1):
        node = snapshots.names.index(table.columns["node"][row])
        np.testing.assert_allclose(table.embeddings[row], out[node, table.columns["snapshot"][row]], rtol=1e-6)
    np.testing.assert_allclose(table.embeddings[table.current], out[:, -1], rtol=1e-6)
    assert table.columns["start"][0] == "1936-02-23T00:00:00Z"


@pytest.mark.parametrize("widths", [(8,), (12, 8)])
@pytest.mark.parametrize("attributes", [False, True])
def test_few_nodes_are_what_they_are_among_all_and_so_are_gradients(widths: tuple[int, ...], attributes: bool) -> None:
    """Though only their neighbours, and the neighbours of these, are looked at."""
    snapshots = southern_women()
    if attributes:
        values = np.random.default_rng(0).normal(size=(len(snapshots), 5))
        snapshots = replace(snapshots, attributes=values)
    parts = Attention(
        widths, (2,) * len(widths), (8,), (2,), structural_dropout=0.0, temporal_dropout=0.0, activity=attributes
    )
    torch.manual_seed(0)
    module = SelfAttention(len(snapshots), snapshots.count, parts, 5 if attributes else 0).double()
    graph, nodes = module.graph_of(snapshots), torch.tensor([16, 3, 11])
    assert len(nodes) < FEW * graph.nodes
    gradients = []
    for found in (module(graph, nodes), module(graph)[nodes]):
        module.zero_grad()
        (found * torch.arange(found.numel()).view(found.shape)).sum().backward()
        gradients.append([each.grad.clone() for each in module.parameters() if each.grad is not None])
    torch.testing.assert_close(module(graph, nodes), module(graph)[nodes])
    torch.testing.assert_close(gradients[0], gradients[1])


QUERY, KEY = torch.tensor([0, 0, 1, 3, 3, 3]), torch.tensor([1, 2, 0, 0, 1, 1])


def plain_attention(value: Tensor, query_logit: Tensor, key_logit: Tensor, weight: Tensor, kept: Tensor) -> Tensor:
    """`link_attention` row by row."""
    out = []
    for row in range(len(query_logit)):
        here = QUERY == row
        logits = leaky_relu(weight[here, None] * (query_logit[row] + key_logit[KEY[here]]), 0.2)
        share = logits.softmax(0) * kept[:, here].T
        out.append((share[..., None] * value[KEY[here]]).sum(0))
    return torch.stack(out)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("library", [True, False])
def test_link_attention_is_the_plain_one_and_its_gradient_that_of_finite_differences(
    dropped: bool, library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: library)
    draws = torch.Generator().manual_seed(0)
    shapes = (3, 2, 4), (4, 2), (3, 2)
    inputs = [torch.randn(shape, generator=draws, dtype=torch.float64).requires_grad_() for shape in shapes]
    weight = torch.rand(6, generator=draws, dtype=torch.float64) + 0.1
    kept = torch.rand(2, 6, generator=draws, dtype=torch.float64) if dropped else torch.ones(2, 6, dtype=torch.float64)
    links = Links.of(QUERY, KEY, 4, 3)

    def attend(*inputs: Tensor) -> Tensor:
        return link_attention(*inputs, weight, links, kept if dropped else None)

    expected = plain_attention(*inputs, weight, kept)
    torch.testing.assert_close(attend(*inputs), expected)
    assert (expected[2] == 0).all(), "a row without links"
    assert torch.autograd.gradcheck(attend, inputs)


def test_link_attention_where_rows_have_logits_far_from_each_other() -> None:
    """Each row takes its own largest from its logits: exponentials of some would be 0 otherwise."""
    inputs = torch.randn(3, 1, 2), torch.tensor([[0.0], [500.0], [0.0], [-3000.0]]), torch.randn(3, 1)
    links = Links.of(QUERY, KEY, 4, 3)
    found = link_attention(*inputs, torch.ones(6), links)
    torch.testing.assert_close(found, plain_attention(*inputs, torch.ones(6), torch.ones(1, 6)), rtol=1e-4, atol=1e-5)


def test_half_precision_is_close() -> None:
    module = small(mask_unseen=True).float()
    graph = module.graph_of(southern_women())
    expected = module(graph)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(graph)
    assert torch.isfinite(found).all()
    assert (found.float() - expected).abs().max() < 0.05 * expected.abs().max()
    found.float().sum().backward()


def test_link_softmax_with_large_logits() -> None:
    logits = torch.tensor([1e4, 1e4 + 1, -1e4, 3.0], dtype=torch.float64)
    risen, size = link_softmax(logits, Links.of(torch.tensor([0, 0, 1, 2]), torch.zeros(4, dtype=torch.int64), 4, 1))
    share = risen * size[[0, 0, 1, 2]]
    torch.testing.assert_close(share, torch.tensor([1 / (1 + np.e), np.e / (1 + np.e), 1, 1]).double())


def test_weight_decay_leaves_biases_and_time_out() -> None:
    module = small()
    expected = sum(
        array(part).__pow__(2).sum()
        for layer in module.structural
        for part in (layer.weight, layer.to_query, layer.to_key)
    )
    assert module.weight_norm().item() == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"structural_heads": (4,)}, "a number each a layer"),
        ({"structural_widths": (10, 8)}, "multiples of the heads"),
        ({"temporal_heads": (3,)}, "multiples of the heads"),
        ({"temporal_dropout": 1.0}, "below 1"),
        ({"attention_window": 0}, "attention_window"),
        ({"temporal_widths": (4,), "residual": True}, "as wide as"),
        ({"incremental": True, "activity": True}, "neither mask_unseen nor activity"),
    ],
)
def test_numbers_that_do_not_fit_are_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        small(**options)


def test_weights_of_links_by_degree() -> None:
    snapshots = southern_women()
    graph = snapshot_graph(snapshots)
    rows = (graph.snapshot[graph.query] == 3).numpy()
    first = int(snapshots.nodes[:3].sum())
    found = np.zeros((snapshots.nodes[3],) * 2)
    found[graph.query[rows] - first, graph.key[rows] - first] = graph.weight[rows]
    a = dense_adjacency(snapshots, 3)
    np.testing.assert_allclose(found, a / np.sqrt(np.outer(a.sum(1), a.sum(1))), rtol=1e-6)
