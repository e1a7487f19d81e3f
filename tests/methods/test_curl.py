"""CURL: what it sees and represents, labels, mistakes; resumed, and over processes."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from battery.methods import Killed, kill_after, same_state
from battery.processes import run_in_processes
from battery.small import digits
from small_curl import QUICK, batch, learning, made, views
from unlabeled.distributed import rank, world_size
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError
from unlabeled.methods.curl import CURL
from unlabeled.training.pretraining import Session
from unlabeled.training.settings import MEMORY, Execution, Settings


def test_bits_are_above_a_half_strictly_and_gaussian_pixels_stay() -> None:
    grey = torch.tensor([0.5, 0.5001, 0.2, 1.0]).reshape(1, 1, 2, 2).expand(-1, 3, -1, -1)
    assert made().pictures(grey).flatten().tolist() == [0, 1, 0, 1]
    torch.testing.assert_close(made(output="gaussian").pictures(grey), grey[:, :1])
    assert made(output="gaussian", colour=True).pictures(grey).shape == (1, 3, 2, 2)


def test_colour_needs_an_encoder_that_sees_it() -> None:
    with pytest.raises(ValueError, match="channels 3"):
        CURL(image_encoder("mlp", 8), colour=True, output="gaussian")


def test_the_kl_over_the_batch_is_a_matter_of_learning_and_not_of_what_is_told() -> None:
    method = made(kl_over_batch=True)
    some, more = method.pictures(views(4)), method.pictures(views(8))
    bounds = []
    for pictures in (some, more):
        method.before_step(1)
        bounds.append(method.terms(pictures).bound(method.over_batch)[:4])
    assert not torch.allclose(*bounds), "what is learnt depends on the batch"
    with torch.no_grad():
        method.before_step(1)
        told = method.described(views(8))
    bound, likelihood, latent_kl, component_kl = told[:, -4:].T
    torch.testing.assert_close(bound, likelihood - latent_kl - component_kl)


def test_gaussian_colour_learns() -> None:
    method = made(output="gaussian", colour=True, learning_rate=3e-3)
    update, losses = learning(method), []
    for _ in range(30):
        method.before_step(0)
        loss = method.loss(batch())
        losses.append(float(loss.detach()))
        update(loss)
    assert losses[-1] < losses[0] - 5


def test_the_representation_is_the_mean_of_the_most_probable_component() -> None:
    method = made()
    with torch.no_grad():
        shares, latents = method.assigned(views())
        mean, _ = method.mixture.posterior.latents(method.hidden(method.pictures(views())), 3)
    best = shares.argmax(1)
    assert shares.shape == (8, 3) and len(set(best.tolist())) >= 1
    torch.testing.assert_close(latents, torch.stack([mean[row, best[row]] for row in range(8)]))
    torch.testing.assert_close(method.represent(views()), latents)


def trained(
    folder: Path, name: str, *, labels: bool = True, resume: bool = False, steps: int = 14, **more: Any
) -> Session:
    """A session on digits as a stream; killed ones are resumed."""
    pixels, classes = digits(64)
    settings = Settings(
        "curl", MEMORY, batch_size=8, max_steps=steps, encoder="mlp", network={"widths": (16, 10)},
        order=more.pop("order", "shuffled"), classes_at_once=more.pop("classes_at_once", 1), epochs=4, keep=2,
        arguments=QUICK | more,
    )  # fmt: skip
    data = (pixels, classes) if labels else pixels
    return Session(CURL, settings, Execution(workers=0, checkpoint_seconds=0.0), folder / name, resume, data, "images")


def test_labels_do_not_reach_the_learner(tmp_path: Path) -> None:
    runs = [trained(tmp_path, str(known), labels=known, snapshot_every=4) for known in (True, False)]
    for each in runs:
        each.train()
    same_state(runs[0].run.weights(), runs[1].run.weights())


@pytest.mark.parametrize(("flags", "period"), [({"classes_at_once": 2}, 8), ({}, 4), ({"snapshot_every": 3}, 3)])
def test_snapshots_are_taken_where_the_stream_goes_on_to_other_classes(
    flags: dict[str, Any], period: int, tmp_path: Path
) -> None:
    session = trained(tmp_path, "run", order="by-class", steps=40, **flags)
    assert session.loop.method.replay.period == period


def test_supervised_components_are_the_classes_met_so_far(tmp_path: Path) -> None:
    one = trained(tmp_path, "run", supervised=True, components=10, order="by-class", steps=20)
    assert one.loop.method.growth is None
    for steps, expected in ((2, 1), (4, 2)):
        one.loop.budget = type(one.loop.budget)(steps)
        one.train()
        assert int(one.loop.method.mixture.active) == expected


@pytest.mark.parametrize(
    ("arguments", "labels", "sentence"),
    [
        ({"supervised": True}, False, "needs a label for every sample"),
        ({"supervised": True, "components": 3}, True, "fewer than the 10 classes"),
        ({"supervised": True, "replay": "dynamic"}, True, "supervised takes replay fixed or none"),
        ({"replay_every": 1}, True, "replay_every takes a number of at least 2"),
        ({"snapshot_every": 0}, True, "snapshot_every takes a number of at least 1"),
        ({"replay": "dynamic", "expansion": False}, True, "leave expansion on"),
        ({"replay": "dynamic", "snapshot_every": 5}, True, "leave snapshot_every out"),
        ({"learning_rate": 0.0}, True, "learning_rate take numbers above 0"),
        ({"latent": 0}, True, "at least 1"),
    ],
)
def test_mistakes_are_one_sentence(arguments: dict[str, Any], labels: bool, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        trained(tmp_path, "run", labels=labels, **arguments)


@pytest.mark.parametrize("replay", ["fixed", "dynamic", "reservoir"])
def test_a_run_killed_in_the_middle_of_everything_ends_with_the_same_bits(replay: str, tmp_path: Path) -> None:
    """Buffer half full, a snapshot taken, components added: invariant 12."""
    more = {"replay": replay, "buffer": 20, "order": "by-class", "steps": 20}
    more |= {} if replay == "dynamic" else {"snapshot_every": 4}
    whole = trained(tmp_path, "whole", **more)
    whole.train()
    killed = trained(tmp_path, "killed", **more)
    kill_after(killed, 11)
    with contextlib.suppress(Killed):
        killed.train()
    resumed = trained(tmp_path, "killed", resume=True, **more)
    assert resumed.loop.done == 11 and resumed.loop.method.births
    resumed.train()
    expected, found = whole.loop.checkpoint(""), resumed.loop.checkpoint("")
    for name in ("method", "optimizer", "memory"):
        same_state(getattr(expected, name), getattr(found, name))
    assert len(whole.loop.method.births) > len(killed.loop.method.births)
    assert sorted(whole.run.kept()) == sorted(resumed.run.kept()) == [10, 20]


def shared(flags: dict[str, Any]) -> dict[str, Any]:
    """Thirty steps of one process's share of batches of eight."""
    method = made(active=1, **(QUICK | {"threshold": -20.0} | flags))
    if method.supervised:
        labels = digits(400)[1]
        method.prepare(SimpleNamespace(labels=np.minimum(labels, 5), classes=[str(each) for each in range(6)]))
    method.train()
    update, share, born = learning(method, average=world_size() > 1), 8 // world_size(), []
    for step in range(30):
        start = 8 * (step % 20) + rank() * share
        method.before_step(step)
        method.step(batch(share, start), update)
        born.append(len(method.births))
    return {"born": born, "weights": method.state_dict(), "memory": method.memory()}


