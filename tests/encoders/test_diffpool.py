"""DiffPool: the sparse path against dense sums written out, and all that must hold whatever the weights."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from small_graphs import drawn, matrix, renumbered, several
from unlabeled.data.graphs import Graph, open_graphs, tidy
from unlabeled.data.graphs.batch import joined
from unlabeled.data.graphs.form import form_of
from unlabeled.encoders.graphs import DiffPool, graph_encoder
from unlabeled.encoders.graphs import penalties as losses
from unlabeled.encoders.graphs.links import DenseLinks, SparseLinks
from unlabeled.encoders.graphs.making import cluster_counts
from unlabeled.encoders.graphs.segments import gathered, spread

GRAPHS = several()
FORM = form_of(open_graphs(GRAPHS))


def network(**how: object) -> DiffPool:
    """In float64, batch norm at its averages, penalties kept all the same."""
    torch.manual_seed(0)
    built = graph_encoder("diffpool", FORM, hidden=6, output=5, assign_ratio=0.4, **how).double().eval()
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm1d):  # averages as after some training
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    built.training = True
    return built


def run(built: DiffPool, graphs: list[Graph]) -> tuple[Tensor, Tensor]:
    """Representations and penalty."""
    whole = built(joined(graphs).double())
    return whole, built.penalty()


def assigned(graphs: list[Graph], clusters: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, object, SparseLinks]:
    """An assignment drawn, its logarithm, the batch and its links."""
    batch = joined(graphs).double()
    logits = torch.randn(len(batch.owner), clusters, generator=torch.Generator().manual_seed(seed)).double()
    return logits.softmax(1), logits.log_softmax(1), batch, SparseLinks(batch, logits)


def frobenius(s: Tensor, batch: object, links: SparseLinks, diagonal: str = "as-is") -> Tensor:
    of = batch.segments()
    return losses.frobenius(s, links, gathered(s, links.sum(s), of), gathered(s, s, of), of, diagonal)


def cut_by_hand(name: str, s: Tensor, a: Tensor) -> Tensor:
    """One graph's loss of that name, as its paper has it."""
    degrees, (n, clusters) = a.sum(1), s.shape
    if name == "mincut":
        cut = (s.T @ a @ s).trace() / (s.T @ torch.diag(degrees) @ s).trace() if degrees.sum() else 0.0
        gram, one = s.T @ s, torch.eye(clusters, dtype=s.dtype)
        return (gram / gram.norm() - one / one.norm()).norm() - cut
    uneven = clusters**0.5 / n * s.sum(0).norm() - 1
    total = degrees.sum()
    return uneven - (s.T @ (a - torch.outer(degrees, degrees) / total) @ s).trace() / total if total else uneven


def dense(built: DiffPool, graph: Graph, diagonal: str = "as-is") -> tuple[Tensor, Tensor]:
    """One graph by dense matrices, every loss written out: the second computation."""
    features = built.features(joined([graph]).double())
    a, x, total = torch.from_numpy(matrix(graph)), features[None], torch.zeros((), dtype=torch.float64)
    z = built.embed[0](x, DenseLinks(a[None]))
    read = [z.amax(1)]
    for number, assign in enumerate(built.assign):
        s = torch.softmax(assign.linear(assign.block(x, DenseLinks(a[None]))), -1)[0]  # (n, C)
        n = len(s)
        target, inner = a.clone(), s @ s.T
        weight = torch.ones_like(a)
        if number == 0 and diagonal != "as-is":
            weight.fill_diagonal_(0 if diagonal == "ignore" else 1)
            target.fill_diagonal_(1 if diagonal == "one" else 0)
        how, link = built.losses, torch.zeros((), dtype=torch.float64)
        pairs = n**2 if how.norm == "n2" else 1
        if how.link == "frobenius":
            link = ((target - inner).square() * weight).sum() / pairs
        elif how.link in ("mincut", "dmon"):
            link = cut_by_hand(how.link, s, a)
        elif how.link == "bce":
            for hop in range(1, how.hops):
                inner = inner + torch.linalg.matrix_power(s @ s.T, hop + 1)
            p, t = inner.clamp(max=1), target.clamp(max=1)
            link = -((t * (p + 1e-7).log() + (1 - t) * (1 - p + 1e-7).log()) * weight).sum() / pairs
        total = total + how.link_weight * link - how.entropy_weight * (s * s.log()).sum(1).mean()
        x, a = (s.T @ z[0])[None], s.T @ a @ s
        z = built.embed[number + 1](x, DenseLinks(a[None]))
        read.append(z.amax(1))
    return torch.cat(read, 1), total


