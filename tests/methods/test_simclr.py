"""SimCLR's options: what each changes, and what it must not."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from battery.methods import gradients, is_the_same_over_processes, one_batch, same_state
from battery.processes import run_in_processes
from battery.small import digits, session
from unlabeled import chance
from unlabeled.distributed import rank, world_size
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError
from unlabeled.methods.simclr import OBJECTIVES, SimCLR
from unlabeled.metrics.contrast import contrast
from unlabeled.modalities import modality
from unlabeled.objectives import margin_triplet, nt_logistic, nt_xent
from unlabeled.training.building import build
from unlabeled.training.probe import LinearProbe
from unlabeled.training.settings import Settings


def method(**arguments: Any) -> SimCLR:
    chance.seed_torch(0, chance.INITIALISATION)
    return SimCLR(image_encoder("small_resnet", 8), **arguments)


# --- the loss -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, lambda a, b: nt_xent(a, b, 0.1)),
        ({"temperature": 0.5, "negatives": "one"}, lambda a, b: nt_xent(a, b, 0.5, True, "one")),
        ({"normalize": False, "temperature": 10.0}, lambda a, b: nt_xent(a, b, 10.0, False)),
        ({"objective": "nt-logistic", "temperature": 0.2}, lambda a, b: nt_logistic(a, b, 0.2)),
        (
            {"objective": "nt-logistic", "semi_hard": True, "negatives": "one"},
            lambda a, b: nt_logistic(a, b, 0.1, True, "one", True),
        ),
        ({"objective": "margin-triplet", "margin": 0.4}, lambda a, b: margin_triplet(a, b, 0.4)),
        (
            {"objective": "margin-triplet", "semi_hard": True, "normalize": False},
            lambda a, b: margin_triplet(a, b, 0.8, False, "both", True),
        ),
        ({"loss_scale": 2.0}, lambda a, b: 2 * nt_xent(a, b, 0.1)),
    ],
    ids=lambda case: " ".join(f"{k}={v}" for k, v in case.items()) if isinstance(case, dict) else "",
)
def test_the_options_are_the_objectives_arguments(arguments: Any, expected: Any, tmp_path: Path) -> None:
    one = session(SimCLR, tmp_path / "run", steps=1, **arguments)
    built, batch = one.loop.method, one_batch(one)
    first, second = built.projector(built.encoder(batch.views)).chunk(2)
    torch.testing.assert_close(built.loss(batch), expected(first, second), rtol=1e-6, atol=1e-7)


def test_every_objective_trains(tmp_path: Path) -> None:
    for name in OBJECTIVES:
        one = session(SimCLR, tmp_path / name, steps=2, objective=name)
        before = one.loop.module.encoder.state_dict()["network.0.weight"].clone()
        one.train()
        assert not torch.equal(before, one.loop.module.encoder.state_dict()["network.0.weight"]), name


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_heads(layers: int, tmp_path: Path) -> None:
    """Without a head the loss sees the representation itself; each layer is a child of the projector."""
    one = session(SimCLR, tmp_path / "run", steps=2, projection_layers=layers, projection_width=7)
    one.train()
    built, rows = one.loop.module, torch.randn(4, one.loop.module.encoder.width)
    assert len(built.projector) == layers
    assert built.projector(rows).shape == ((4, 7) if layers else rows.shape)


# --- figures --------------------------------------------------------------------------------------------------------


def written_out(first: np.ndarray, second: np.ndarray, temperature: float) -> tuple[float, float]:
    """Accuracy and entropy of the N-way choice, one anchor at a time."""
    a, b = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (first, second))
    right, entropies = [], []
    for i in range(len(a)):
        weights = np.exp(b @ a[i] / temperature)
        weights /= weights.sum()
        right.append(weights.argmax() == i)
        entropies.append(-(weights * np.log(weights)).sum())
    return float(np.mean(right)), float(np.mean(entropies))


def test_contrast_is_table_5s() -> None:
    first = np.random.default_rng(0).standard_normal((12, 5))
    second = first + 0.8 * np.random.default_rng(1).standard_normal((12, 5))
    found = contrast(torch.from_numpy(first), torch.from_numpy(second), 0.5)
    accuracy, entropy = written_out(first, second, 0.5)
    assert 0 < accuracy < 1
    assert found["contrastive_accuracy"] == pytest.approx(accuracy)
    assert found["contrastive_entropy"] == pytest.approx(entropy, rel=1e-5)
    same = torch.ones(4096, 3)
    assert contrast(same, same, 0.1)["contrastive_entropy"] == pytest.approx(np.log(4096), rel=1e-4)
    apart = torch.eye(6) * 5
    certain = contrast(apart, apart, 0.01, normalized=False)
    assert certain == {"contrastive_accuracy": 1.0, "contrastive_entropy": pytest.approx(0.0, abs=1e-6)}


def test_contrastive_figures_are_logged(tmp_path: Path) -> None:
    one = session(SimCLR, tmp_path / "run", steps=3, temperature=0.3)
    one.train()
    last = one.run.metrics()[-1]
    first, second = one.loop.method.seen
    assert last["contrastive_accuracy"] == contrast(first, second, 0.3)["contrastive_accuracy"]
    assert 0 < last["contrastive_entropy"] <= np.log(16)
    assert "probe_accuracy" not in last


# --- the linear probe ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["lars", "adamw"])
def test_the_probe_changes_no_bit_of_the_encoder(optimizer: str, tmp_path: Path) -> None:
    without, beside = (
        session(SimCLR, tmp_path / str(probed), steps=4, optimizer=optimizer, linear_probe=probed)
        for probed in (False, True)
    )
    without.train()
    beside.train()
    same_state(without.loop.module.encoder.state_dict(), beside.loop.module.encoder.state_dict())
    same_state(without.loop.module.projector.state_dict(), beside.loop.module.projector.state_dict())
    assert [line["loss"] for line in without.run.metrics()] == [line["loss"] for line in beside.run.metrics()]
    assert beside.loop.module.probe.weight.abs().sum() > 0, "the probe has learnt nothing"


def test_the_probe_is_softmax_regression_on_both_views(tmp_path: Path) -> None:
    """Its gradient at weights of 0 is (1/C - onehot) h, the mean over labelled views; LARS leaves it alone."""
    images, labels = digits()
    labels = labels.copy()
    labels[::3] = -1
    one = session(SimCLR, tmp_path / "run", steps=1, data=(images, labels), linear_probe=True)
    built, batch = one.loop.method, one_batch(one)
    built.loss(batch).backward()
    rows = built.encoder(batch.views).detach().double()  # training mode: the same batch norm
    y = torch.as_tensor(labels)[batch.index].repeat(2)
    known = y >= 0
    wanted = torch.zeros(len(built.probe.weight), rows.shape[1], dtype=torch.float64)
    for row, label in zip(rows[known], y[known], strict=True):
        share = torch.full((len(wanted), 1), 1 / len(wanted), dtype=torch.float64)
        share[label] -= 1
        wanted += share * row / known.sum()
    torch.testing.assert_close(built.probe.weight.grad.double(), wanted, rtol=1e-4, atol=1e-6)
    (group,) = (g for g in one.loop.plan.optimizer.param_groups if any(p is built.probe.weight for p in g["params"]))
    assert not group["adapt"] and group["weight_decay"] == 0


def test_the_probes_accuracy_is_logged_and_shown(tmp_path: Path) -> None:
    one = session(SimCLR, tmp_path / "run", steps=3, linear_probe=True)
    one.train()
    accuracies = [line["probe_accuracy"] for line in one.run.metrics()]
    assert len(accuracies) == 3 and all(32 * each == round(32 * each) for each in accuracies)  # of 2 x 16 views
    assert f"probe {accuracies[-1]:.3f}" in one.loop.watch.note


def test_a_probe_learns_what_is_linear() -> None:
    """Accuracy counts both views of the labelled samples: 0 labels known gives no figure, separable ones give 1."""
    probe = LinearProbe(3, SimpleNamespace(labels=np.array([0, 1, 2, -1]), classes=["a", "b", "c"]))
    rows = torch.cat([torch.eye(3), torch.ones(1, 3)]).repeat(2, 1)
    assert probe.figures() == {}
    probe.loss(rows[[3, 7]], torch.tensor([3]))
    assert probe.figures() == {}
    for _ in range(5):
        (gradient,) = torch.autograd.grad(probe.loss(rows, torch.arange(4)), probe.weight)
        probe.weight.data -= gradient
    probe.loss(rows, torch.arange(4))
    assert probe.figures() == {"probe_accuracy": 1.0}
    wrong = rows.clone()
    wrong[4] = torch.tensor([0.0, 0.0, 1.0])  # the second view of the first sample looks like the third
    probe.loss(wrong, torch.arange(4))
    assert probe.figures()["probe_accuracy"] == pytest.approx(5 / 6)


def test_the_probe_needs_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the linear probe needs labels"):
        session(SimCLR, tmp_path / "run", data=digits()[0], linear_probe=True)


# --- optimiser and schedule ------------------------------------------------------------------------------------------


def test_learning_rates_are_the_papers() -> None:
    """0.3 B / 256, or 0.075 sqrt(B): the same at 4096, where both are 4.8."""
    for batch, linear, root in ((256, 0.3, 1.2), (4096, 4.8, 4.8), (8192, 9.6, 0.075 * 8192**0.5)):
        for scaling, expected in (("linear", linear), ("sqrt", root)):
            plan = method(learning_rate_scaling=scaling).optimizer(batch, 100)
            assert plan.optimizer.param_groups[0]["lr"] == pytest.approx(expected), (batch, scaling)
    plan = method(learning_rate=0.2, learning_rate_scaling="sqrt").optimizer(1024, 100)
    assert plan.optimizer.param_groups[0]["lr"] == pytest.approx(6.4)


def test_warm_up_in_epochs() -> None:
    """round(epochs x N // batch) steps, as in the official code, and never more than there are."""
    built = method(warmup_epochs=2)
    built.samples = 1000
    schedule = built.optimizer(64, 500).schedule
    assert [schedule(step) for step in (0, 30, 31)] == [0.0, pytest.approx(30 / 31), 1.0]
    assert built.optimizer(64, 20).schedule(10) == 0.5


def test_warm_up_counts_the_samples_of_the_data(tmp_path: Path) -> None:
    one = session(SimCLR, tmp_path / "run", steps=12, warmup_epochs=2)
    assert one.loop.plan.schedule(4) == 0.5  # 64 samples, batches of 16: 8 steps


# --- batch norm ------------------------------------------------------------------------------------------------------


def representations(global_bn: bool) -> torch.Tensor:
    """Of this process's share of twelve pictures, after what `pretrain` does to batch norms."""
    samples = modality("images").open(digits(12), None)
    settings = Settings("simclr", encoder="small_resnet", image_size=8, arguments={"global_bn": global_bn})
    built = build(SimCLR, modality("images"), settings, samples, 8)
    assert isinstance(built, nn.Module)
    with torch.no_grad():
        rows: torch.Tensor = built.double().encoder(pictures().chunk(world_size())[rank()])
    return rows


def pictures() -> torch.Tensor:
    """Twelve digits, float64 (12, 3, 8, 8)."""
    return torch.from_numpy(digits(12)[0]).double()[:, None].expand(-1, 3, -1, -1) / 255


def both_scopes() -> dict[bool, torch.Tensor]:
    return {scope: representations(scope) for scope in (True, False)}


def test_batch_norm_is_over_all_processes_or_over_each() -> None:
    shards = run_in_processes(both_scopes, 2)
    whole = representations(True)
    torch.testing.assert_close(torch.cat([shard[True] for shard in shards]), whole, rtol=1e-9, atol=1e-10)
    local = torch.cat([shard[False] for shard in shards])
    assert (local - whole).abs().max() > 1e-3
    with torch.no_grad():
        alone = method().double().encoder(pictures()[:6])
    torch.testing.assert_close(shards[0][False], alone, rtol=1e-6, atol=1e-7)


# --- over processes --------------------------------------------------------------------------------------------------


class WithoutNorm(nn.Module):
    """An encoder without batch norm."""

    width = 6

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh())

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.network(batch).mean((2, 3))
        return rows