WAYS: dict[str, dict[str, Any]] = {
    "dynamic": {"replay": "dynamic"},
    "reservoir": {"replay": "reservoir", "snapshot_every": 6},
    "SMGR": {"replay": "fixed", "snapshot_every": 6, "supervised_replay": True},
    "supervised": {"replay": "fixed", "snapshot_every": 6, "supervised": True},
    "KL over the batch": {"replay": "none", "kl_over_batch": True},
}


def all_shared(ways: list[str]) -> dict[str, dict[str, Any]]:
    """Of every way, so that processes are started once."""
    return {way: shared(WAYS[way]) for way in ways}


@pytest.mark.parametrize(("processes", "ways"), [(2, list(WAYS)), (4, ["dynamic"])])
def test_processes_equal_one_and_grow_at_the_same_step(processes: int, ways: list[str]) -> None:
    alone = all_shared(ways)
    for shard in run_in_processes(all_shared, processes, ways):
        for way, each in shard.items():
            whole = alone[way]
            assert each["born"] == whole["born"], way
            assert whole["born"][-1] >= 2 or way == "supervised"
            for name, expected in whole["weights"].items():
                torch.testing.assert_close(each["weights"][name], expected, rtol=1e-7, atol=1e-9)
            for one, other in zip(each["memory"]["births"], whole["memory"]["births"], strict=True):
                assert torch.equal(one["pictures"], other["pictures"]) and one["source"] == other["source"]
            torch.testing.assert_close(each["memory"]["replay"]["recent"], whole["memory"]["replay"]["recent"])
