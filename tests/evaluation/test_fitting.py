"""Fitting by SGD against loops written out in plain torch."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from battery.processes import run_in_processes
from digits import digits
from unlabeled import chance
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError
from unlabeled.evaluation.fitting import Recipe, descend, fit_heads, scores_of, zero_head
from unlabeled.views import images


def small(count: int = 90) -> tuple[Any, np.ndarray]:
    samples = digits(count)[0]
    return samples, samples.labels


def batch_of(samples: Any, seed: int, epoch: int, places: np.ndarray) -> torch.Tensor:
    """The views of some samples, made one by one."""
    view = images.crop(8)
    rows = [view.view(samples.read(p), chance.generator(seed, chance.VIEWS, epoch, int(p), 0)) for p in places]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


def written_out(encoder: nn.Module, rate: float, seed: int, epochs: int, size: int, decay: float) -> tuple:
    """Softmax regression with Nesterov momentum by its formulas, in NumPy, one step after the other."""
    samples, labels = small()
    weight, bias = np.zeros((10, encoder.width)), np.zeros(10)
    moved, moved_bias = np.zeros_like(weight), np.zeros_like(bias)
    steps, per_epoch = round(epochs * len(labels) / size), len(labels) // size
    for step in range(steps):
        epoch, start = step // per_epoch, step % per_epoch * size
        places = chance.order(seed, epoch, len(labels))[start : start + size]
        with torch.no_grad():
            rows = encoder(batch_of(samples, seed, epoch, places)).numpy().astype(np.float64)
        scores = rows @ weight.T + bias
        share = np.exp(scores - scores.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        share[np.arange(size), labels[places]] -= 1
        slope, slope_bias = share.T @ rows / size + decay * weight, share.mean(0)
        now = rate * size / 256 * (1 + np.cos(np.pi * step / steps)) / 2
        moved, moved_bias = 0.9 * moved + slope, 0.9 * moved_bias + slope_bias
        weight -= now * (slope + 0.9 * moved)
        bias -= now * (slope_bias + 0.9 * moved_bias)
    return weight, bias


def encoder_of(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return image_encoder("small_resnet", 8).eval()


def fitted(rates: list[float], recipe: Recipe, encoder: nn.Module, count: int = 90) -> list[nn.Linear]:
    samples, labels = small(count)
    widths = [encoder.width]
    (heads,) = fit_heads(lambda v: [encoder(v)], widths, rates, samples, labels, 10, images.crop(8), recipe, "a test")
    return heads


def test_heads_are_those_of_the_written_out_loop():
    encoder, recipe = encoder_of(0), Recipe(epochs=5, batch_size=40, weight_decay=0.01, seed=3)
    rates = [3.0, 300.0]
    for head, rate in zip(fitted(rates, recipe, encoder), rates, strict=True):
        weight, bias = written_out(encoder, rate, 3, 5, 40, 0.01)
        assert np.abs(weight).max() > 1e-3
        np.testing.assert_allclose(head.weight.detach(), weight, rtol=2e-4, atol=2e-6)
        np.testing.assert_allclose(head.bias.detach(), bias, rtol=2e-4, atol=2e-6)


def test_heads_do_not_see_each_other_nor_one_that_diverges():
    encoder, recipe = encoder_of(0), Recipe(epochs=4, batch_size=30)
    for parameter in list(encoder.parameters())[-2:]:
        parameter.data *= 1e20
    (alone,) = fitted([0.1], recipe, encoder)
    wild, beside = fitted([1e6, 0.1], recipe, encoder)
    assert torch.equal(alone.weight, beside.weight)
    scores = scores_of(wild, np.ones((2, encoder.width), np.float32))
    assert not np.isnan(scores).any() and np.isneginf(scores).any()
    with pytest.raises(UserError, match="a test ended with weights that are not finite numbers; lower --learning-rate"):
        fitted([1e6], recipe, encoder)


def test_stages_are_each_fitted_as_alone():
    samples, labels = small()
    encoder, recipe = encoder_of(1), Recipe(epochs=3, batch_size=30)

    def stages(views: torch.Tensor) -> list[torch.Tensor]:
        return [views.flatten(1), encoder(views)]

    widths = [3 * 64, encoder.width]
    rows = fit_heads(stages, widths, [0.1, 0.2], samples, labels, 10, images.crop(8), recipe, "a test")
    alone = fitted([0.1, 0.2], recipe, encoder)
    assert [[head.in_features for head in row] for row in rows] == [[192, 192], [256, 256]]
    for head, other in zip(rows[1], alone, strict=True):
        assert torch.equal(head.weight, other.weight)


def test_the_encoder_ends_as_it_began():
    encoder = encoder_of(2)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    fitted([0.1], Recipe(epochs=2, batch_size=30), encoder)
    after = encoder.state_dict()
    assert before.keys() == after.keys() and len(before) > 40
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(each.grad is None for each in encoder.parameters())


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = encoder_of(4).train(), zero_head(256, 10)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(views))


def test_an_encoder_and_its_head_are_moved_as_torch_moves_them():
    samples, labels = small()
    answers, recipe = torch.from_numpy(labels), Recipe(epochs=3, batch_size=30, drops=(1, 2), seed=5)
    ours, theirs = Everything(), Everything()
    loss = lambda batch: cross_entropy(ours(batch.views), answers[batch.index])  # noqa: E731
    descend(loss, [(ours, 0.5)], samples, images.crop(8), recipe, "a test")

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5 * 30 / 256, momentum=0.9, nesterov=True)
    for epoch in range(3):
        for step in range(3):
            places = chance.order(5, epoch, 90)[30 * step : 30 * step + 30]
            optimizer.param_groups[0]["lr"] = 0.5 * 30 / 256 * 0.1**epoch
            optimizer.zero_grad()
            cross_entropy(theirs(batch_of(samples, 5, epoch, places)), answers[places]).backward()
            optimizer.step()
    found, expected = ours.state_dict(), theirs.state_dict()
    assert int(found["encoder.network.1.num_batches_tracked"]) == 9, "batch norm learns too"
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def in_processes() -> np.ndarray:
    head = fitted([0.3], Recipe(epochs=4, batch_size=30, seed=1), encoder_of(0))[0]
    return head.weight.detach().numpy()


def test_two_processes_end_with_the_weights_of_one():
    alone = in_processes()
    for found in run_in_processes(in_processes, 2):
        np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-6)


@given(count=st.integers(2, 3000), batch_size=st.integers(1, 600), epochs=st.integers(1, 90))
def test_the_budget_is_epochs_times_samples(count, batch_size, epochs):
    recipe = Recipe(epochs=epochs, batch_size=batch_size)
    size, steps = recipe.batch(count), recipe.steps(count)
    assert size == min(batch_size, count)
    assert abs(steps * size - epochs * count) <= size / 2 or steps == 1
    assert Recipe(epochs=epochs, batch_size=batch_size, max_steps=7).steps(count) == min(7, steps)
    factors = [recipe.schedule(count)(step) for step in range(min(steps, 50))]
    assert factors[0] == 1 and all(a >= b > 0 for a, b in pairwise(factors))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "--epochs takes a number of at least 1, got 0"),
        ({"batch_size": 0}, "--batch-size"),
        ({"weight_decay": -0.1}, "--weight-decay"),
        ({"weight_decay": float("nan")}, "--weight-decay"),
        ({"drops": (3, -1)}, "--drops"),
        ({"max_steps": 0}, "--max-steps"),
        ({"workers": -1}, "--workers"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_numbers_out_of_range_are_said(change, said):
    with pytest.raises(UserError, match=said):
        Recipe(**change)


@pytest.mark.parametrize("rates", [[], [0.0], [0.1, -1.0], [float("nan")], [2e6]])
def test_learning_rates_that_are_none_are_said(rates):
    with pytest.raises(UserError, match="--learning-rate takes numbers above 0 and up to a million"):
        fitted(rates, Recipe(), encoder_of(0))
