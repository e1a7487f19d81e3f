"""SeLa: the equation, the labels, what re-labelling does and what it leaves alone."""

import contextlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from battery.methods import Killed, same_state
from battery.processes import run_in_processes
from battery.small import digits, session
from training.test_passes import Damaged
from training.test_relabelling import sinkhorn
from unlabeled import chance
from unlabeled.distributed import average_gradients, rank, total, world_size
from unlabeled.encoders.images import image_encoder
from unlabeled.methods.sela import SeLa, default_clusters
from unlabeled.modalities import modality
from unlabeled.run import Run
from unlabeled.training.batch_norm import over_processes
from unlabeled.training.labeller import Labeller
from unlabeled.training.loader import Steps
from unlabeled.training.method import Batch
from unlabeled.training.passes import Passes
from unlabeled.training.pretraining import Session
from unlabeled.views import images

STILL = {"relabel_mode": "eval", "relabel_views": "plain"}


def prepared(count: int = 64, **arguments: Any) -> SeLa:
    """The method on digits, outside any loop."""
    chance.seed_torch(0, chance.INITIALISATION)
    method = SeLa(image_encoder("small_resnet", 8), **arguments)
    method.prepare(modality("images").open(digits(count), None))
    return method


def first_batch(one: Session) -> Batch:
    return Steps(one.samples, one.views, 0, one.settings.batch_size)[0].batch


# --- the equation ---------------------------------------------------------------------------------------------------


def test_the_loss_is_the_written_out_mean_over_heads_and_samples(tmp_path: Path) -> None:
    one = session(SeLa, tmp_path / "run", clusters=6, heads=3)
    method, batch = one.loop.method, first_batch(one)
    with torch.no_grad():
        loss = float(method.loss(batch))
        features = method.encoder(batch.views).double().numpy()
    weight, bias = (p.detach().double().numpy() for p in method.classifiers.parameters())
    losses = []
    for head in range(3):
        for x, place in zip(features, batch.index.tolist(), strict=True):
            logits = weight[6 * head : 6 * head + 6] @ x + bias[6 * head : 6 * head + 6]
            label = int(method.labels[head, place])
            losses.append(-logits[label] + math.log(np.exp(logits).sum()))
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert loss == pytest.approx(math.log(6), rel=0.15), "at first the heads know nothing"


def test_several_views_have_the_label_of_their_sample() -> None:
    method = prepared(clusters=6)
    views, index = torch.rand(8, 3, 8, 8), torch.tensor([5, 9, 2, 60])
    method.eval()
    halves = [method.loss(Batch(half, index)) for half in views.chunk(2)]
    torch.testing.assert_close(method.loss(Batch(views, index)), torch.stack(halves).mean())


def test_labels_at_first_are_balanced_and_the_seeds() -> None:
    labels = prepared(63, clusters=6, heads=2).labels
    for one in labels:
        assert sorted(torch.bincount(one).tolist()) == [10] * 3 + [11] * 3
    assert torch.equal(labels, prepared(63, clusters=6, heads=2).labels)


@pytest.mark.parametrize(
    ("samples", "clusters"), [(6, 6), (64, 10), (3000, 10), (50_000, 125), (1_281_167, 3000), (10**8, 3000)]
)
def test_clusters_by_the_number_of_samples(samples: int, clusters: int) -> None:
    assert default_clusters(samples) == clusters


# --- re-labelling ---------------------------------------------------------------------------------------------------


def features_of(one: Session) -> np.ndarray:
    """Every sample in its plain view, one by one, by the encoder as it infers: float64 (N, D)."""
    encoder, views = one.loop.method.encoder, modality("images").plain(8)
    was = encoder.training
    encoder.eval()
    with torch.no_grad():
        rows = [encoder(views.join([[views.view(views.read(one.samples, p), None)]])) for p in range(len(one.samples))]
    encoder.train(was)
    return torch.cat(rows).double().numpy()


def test_labels_are_the_transport_of_every_heads_own_logits(tmp_path: Path) -> None:
    """Against the official loop on features computed one by one: rows must stand where their samples are."""
    one = session(SeLa, tmp_path / "run", clusters=6, heads=2, strength=5.0, tolerance=1e-6, **STILL)
    method = one.loop.method
    features = features_of(one)
    method.relabel(0)
    weight, bias = (p.detach().double().numpy() for p in method.classifiers.parameters())
    for head in range(2):
        rows = slice(6 * head, 6 * head + 6)
        assert method.labels[head].tolist() == sinkhorn(features @ weight[rows].T + bias[rows], 5.0).tolist()
    assert method.labels[0].tolist() != method.labels[1].tolist()
    assert method.figures()["marginal_error"] < 1e-6 and method.figures()["relabellings"] == 1