@pytest.mark.parametrize("convolution", ["sage", "gin", "gcn"])
@pytest.mark.parametrize("pools", [1, 2, 3])
def test_sparse_and_dense_give_the_same(pools: int, convolution: str) -> None:
    """Invariant j, and trap 11: the losses of every level are in the sum."""
    built = network(pools=pools, convolution=convolution)
    whole, penalty = run(built, GRAPHS)
    expected = [dense(built, graph) for graph in GRAPHS]
    torch.testing.assert_close(whole, torch.cat([each for each, _ in expected]), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(penalty, torch.stack([each for _, each in expected]).mean(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("diagonal", ["as-is", "ignore", "one"])
@pytest.mark.parametrize("link_loss", ["frobenius", "bce", "none"])
def test_every_link_loss_and_its_gradient_are_the_dense_ones(link_loss: str, diagonal: str) -> None:
    """Invariant i."""
    built = network(link_loss=link_loss, link_diagonal=diagonal)
    looped = Graph(4, tidy(np.array([[0, 1, 2], [0, 2, 3]])), np.zeros(4, np.int64), np.ones((4, 2), np.float32))
    graphs = [*GRAPHS, looped]  # a node linked with itself has a 1 on the diagonal
    _, penalty = run(built, graphs)
    expected = torch.stack([dense(built, graph, diagonal)[1] for graph in graphs]).mean()
    torch.testing.assert_close(penalty, expected, rtol=1e-9, atol=1e-12)
    weights = list(built.assign.parameters())
    for found, other in zip(torch.autograd.grad(penalty, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(found, other, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("link_loss", ["frobenius", "bce", "mincut"])
def test_the_losses_weights_and_the_sum_in_place_of_the_mean(link_loss: str) -> None:
    """Trap 2, and the paper's reading of the link loss, which grows with the graph; a cut is a share already."""
    built = network(pools=2, link_loss=link_loss, link_norm="none", link_weight=0.3, entropy_weight=2.0)
    _, penalty = run(built, GRAPHS)
    expected = torch.stack([dense(built, graph)[1] for graph in GRAPHS]).mean()
    torch.testing.assert_close(penalty, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["gathered", "spread", "frobenius", "cross_entropy"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    s, _, batch, _ = assigned(several((3, 5)))
    of = batch.segments()
    calls = {
        "gathered": lambda x: gathered(x, x.cos(), of),
        "spread": lambda x: spread(x, gathered(x, x.sin(), of), of),
        "frobenius": lambda x: frobenius(x, batch, SparseLinks(batch, x), "one"),
        "cross_entropy": lambda x: losses.cross_entropy(x, batch.edges, of, "one"),
    }
    assert torch.autograd.gradcheck(calls[name], (s.clone().requires_grad_(),))


@pytest.mark.parametrize(
    "how", [{"link_loss": "bce", "link_hops": 3}, {"link_loss": "mincut"}, {"link_loss": "dmon"}], ids=str
)
@pytest.mark.parametrize("pools", [1, 2])
def test_ablations_of_the_link_loss_are_the_dense_ones_and_so_are_gradients(how: dict[str, object], pools: int) -> None:
    built = network(pools=pools, **how)
    graphs = [*GRAPHS, Graph(3, tidy(np.zeros((2, 0), np.int64)), np.zeros(3, np.int64), np.ones((3, 2), np.float32))]
    _, penalty = run(built, graphs)
    expected = torch.stack([dense(built, graph)[1] for graph in graphs]).mean()
    torch.testing.assert_close(penalty, expected, rtol=1e-9, atol=1e-12)
    weights = list(built.assign.parameters())
    found = torch.autograd.grad(penalty, weights)
    for one, other in zip(found, torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("how", [{"link_hops": 0, "link_loss": "bce"}, {"link_hops": 2}])
def test_hops_are_of_the_cross_entropy_alone(how: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="link_hops takes at least 1"):
        network(**how)


def test_cuts_are_those_of_pytorch_geometric_on_one_graph() -> None:
    dense_cut = pytest.importorskip("torch_geometric.nn.dense").dense_mincut_pool
    graph = drawn(11)
    s, log_s, batch, links = assigned([graph])
    of, a = batch.segments(), torch.from_numpy(matrix(graph))[None]
    _, _, cut, apart = dense_cut(torch.randn(1, 11, 6).double(), a, log_s[None])
    volume = (links.degree * s.square()).sum()[None]
    found = losses.mincut(gathered(s, links.sum(s), of), gathered(s, s, of), volume)
    torch.testing.assert_close(found[0], cut + apart)


@pytest.mark.parametrize("name", ["mincut", "dmon"])
def test_cuts_prefer_cliques_to_one_cluster_and_have_finite_gradients_there(name: str) -> None:
    pairs = np.array([(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]).T
    batch = joined([Graph(6, tidy(pairs))])
    found = []
    for clusters in ([0, 0, 0, 1, 1, 1], [0] * 6, [0, 1, 0, 1, 0, 1]):
        s = torch.eye(2, dtype=torch.float64)[clusters].requires_grad_()
        links, of = SparseLinks(batch, s), batch.segments()
        volume = (links.degree * s.square()).sum()[None]
        loss = losses.CUTS[name](gathered(s, links.sum(s), of), gathered(s, s, of), volume)[0]
        assert torch.isfinite(torch.autograd.grad(loss, s)[0]).all()
        found.append(loss.item())
    assert found[0] == pytest.approx(-1.0 if name == "mincut" else -0.5) and found[0] < min(found[1:])


def test_the_cross_entropy_is_the_same_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    s, _, batch, _ = assigned(GRAPHS)
    whole = losses.cross_entropy(s, batch.edges, batch.segments(), "ignore")
    monkeypatch.setattr(losses, "BLOCK", 20)
    torch.testing.assert_close(losses.cross_entropy(s, batch.edges, batch.segments(), "ignore"), whole)


def test_it_is_that_of_pytorch_geometric_on_one_graph() -> None:
    """Invariant j: X', A', the unsquared norm and the entropy of its dense_diff_pool."""
    dense_pool = pytest.importorskip("torch_geometric.nn.dense").dense_diff_pool
    graph = drawn(11)
    _, log_s, batch, links = assigned([graph])
    z = torch.randn(11, 6, dtype=torch.float64)
    s, of = log_s.exp(), batch.segments()
    x, a, link, entropy = dense_pool(z[None], torch.from_numpy(matrix(graph))[None], log_s[None], normalize=False)
    torch.testing.assert_close(gathered(s, z, of), x)
    torch.testing.assert_close(gathered(s, links.sum(s), of), a)
    torch.testing.assert_close(frobenius(s, batch, links)[0].sqrt(), link)
    torch.testing.assert_close(losses.entropy(log_s.exp(), log_s).mean(), entropy, rtol=1e-8, atol=1e-8)


# --- what holds whatever the weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"pools": 2}, {"link_loss": "bce"}, {"readout": "max-sum", "convolution": "gin"}])
def test_node_order_changes_nothing_but_node_order(how: dict[str, object]) -> None:
    """Invariant a, and trap 14: no feature ties an assignment to a node's number."""
    built = network(**how)
    orders = [np.random.default_rng(seed).permutation(graph.nodes) for seed, graph in enumerate(GRAPHS)]
    turned = [renumbered(graph, order) for graph, order in zip(GRAPHS, orders, strict=True)]
    ours, theirs = built.hierarchy(joined(GRAPHS).double()), built.hierarchy(joined(turned).double())
    starts = np.concatenate([[0], np.cumsum([graph.nodes for graph in GRAPHS])])
    rows = np.concatenate([order + start for order, start in zip(orders, starts, strict=False)])
    torch.testing.assert_close(theirs.whole, ours.whole)
    torch.testing.assert_close(theirs.assignments[0], ours.assignments[0][rows])
    torch.testing.assert_close(theirs.levels[0].rows, ours.levels[0].rows[rows])
    torch.testing.assert_close(run(built, turned)[1], run(built, GRAPHS)[1])
    for seen, other in zip(coarse_links(built, GRAPHS), coarse_links(built, turned), strict=True):
        torch.testing.assert_close(other, seen)


def coarse_links(built: DiffPool, graphs: list[Graph]) -> list[Tensor]:
    """A' of every pool, (B, C, C), as the blocks above it are given it."""
    seen: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda module, given: seen.append(given[1].weights))
        for block in built.embed[1:]
    ]
    built(joined(graphs).double())
    for hook in hooks:
        hook.remove()
    assert [each.shape[1] for each in seen] == built.clusters
    return seen


def test_a_batch_is_its_graphs_one_by_one() -> None:
    """Invariants b and c, and traps 2, 3 and 5: neither padding nor company changes a graph or its losses."""
    built = network(pools=2)
    whole, penalty = run(built, GRAPHS)
    alone = [run(built, [graph]) for graph in GRAPHS]
    torch.testing.assert_close(whole, torch.cat([each for each, _ in alone]))
    torch.testing.assert_close(penalty, torch.stack([each for _, each in alone]).mean())


def test_batch_norm_in_training_sees_existing_rows_by_feature() -> None:
    """Trap 3: the averages are over features, of nodes that are there, and are learnt and kept."""
    built = network().train()
    batch = joined(GRAPHS).double()
    block = built.embed[0]
    seen: list[Tensor] = []
    block.norms[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    mean = block.norms[0].norm.running_mean.clone()
    built(batch)
    assert seen[0].shape == (sum(graph.nodes for graph in GRAPHS), 6)
    torch.testing.assert_close(block.norms[0].norm.running_mean, 0.9 * mean + 0.1 * seen[0].mean(0))


def test_the_readout_of_negative_features_is_negative() -> None:
    """Trap 4: no row of zeros takes part in a maximum."""
    from unlabeled.encoders.graphs.readouts import READOUTS

    rows = -1 - torch.rand(sum(graph.nodes for graph in GRAPHS), 3)
    found = READOUTS["max"](3, 0)(rows, joined(GRAPHS).segments())
    assert (found <= -1).all()


def test_assignments_sum_to_one_and_links_are_kept() -> None:
    """Invariants d and l."""
    built = network(pools=2)
    batch = joined(GRAPHS).double()
    found = built.hierarchy(batch)
    for assignment in found.assignments:
        torch.testing.assert_close(assignment.sum(-1), torch.ones(assignment.shape[:-1], dtype=torch.float64))
    s, of, links = found.assignments[0], batch.segments(), SparseLinks(batch, found.features)
    coarse = gathered(s, links.sum(s), of)
    torch.testing.assert_close(coarse, coarse.transpose(1, 2))
    counts = torch.tensor([float(graph.edges.shape[1]) for graph in GRAPHS], dtype=torch.float64)
    torch.testing.assert_close(coarse.sum((1, 2)), counts)


def test_a_permutation_renumbers_and_one_cluster_sums() -> None:
    """Invariants e and f."""
    graph = drawn(7)
    batch = joined([graph]).double()
    a, z, of = torch.from_numpy(matrix(graph)), torch.randn(7, 3, dtype=torch.float64), batch.segments()
    links = SparseLinks(batch, z)
    order = torch.randperm(7)
    s = torch.eye(7, dtype=torch.float64)[order]
    torch.testing.assert_close(gathered(s, links.sum(s), of)[0], s.T @ a @ s)
    torch.testing.assert_close(gathered(s, z, of)[0], z[order.argsort()])
    sharp = torch.where(s > 0, 0.0, -1000.0)
    assert losses.entropy(sharp.exp(), sharp).abs().max() == 0
    ones = torch.ones(7, 1, dtype=torch.float64)
    torch.testing.assert_close(gathered(ones, z, of)[0, 0], z.sum(0))
    assert gathered(ones, links.sum(ones), of).item() == graph.edges.shape[1]


def test_even_assignments_and_separate_cliques() -> None:
    """Invariants g and h, and trap 1: with a zero diagonal a perfect sharp assignment is punished, else it is not."""
    log_s = torch.full((9, 5), -math.log(5), dtype=torch.float64)
    torch.testing.assert_close(losses.entropy(log_s.exp(), log_s), torch.full((9,), math.log(5), dtype=torch.float64))
    cliques = [(0, 1, 2), (3, 4), (5, 6, 7, 8)]
    pairs = np.array([(a, b) for clique in cliques for a in clique for b in clique if a < b]).T
    batch = joined([Graph(9, tidy(pairs))])
    s = torch.zeros(9, 3, dtype=torch.float64)
    for number, clique in enumerate(cliques):
        s[list(clique), number] = 1
    links = SparseLinks(batch, s)
    assert frobenius(s, batch, links, "one").item() == frobenius(s, batch, links, "ignore").item() == 0
    assert frobenius(s, batch, links, "as-is").item() == 9


def test_a_perfect_assignment_has_a_finite_gradient_in_every_precision() -> None:
    """Trap 2: the unsquared norm has none at 0. Entropy too, where softmax has rounded to 0 and 1."""
    for kind in (torch.float32, torch.float64):
        logits = (1000 * torch.eye(3, dtype=kind))[[0, 0, 1, 1, 2]].requires_grad_()
        batch = joined([Graph(5, tidy(np.array([[0, 2], [1, 3]])))])
        links, log_s = SparseLinks(batch, logits), logits.log_softmax(1)
        loss = frobenius(log_s.exp(), batch, links, "ignore").sum() + losses.entropy(log_s.exp(), log_s).sum()
        (slope,) = torch.autograd.grad(loss, logits)
        assert loss == 0 and torch.isfinite(slope).all()


def test_normalisation_leaves_a_large_graph_its_say() -> None:
    """Trap 2: the same graph ten times over has the same loss a pair, and a tenfold norm without `n2`."""
    small = drawn(6)
    edges = np.concatenate([small.edges + 6 * k for k in range(10)], axis=1)
    large = Graph(60, edges, np.tile(small.labels, 10), np.tile(small.attributes, (10, 1)))
    s, _, one, links = assigned([small])
    many = joined([large]).double()
    block = torch.block_diag(*[s] * 10)
    found = frobenius(block, many, SparseLinks(many, block))
    torch.testing.assert_close(found, 10 * frobenius(s, one, links))


def test_clusters_follow_the_largest_graph_and_small_graphs_pass() -> None:
    """Trap 8."""
    assert cluster_counts(126, 1, 0.1) == [12] and cluster_counts(126, 2, 0.25) == [31, 7]
    assert cluster_counts(3, 3, 0.25) == [2, 1, 1]
    whole, penalty = run(network(pools=3), [drawn(1), drawn(2)])
    assert torch.isfinite(whole).all() and torch.isfinite(penalty)


def test_coarse_links_are_averaged_however_heavy() -> None:
    """Trap 9: a thousandfold weight changes nothing that an average of neighbours sees."""
    built = network()
    weights = torch.rand(2, 4, 4, dtype=torch.float64)
    weights = weights + weights.transpose(1, 2)
    x = torch.randn(2, 4, built.level_width, dtype=torch.float64)
    torch.testing.assert_close(built.embed[1](x, DenseLinks(1000 * weights)), built.embed[1](x, DenseLinks(weights)))


def test_diagnosis_tells_collapse_from_use() -> None:
    """Trap 10."""
    built, batch = network(), joined(GRAPHS).double()
    with torch.no_grad():
        built.assign[0].linear.weight.zero_()
        built.assign[0].linear.bias.copy_(torch.tensor([1e3] + [0.0] * (built.clusters[0] - 1)))
        fallen = built.diagnosed(batch)
        built.assign[0].linear.bias.zero_()
        even = built.diagnosed(batch)
    torch.testing.assert_close(fallen["effective_clusters_1"], torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(fallen["assignment_entropy_1"], torch.zeros(6, dtype=torch.float64))
    torch.testing.assert_close(even["effective_clusters_1"], torch.full((6,), 5.0, dtype=torch.float64))
    torch.testing.assert_close(even["assignment_entropy_1"], torch.ones(6, dtype=torch.float64))
    built.train()(batch)
    assert built.figures() == pytest.approx({"effective_clusters_1": 5.0, "assignment_entropy_1": 1.0})


def test_half_precision_keeps_sums_over_nodes_exact() -> None:
    """Trap 13: under autocast S^T A S is summed in float32."""
    graph = drawn(300, share=0.05)
    batch = joined([graph])
    s = torch.full((300, 2), 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        links = SparseLinks(batch, s)
        found = gathered(s, links.sum(s), batch.segments())
        assert found.dtype == torch.float32
        built = graph_encoder("diffpool", FORM, hidden=6, output=5).train()
        built(joined(GRAPHS))
        assert torch.isfinite(built.penalty())
    assert found.sum().item() == graph.edges.shape[1]


@pytest.mark.parametrize("link_loss", ["frobenius", "bce"])
def test_half_precision_keeps_losses_and_coarse_pools_exact(link_loss: str) -> None:
    """Trap 13: log(1 - p + 1e-7) is lost in bfloat16, and what the second pool sums would be rounded."""
    built, batch = network(pools=2, link_loss=link_loss).float(), joined(GRAPHS)
    s = (30 * assigned(GRAPHS)[0]).softmax(1).float()  # sharp, as after some training
    sharp, expected = s.clone().requires_grad_(), s.clone().requires_grad_()
    losses.cross_entropy(expected, batch.edges, batch.segments(), "as-is").sum().backward()
    coarse = torch.softmax(torch.randn(6, 4, 3), -1)
    weights, rows = 100 + torch.rand(6, 4, 4), torch.randn(24, 5)
    x, coarser = built._pool_clusters(coarse, torch.zeros(6, 4), rows, DenseLinks(weights))
    with torch.autocast("cpu", torch.bfloat16):
        losses.cross_entropy(sharp, batch.edges, batch.segments(), "as-is").sum().backward()
        halved, rounded = built._pool_clusters(coarse, torch.zeros(6, 4), rows, DenseLinks(weights))
        neighbours = DenseLinks(weights).sum(rows)
    torch.testing.assert_close(sharp.grad, expected.grad, rtol=0, atol=0)
    torch.testing.assert_close(halved, x, rtol=0, atol=0)
    torch.testing.assert_close(rounded, coarser, rtol=0, atol=0)
    torch.testing.assert_close(neighbours, DenseLinks(weights).sum(rows), rtol=0, atol=0)
    one, other = built._penalties[-2:]
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("scale", [5, 15, 40, 1000])
def test_sharp_assignments_have_small_gradients_in_the_logits(scale: float) -> None:
    """The slope in S is 1e7 where nodes without a link share a cluster for certain; softmax leaves a few of it."""
    graph = drawn(20)
    drawn_logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)).double()
    batch, logits = joined([graph]), (scale * drawn_logits).requires_grad_()
    rounded = logits.detach().float().requires_grad_()
    for each in (logits, rounded):
        loss = losses.cross_entropy(each.log_softmax(1).exp(), batch.edges, batch.segments(), "as-is")
        (loss.sum() / graph.nodes).backward()  # a pair's share is at most about 1 from either end
    assert logits.grad.abs().max() < 2 and (rounded.grad - logits.grad).abs().max() < 0.5


@pytest.mark.parametrize("diagonal", ["as-is", "ignore", "one"])
@pytest.mark.parametrize("scale", [1, 10])
def test_the_sparse_link_loss_in_float32_is_the_dense_one_in_float64(scale: int, diagonal: str) -> None:
    """On 2,000 nodes: sums of thousands of numbers, and differences of large ones, lose no more than 1e-6."""
    rng = np.random.default_rng(0)
    graph = Graph(2000, tidy(rng.integers(0, 2000, (2, 6000))))
    batch, a = joined([graph]), torch.from_numpy(matrix(graph))
    s = (scale * torch.from_numpy(rng.standard_normal((2000, 20)))).softmax(1).float()
    weight = 1 - torch.eye(2000, dtype=torch.float64) if diagonal == "ignore" else 1.0
    target = a.clone().fill_diagonal_(1) if diagonal == "one" else a
    expected = ((target - s.double() @ s.double().T).square() * weight).sum()
    found = frobenius(s, batch, SparseLinks(batch, s), diagonal)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0].double(), expected, rtol=1e-6, atol=0)


def test_a_graph_of_thousands_of_nodes_passes_whole_in_little_memory() -> None:
    """Nothing of n x n numbers: 5,748 nodes squared would be 132 MB in float32 alone."""
    rng = np.random.default_rng(0)
    edges = tidy(rng.integers(0, 5748, (2, 14_000)))
    large = Graph(5748, edges, rng.integers(0, 3, 5748), rng.standard_normal((5748, 2)).astype(np.float32))
    form = FORM._replace(nodes=5748)
    built = graph_encoder("diffpool", form, hidden=8, output=8, assign_ratio=0.005).train()
    largest = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: largest.append(each.numel()) or each, lambda each: each):
        loss = built(joined([large, *GRAPHS])).sum() + built.penalty()
    loss.backward()
    assert built.clusters == [28] and torch.isfinite(loss)
    assert max(largest) < 5748 * 200, "something as large as pairs of nodes was kept"
