"""Growth: which samples make a component, from what it is copied, what it then learns."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from small_curl import QUICK, batch, learning, made, views
from unlabeled.training.expansion import Growth, Patience, default_threshold, still


def test_the_passes_move_heads_and_prior_alone_and_teach_the_new_component() -> None:
    method = made(active=1, passes=10, learning_rate=3e-3)
    update, before = learning(method), {name: each.clone() for name, each in method.state_dict().items()}
    poor = method.pictures(views(32))
    method._grow(poor, torch.full((32,), -30.0), update)
    after = method.state_dict()
    for name, old in before.items():
        still_there = name.startswith(("encoder", "mixture.decoder")) or name == "key"
        assert torch.equal(old, after[name]) == still_there, name
    assert method.mixture.assigned(method.hidden(poor))[0][:, 1].mean() > 0.6
    (born,) = method.births
    assert (born["component"], born["source"], born["poor"]) == (1, 0, 32) and born["share"] == pytest.approx(1.0)
    assert np.array_equal(born["pictures"].numpy() / 255, poor[-16:].numpy())


def test_stale_momentum_moves_the_other_components_during_the_passes_as_published() -> None:
    method = made(active=2, passes=3)
    update = learning(method)
    for step in range(3):
        method.before_step(step)
        update(method.loss(batch()))
    before = method.mixture.posterior.weight[0].detach().clone()
    method._grow(method.pictures(views(16)), torch.full((16,), -30.0), update)
    assert not torch.equal(before, method.mixture.posterior.weight[0])


def test_the_passes_take_batches_of_the_runs_size_whatever_completed_the_buffer() -> None:
    method, calls = made(active=1, passes=2), 0

    def count(loss: Tensor, parameters: Any = None) -> None:
        nonlocal calls
        calls += 1

    learning(method)
    method._grow(method.pictures(views(32)), torch.full((32,), -30.0), count)
    assert calls == 2 * 4


def test_what_is_held_still_is_let_go_again() -> None:
    method = made()
    with still(method.encoder, method.mixture.decoder):
        assert not any(p.requires_grad for p in method.encoder.parameters()) and not method.encoder.training
    assert all(p.requires_grad for p in method.parameters()) and method.encoder.training


def test_the_buffer_holds_the_poor_samples_of_real_steps_and_is_cut_to_whole_batches() -> None:
    """What reaches a component is the last whole batches of poor samples; the source is chosen by their shares."""
    method = made(active=1, **(QUICK | {"buffer": 20, "replay": "none"}))
    seen: list[Tensor] = []
    method._grow = lambda poor, *rest: seen.append(poor)  # type: ignore[method-assign]
    update = learning(method)
    for step in range(8):
        method.before_step(step)
        method.step(batch(8, 8 * step), update)
    assert [len(each) for each in seen] == [24], "three batches of eight from step 3 on, all of them poor"
    torch.testing.assert_close(seen[0], method.pictures(views(24, 24)))
    full = made(active=6, **(QUICK | {"replay": "none"}))
    update = learning(full)
    for step in range(8):
        full.before_step(step)
        full.step(batch(), update)
    assert not full.births and int(full.mixture.active) == 6, "there is no room"


def test_exactly_the_samples_below_the_threshold_are_kept_in_order() -> None:
    growth = Growth(Patience(-10.0, size=5, wait=0, burn_in=1))
    pictures, bounds = torch.arange(4.0).reshape(4, 1, 1, 1), torch.tensor([-10.0, -10.1, -3.0, -11.0])
    assert growth.after(0, pictures - 9, bounds, True) is None and not growth.poor, "still burning in"
    assert growth.after(1, pictures, bounds, True) is None
    assert growth.after(2, pictures + 10, bounds, True) is None
    full = growth.after(3, pictures + 20, bounds, True)
    assert full is not None and full[0].flatten().tolist() == [1, 3, 11, 13, 21, 23]
    assert full[1].tolist() == pytest.approx([-10.1, -11.0] * 3), "-10 itself is not below it"


def test_rehearsed_samples_are_never_poor(monkeypatch: pytest.MonkeyPatch) -> None:
    method = made(active=1, **(QUICK | {"buffer": 10_000, "snapshot_every": 4}))
    update, real = learning(method), 0
    for step in range(14):
        method.before_step(step)
        method.step(batch(8, 8 * step), update)
        real += 8 * (step >= 3 and not method.rehearsed)
    assert method.growth is not None and sum(map(len, method.growth.poor)) == real == 6 * 8


@pytest.mark.parametrize(("pixels", "expected"), [(784, -200.0), (64, -200 * 64 / 784)])
def test_the_default_threshold_is_in_proportion_to_the_pixels(pixels: int, expected: float) -> None:
    assert default_threshold(pixels, None) == pytest.approx(expected)
    log_density = float(Normal(0.0, 0.25).log_prob(torch.tensor(1.2 * 0.25)))
    assert default_threshold(pixels, 0.25) == pytest.approx(pixels * log_density)


def test_poor_samples_that_fill_no_batch_are_the_first_ones_and_are_dropped() -> None:
    method = made(active=1, passes=1)
    poor = method.pictures(views(21))
    method._grow(poor, torch.arange(21.0), learning(method))
    (born,) = method.births
    assert born["poor"] == 16 and born["bound"] == float(torch.arange(5.0, 21.0).mean())
    assert np.array_equal(born["pictures"].numpy() / 255, poor[5:].numpy())


def test_a_batch_that_is_larger_than_the_buffer_is_taken_whole() -> None:
    method = made(active=1, **(QUICK | {"replay": "none"}))
    update = learning(method)
    for step in range(4):
        method.before_step(step)
        method.step(batch(40), update)
    assert [(each["step"], each["poor"]) for each in method.births] == [(3, 40)]