WAYS: dict[str, Any] = {
    "as the paper has it": SimCLR,
    "beside a linear probe": partial(SimCLR, linear_probe=True),
    "without any batch norm": lambda encoder: SimCLR(WithoutNorm(), projection_layers=0),
    "by triplets of one view": partial(SimCLR, objective="margin-triplet", negatives="one", semi_hard=True),
}
"""Ways to build it, each with the same value and gradient whatever the number of processes."""


def gradients_of_all() -> dict[str, Any]:
    every = WAYS | {"broken": partial(SimCLR, objective="broken")}
    OBJECTIVES["broken"] = lambda first, second, by: without_gradient_of_keys(first, second)
    return {name: gradients(way, rank(), world_size()) for name, way in every.items()}


def without_gradient_of_keys(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The commonest mistake: keys gathered as numbers, so that no process learns what it does to others' anchors."""
    rows = nn.functional.normalize(torch.cat([first, second]), dim=1)
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    torch.distributed.all_gather(parts, rows.detach())
    own = torch.arange(len(rows)) + rank() * len(rows)
    logits = (rows @ torch.cat(parts).T / 0.1).scatter(1, own[:, None], float("-inf"))
    return nn.functional.cross_entropy(logits, own.roll(len(first)))


@pytest.mark.parametrize("count", [2, 3])
def test_processes_equal_one(count: int) -> None:
    """Loss, parameter gradients and statistics, in float64; and a gather without gradient is seen to differ."""
    shards = run_in_processes(gradients_of_all, count)
    for name, way in WAYS.items():
        is_the_same_over_processes([shard[name] for shard in shards], gradients(way, 0, 1))
    whole = gradients(SimCLR, 0, 1)
    torch.testing.assert_close(
        torch.stack([shard["broken"]["loss"] for shard in shards]).mean(), whole["loss"], rtol=1e-10, atol=1e-10
    )
    with pytest.raises(AssertionError):
        is_the_same_over_processes([shard["broken"] for shard in shards], whole)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"temperature": 0.0}, "temperature takes"),
        ({"temperature": float("nan")}, "temperature takes a number above 0, got nan"),
        ({"loss_scale": 0.0}, "loss_scale takes"),
        ({"learning_rate": -1.0}, "learning_rate takes"),
        ({"projection_width": 0}, "output width 0"),
        ({"warmup": 1.5}, "warmup takes"),
        ({"margin": -0.1}, "takes a number of at least 0"),
        ({"warmup_epochs": -1.0}, "takes a number of at least 0"),
        ({"projection_hidden": 0}, "a head takes"),
        ({"projection_layers": -1}, "a head takes"),
        ({"semi_hard": True}, "semi_hard is for"),
    ],
)
def test_refuses(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        method(**bad)