def test_what_is_kept_labels_as_the_transport_did(tmp_path: Path) -> None:
    """Heads and bias of a run, on the plain view by the encoder as it infers."""
    one = session(SeLa, tmp_path / "run", steps=3, clusters=6, heads=2, **STILL)
    one.train()
    one.loop.method.relabel(3)
    one.loop.method.labeller().write(one.run)
    kept = Labeller.read(Run.open(tmp_path / "run"))
    assert (kept.heads, kept.clusters, kept.strength) == (2, 6, 25.0)
    features = features_of(one)
    for head in range(2):
        labels, confidence = kept.label_rows(features, head)
        assert labels.tolist() == one.loop.method.labels[head].tolist()
        logits = (
            features @ kept.weight[head].double().numpy().T + (kept.bias + kept.balance / 25)[head].double().numpy()
        )
        share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(confidence, share.max(1), rtol=1e-4)


@pytest.mark.parametrize(("mode", "moved"), [("train", True), ("eval", False)])
def test_batch_norm_moves_in_the_official_mode_alone(mode: Any, moved: bool, tmp_path: Path) -> None:
    method = session(SeLa, tmp_path / "run", relabel_mode=mode).loop.method
    before = {name: buffer.clone() for name, buffer in method.encoder.named_buffers()}
    method.train()
    method.relabel(0)
    after = dict(method.encoder.named_buffers())
    assert any(not torch.equal(before[name], after[name]) for name in before) is moved
    assert all(module.training for module in method.modules()), "training goes on as before"


def test_plain_labels_depend_on_nothing_else(tmp_path: Path) -> None:
    """Plain views in inference mode: not on the number of the relabelling, while official labels do."""
    found = {}
    for name, settings in {"still": STILL, "official": {}}.items():
        method = session(SeLa, tmp_path / name, **settings).loop.method
        found[name] = []
        for number in (0, 1):
            method.balance.zero_()
            method.relabel(number)
            found[name].append(method.labels.clone())
    assert torch.equal(*found["still"]) and not torch.equal(*found["official"])


def test_round_robin_labels_one_head_at_a_time(tmp_path: Path) -> None:
    method = session(SeLa, tmp_path / "run", heads=3, relabel_heads="round-robin").loop.method
    for number in range(4):
        before = method.labels.clone()
        method.relabel(number)
        changed = (before != method.labels).any(1).tolist()
        assert changed == [head == number % 3 for head in range(3)]


def test_all_heads_share_one_pass(tmp_path: Path) -> None:
    method = session(SeLa, tmp_path / "run", heads=5).loop.method
    seen: list[int] = []
    method.encoder.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    method.relabel(0)
    assert sum(seen) == 64


