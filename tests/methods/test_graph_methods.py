"""Reconstruction and InfoGraph on small graphs: what their sums are of, and which weights they reach."""

import pytest
import torch

from small_graphs import several
from unlabeled.data.graphs import open_graphs
from unlabeled.data.graphs.batch import joined
from unlabeled.data.graphs.form import form_of
from unlabeled.encoders.graphs import graph_encoder
from unlabeled.methods.diffpool import DiffPoolReconstruction
from unlabeled.methods.infograph import InfoGraph
from unlabeled.objectives import local_global, reconstruction
from unlabeled.training.method import Batch

GRAPHS = several()
FORM = form_of(open_graphs(GRAPHS))
BATCH = Batch(joined(GRAPHS).double(), torch.arange(6))


def encoder(name: str = "diffpool", **how: object) -> torch.nn.Module:
    torch.manual_seed(0)
    ratio = {"assign_ratio": 0.4} if name == "diffpool" else {}
    return graph_encoder(name, FORM, hidden=6, output=5, **ratio, **how)


@pytest.mark.parametrize("pools", [1, 2])
def test_nodes_are_predicted_from_their_clusters(pools: int) -> None:
    method = DiffPoolReconstruction(encoder(pools=pools)).double().eval()
    found = method.encoder(BATCH.views, levels=True)
    rows = []
    for place, graph in enumerate(GRAPHS):
        start = int(BATCH.views.starts[place])
        shares = found.assignments[0][start : start + graph.nodes]
        for deeper in found.assignments[1:]:
            shares = shares @ deeper[place]
        clusters = found.levels[-1].rows.view(6, -1, method.encoder.level_width)[place]
        rows.append(shares @ clusters)
    torch.testing.assert_close(found.unpooled(), torch.cat(rows))
    expected = reconstruction(method.predictor(torch.cat(rows)), found.features, 3)
    torch.testing.assert_close(method.loss(BATCH), expected)


def test_a_flat_network_predicts_nodes_from_their_graph() -> None:
    found = encoder("flat").double().eval()(BATCH.views, levels=True)
    torch.testing.assert_close(found.unpooled(), found.whole[BATCH.views.owner])


def test_the_feature_term_trains_what_the_penalty_alone_never_reaches() -> None:
    """With one pool the link loss and the entropy do not depend on the network that embeds."""
    method = DiffPoolReconstruction(encoder()).double().train()
    loss = method.loss(BATCH)
    embed = [weight for weight in method.encoder.embed.parameters() if weight.requires_grad]
    reached = torch.autograd.grad(method.encoder.penalty(), embed, allow_unused=True, retain_graph=True)
    assert all(slope is None or not slope.any() for slope in reached)
    loss.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in embed if weight.ndim == 2)
    assert all(weight.grad is not None for weight in method.encoder.assign.parameters())


def test_infograph_sums_over_the_levels() -> None:
    method = InfoGraph(encoder(pools=2), projection_width=7).double().eval()
    found = method.encoder(BATCH.views, levels=True)
    assert [len(level.rows) for level in found.levels] == [37, 6 * 5, 6 * 2]
    wholes = method.whole(found.whole)
    parts = [local_global(method.parts(level.rows), wholes, level.of.owner) for level in found.levels]
    torch.testing.assert_close(method.loss(BATCH), parts[0] + parts[1] + parts[2])
    method.train()
    method.loss(BATCH).backward()
    assert all(weight.grad is not None for weight in method.parameters())


@pytest.mark.parametrize("method", [DiffPoolReconstruction, InfoGraph])
def test_numbers_outside_their_range_are_refused(method: type) -> None:
    width = "hidden" if method is DiffPoolReconstruction else "projection_width"
    for name, wrong in {"warmup": 1.5, "learning_rate": -1.0, "clip": 0.0, "weight_decay": -0.1, width: 0}.items():
        with pytest.raises(ValueError, match=f"{name} takes"):
            method(encoder(), **{name: wrong})


@pytest.mark.parametrize("method", [DiffPoolReconstruction, InfoGraph])
def test_the_rate_does_not_follow_the_batch_and_the_gradient_is_bounded(method: type) -> None:
    plan = method(encoder()).optimizer(20, 100)
    assert plan.clip == 2.0 and {group["lr"] for group in plan.optimizer.param_groups} == {1e-3}
    assert plan.schedule(0) == 1 and plan.schedule(99) < 0.01
