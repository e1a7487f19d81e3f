"""Rehearsal: when, from which snapshot, of what."""

import numpy as np
import torch
from scipy.stats import chisquare

from small_curl import QUICK, SMALL, batch, learning, made, views
from unlabeled import chance
from unlabeled.methods.curl import FULL
from unlabeled.training.budget import ENDLESS
from unlabeled.training.replay import Reservoir


def test_rehearsal_alternates_strictly_once_there_is_a_past_and_feeds_nothing_back() -> None:
    method = made(**(QUICK | {"expansion": False, "replay": "fixed", "snapshot_every": 4}))
    update, rehearsed, counts = learning(method), [], []
    for step in range(12):
        method.before_step(step)
        method.step(batch(), update)
        rehearsed.append(method.rehearsed)
        counts.append(float(method.replay.counts().sum()))
    assert rehearsed == [step >= 4 and step % 2 == 1 for step in range(12)]
    real = np.cumsum([not each for each in rehearsed]) * 8
    np.testing.assert_allclose(counts, real)
    assert method.learnt == 8


def test_dynamic_replay_takes_its_snapshot_before_the_new_component_is_made() -> None:
    method = made(active=1, **(QUICK | {"replay": "dynamic"}))
    update = learning(method)
    for step in range(6):
        method.before_step(step)
        method.step(batch(), update)
        if method.births:
            break
    assert int(method.mixture.active) == 2 and len(method.replay.snapshot["weights"]) == 1
    assert method.replay.ready() and method.replay.due(method.at + method.at % 2 + 1)


def test_components_are_drawn_by_their_share_and_pictures_are_rounded_means() -> None:
    method = made()
    method.replay.after(views(), torch.tensor([[1.0, 2.0, 5.0]]).expand(8, 3), method.draws)
    method.replay.take(method.mixture)
    torch.testing.assert_close(method.replay.snapshot["weights"], torch.tensor([1, 2, 5.0], dtype=torch.float64) / 8)
    pixels, component = method.replay.batch(4000, method.draws)
    assert chisquare(np.bincount(component, minlength=3), np.array([1, 2, 5]) * 500).pvalue > 1e-3
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    mean = method.mixture.sample(2, 400).round().mean(0)
    assert (pixels[component == 2].mean(0) - mean.flatten()).abs().max() < 0.15


def test_bits_are_rehearsed_also_where_real_pictures_are_grey() -> None:
    """As published: on Omniglot, replay and data differ in kind."""
    method = made(binarise=False)
    method.replay.after(views(), torch.ones(8, 3) / 3, method.draws)
    method.replay.take(method.mixture)
    assert set(method.replay.batch(50, method.draws)[0].unique().tolist()) == {0.0, 1.0}
    assert len(method.pictures(views()).unique()) > 2


def test_a_stream_without_an_end_rehearses_on_when_no_component_is_left() -> None:
    method = made(active=6, **QUICK)
    method.optimizer(8, ENDLESS)
    taken = []
    method.replay.take = lambda model: taken.append(method.at)  # type: ignore[attr-defined]
    for step in range(2 * FULL + 1):
        method.before_step(step)
        if step % FULL < 2:
            method.step(batch(), lambda loss, parameters=None: None)
    assert taken == [FULL, 2 * FULL]
    growing = made(active=1, **QUICK)
    growing.optimizer(8, ENDLESS)
    growing.step(batch(), lambda loss, parameters=None: None)
    assert growing.replay.period is None, "while it grows, snapshots come with components"


def test_a_snapshot_is_frozen_and_a_stored_one_generates_the_same() -> None:
    method, update = made(), None
    method.replay.after(views(), torch.ones(8, 3) / 3, method.draws)
    method.replay.take(method.mixture)
    method.before_step(5)
    first, component = method.replay.batch(16, method.draws)
    kept = method.replay.memory()
    update = learning(method)
    for _ in range(3):
        update(method.loss(batch()))
    other = made()
    other.key.copy_(method.key)
    other.replay.remember(kept, other.mixture)
    for each in (method, other):
        each.before_step(5)
        again, same = each.replay.batch(16, each.draws)
        assert torch.equal(first, again) and torch.equal(component, same)
    assert not torch.equal(method.mixture.prior(3)[0], method.replay.snapshot["mean"])


def test_rehearsing_with_the_component_that_was_generated_from() -> None:
    """Which where labels are learnt is always so, whatever the flag says (as in the official code)."""
    losses = []
    for supervised, flags in ((False, {}), (True, {"supervised_replay": True}), (True, {"supervised": True})):
        method = made(**(SMALL | flags | {"replay": "fixed"}))
        method.replay.after(views(), torch.ones(8, 3) / 3, method.draws)
        method.replay.take(method.mixture)
        method.before_step(1)
        pixels, component = method.replay.batch(8, method.draws)
        pictures = pixels.reshape(8, 1, 8, 8)
        expected = (
            -method.component_bound(method.hidden(pictures), pictures, component).mean()
            if supervised
            else -method.terms(pictures).bound(method.over_batch).mean()
        )
        method.before_step(1)
        found = method.step(batch(), lambda loss, parameters=None: None)
        torch.testing.assert_close(found, expected.detach())
        losses.append(float(found))
    assert losses[0] != losses[1] == losses[2]


def test_a_reservoir_keeps_each_of_the_past_alike() -> None:
    held = np.zeros(60)
    for seed in range(200):
        reservoir, at = Reservoir(1, size=12), 0

        def draws(seed: int = seed) -> torch.Generator:
            nonlocal at
            at += 1
            return chance.torch_generator(seed, chance.MODEL, at)

        for start in range(0, 60, 5):
            reservoir.after(torch.arange(start, start + 5.0).reshape(5, 1), torch.ones(5, 1), draws)
        assert reservoir.kept is not None and len(reservoir.kept) == 12
        held[reservoir.kept.long().flatten().numpy()] += 1
    assert chisquare(held).pvalue > 1e-3