def test_samples_are_labelled_before_the_first_step_and_as_scheduled(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []

    class Watched(SeLa):
        def relabel(self, number: int) -> None:
            done.append((one.loop.done, number))
            super().relabel(number)

    one = session(Watched, tmp_path / "run", steps=16, relabellings=5, relabel_schedule="linear")
    one.train()
    assert done == [(0, 0), (5, 1), (9, 2), (13, 3)], "four epochs and a little: the fifth time is past the end"
    lines = one.run.metrics()
    assert [line["relabellings"] for line in lines] == [1] * 5 + [2] * 4 + [3] * 4 + [4] * 3
    names = "marginal_error", "solver_passes", "labels_changed", "size_entropy", "clusters_used", "relabel_seconds"
    assert all(math.isfinite(line[name]) for line in lines for name in names)
    assert all(line["size_entropy"] > 0.9 and line["clusters_used"] == 10 for line in lines)


def test_one_cluster_has_all_samples_and_no_loss(tmp_path: Path) -> None:
    one = session(SeLa, tmp_path / "run", steps=2, clusters=1)
    one.train()
    assert not one.loop.method.labels.any() and [line["loss"] for line in one.run.metrics()] == [0.0, 0.0]


@pytest.mark.parametrize("assignment", ["kmeans", "argmax"])
def test_other_assignments_train_and_label(assignment: Any, tmp_path: Path) -> None:
    """Labels of k-means are those of its clusters; nothing is left to balance new samples by."""
    one = session(SeLa, tmp_path / "run", steps=3, clusters=6, heads=2, assignment=assignment, **STILL)
    method, features = one.loop.method, features_of(one)
    method.relabel(0)
    if assignment == "kmeans":
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        for labels in method.labels.numpy():
            centres = np.stack([unit[labels == cluster].sum(0) for cluster in range(6)])
            near = unit @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
            assert (near.argmax(1) == labels).mean() > 0.95, "every sample is with its nearest centre"
        assert not torch.equal(*method.labels), "each head draws its own start"
    one.train()
    assert not method.balance.any() and one.run.metrics()[-1]["relabellings"] == 4


def test_the_transport_in_float64_and_on_the_cpu_gives_the_labels_of_float32(tmp_path: Path) -> None:
    found = []
    for number, options in enumerate(({}, {"solver_precision": "float64", "solver_device": "cpu"})):
        method = session(SeLa, tmp_path / str(number), clusters=6, tolerance=1e-5, **STILL, **options).loop.method
        seen: list[torch.dtype] = []
        assign = method.assign
        method.assign = lambda task, assign=assign, seen=seen: (
            seen.append(next(iter(task.logits)).dtype),
            assign(task),
        )[1]
        method.relabel(0)
        found.append((method.labels, seen))
    assert torch.equal(found[0][0], found[1][0])
    assert [seen for _, seen in found] == [[torch.float32], [torch.float64]]


def test_without_relabelling_the_random_labels_stay(tmp_path: Path) -> None:
    one = session(SeLa, tmp_path / "run", relabellings=0)
    labels = one.loop.method.labels.clone()
    one.train()
    assert torch.equal(labels, one.loop.method.labels) and "relabellings" not in one.run.metrics()[-1]


def test_marginals_decide_the_sizes(tmp_path: Path) -> None:
    method = session(SeLa, tmp_path / "run", clusters=4, marginals=(4.0, 2.0, 1.0, 1.0), strength=100.0).loop.method
    method.relabel(0)
    sizes = torch.bincount(method.labels[0], minlength=4)
    assert (sizes - torch.tensor([32, 16, 8, 8])).abs().max() <= 3
    assert method.figures()["marginal_error"] < 1e-3


def test_a_sample_that_cannot_be_read_keeps_its_label(tmp_path: Path) -> None:
    one = session(SeLa, tmp_path / "run")
    method = one.loop.method
    method.look_through(replace(method.passes, samples=Damaged(one.samples, {3, 20})))
    method.labels.fill_(10)  # one more than there is
    method.relabel(0)
    assert [place for place in range(64) if method.labels[0, place] == 10] == [3, 20]


# --- interruptions and processes ------------------------------------------------------------------------------------


def test_a_kill_in_the_middle_of_a_pass_changes_nothing(tmp_path: Path) -> None:
    """Killed while the third relabelling reads its samples, with all figures of the journal."""
    settings = {"steps": 9, "heads": 2, "relabellings": 6, "relabel_schedule": "linear"}
    whole = session(SeLa, tmp_path / "whole", **settings)
    whole.train()
    killed = session(SeLa, tmp_path / "killed", **settings)
    encode, calls = killed.loop.method.encoder.forward, [0]

    def dies(batch: Tensor) -> Tensor:
        calls[0] += 1
        if len(killed.loop.method.when) and killed.loop.done == 4 and not torch.is_grad_enabled() and calls[0] % 3 == 0:
            raise Killed
        return encode(batch)

    killed.loop.method.encoder.forward = dies
    assert 4 in killed.loop.method.when
    with contextlib.suppress(Killed):
        killed.train()
    resumed = session(SeLa, tmp_path / "killed", resume=True, **settings)
    assert resumed.loop.done == 4 and int(resumed.loop.method.relabelled) == 2
    resumed.train()
    expected, found = whole.loop.checkpoint(""), resumed.loop.checkpoint("")
    same_state(expected.method, found.method)
    same_state(expected.optimizer, found.optimizer)

    def untimed(one: Session) -> list[dict[str, float]]:
        return [{k: v for k, v in line.items() if "second" not in k} for line in one.run.metrics()]

    assert untimed(whole) == untimed(resumed)


def after_two_steps(assignment: Any) -> dict[str, Tensor]:
    """Twice a relabelling and a step, in float64, on this process's share of the batch."""
    method = prepared(clusters=6, heads=2, assignment=assignment)
    over_processes(method.double())
    samples, views, plain = modality("images").open(digits(), None), images.sela(8), images.plain(8)
    fabric = Fabric(accelerator="cpu", devices=1, precision="64-true")
    method.look_through(Passes(samples, views, plain, 0, 16, 0, fabric))
    optimizer, found = torch.optim.SGD(method.parameters(), lr=0.1), {}
    for step in range(2):
        method.relabel(step)
        batch = Steps(samples, views, 0, 16, rank(), world_size())[step].batch
        optimizer.zero_grad()
        loss = method.loss(Batch(batch.views.double(), batch.index))
        loss.backward()
        average_gradients(method.parameters())
        optimizer.step()
        found |= {f"loss {step}": total(loss) / world_size(), f"labels {step}": method.labels.clone()}
    return found | {name: value.detach().clone() for name, value in method.state_dict().items()}


@pytest.mark.parametrize("assignment", ["transport", "kmeans"])
def test_two_processes_label_and_learn_as_one(assignment: Any) -> None:
    whole = after_two_steps(assignment)
    for share in run_in_processes(after_two_steps, 2, assignment):
        assert whole.keys() == share.keys()
        for name, value in whole.items():
            if value.dtype == torch.int64:
                assert torch.equal(value, share[name]), name
            else:
                torch.testing.assert_close(value, share[name], rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")
