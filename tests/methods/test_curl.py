"""CURL: the equation, one component after the other; growth, rehearsal, labels; resumed, and over processes."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from battery.methods import Killed, kill_after, same_state
from battery.processes import run_in_processes
from battery.small import digits
from unlabeled import chance
from unlabeled.distributed import average_gradients, rank, world_size
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError
from unlabeled.methods.curl import CURL, FULL
from unlabeled.objectives.mixture_elbo import bernoulli_log_likelihood
from unlabeled.training.budget import ENDLESS
from unlabeled.training.expansion import Growth, Patience, default_threshold, still
from unlabeled.training.method import Batch
from unlabeled.training.pretraining import Session
from unlabeled.training.settings import MEMORY, Execution, Settings

SMALL: dict[str, Any] = {"latent": 3, "decoder_widths": (12,), "components": 6}
QUICK: dict[str, Any] = SMALL | {"wait": 2, "burn_in": 3, "buffer": 16, "passes": 2, "threshold": -5.0}


def made(active: int = 3, **arguments: Any) -> CURL:
    """The method with an MLP for digits of 8 x 8, in float64."""
    chance.seed_torch(0, chance.INITIALISATION)
    encoder = image_encoder("mlp", 8, widths=(16, 10), channels=3 if arguments.get("colour") else 1)
    method = CURL(encoder, **(SMALL | arguments)).double()
    method.mixture.active.fill_(active)
    return method


def views(count: int = 8, start: int = 0) -> Tensor:
    """Real digits as plain views, float64 (B, 3, 8, 8)."""
    pixels = torch.from_numpy(digits(start + count)[0][start:] / 255.0)
    return pixels[:, None].expand(-1, 3, -1, -1)


def batch(count: int = 8, start: int = 0) -> Batch:
    return Batch(views(count, start), torch.arange(start, start + count))


def learning(method: CURL, average: bool = False) -> Any:
    """The loop's update, in small."""
    optimizer = method.optimizer(8, 100).optimizer  # batches of eight

    def update(loss: Tensor, parameters: Any = None) -> None:
        chosen = list(method.parameters() if parameters is None else parameters)
        optimizer.zero_grad()
        loss.backward()
        for each in method.parameters():
            if not any(each is one for one in chosen):
                each.grad = None
        if average:
            average_gradients([each for each in chosen if each.requires_grad])
        optimizer.step()

    return update


def one_after_the_other(method: CURL, pictures: Tensor, noise: Tensor) -> Tensor:
    """ll of every sample as the specification writes it: a loop over components, torch's own distributions."""
    mixture, h = method.mixture, method.hidden(pictures)
    posterior, prior, active = mixture.posterior, mixture.prior, int(mixture.active)
    pi = (h @ posterior.cluster_weight.T + posterior.cluster_bias)[:, :active].softmax(1)
    bound = -(pi * (active * pi).log()).sum(1)
    for k in range(active):
        both = h @ posterior.weight[k].T + posterior.bias[k]
        q = Normal(both[:, : mixture.latent], both[:, mixture.latent :].exp().log1p().sqrt())
        shift, raw = (0.0, 0.0) if prior.mean_bias is None else (prior.mean_bias, prior.raw_bias)
        p = Normal(prior.mean[k] + shift, (prior.raw[k] + raw).exp().log1p().sqrt())
        z = q.mean + q.stddev * noise[:, k]
        logits = mixture.decoder.of(z, torch.full((len(z),), k))
        r = Bernoulli(logits=logits).log_prob(pictures.flatten(1)).sum(1)
        bound = bound + pi[:, k] * (r - kl_divergence(q, p).sum(1))
    return bound


# --- the equation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["single", "multi", "deconv"])
@pytest.mark.parametrize("prior_bias", ["shared", "none"])
def test_the_stacked_bound_is_the_sum_one_component_after_the_other(decoder: Any, prior_bias: Any) -> None:
    method = made(decoder=decoder, decoder_widths=(12, 8), prior_bias=prior_bias)
    pictures = method.pictures(views())
    method.before_step(7)
    noise = method.noise(torch.empty(8, 3, 3, dtype=torch.float64))
    expected = one_after_the_other(method, pictures, noise)
    method.before_step(7)
    loss = method.loss(batch())
    torch.testing.assert_close(loss, -expected.mean(), rtol=1e-10, atol=1e-10)
    ours, theirs = (
        torch.autograd.grad(each, list(method.parameters()), allow_unused=True) for each in (loss, -expected.mean())
    )
    for found, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)


def test_with_one_component_it_is_a_plain_auto_encoder_with_a_learnt_prior() -> None:
    method = made(active=1)
    mixture, pictures = method.mixture, method.pictures(views())
    method.before_step(3)
    noise = method.noise(torch.empty(8, 1, 3, dtype=torch.float64))[:, 0]
    both = torch.nn.functional.linear(method.hidden(pictures), mixture.posterior.weight[0], mixture.posterior.bias[0])
    mean, variance = both[:, :3], both[:, 3:].exp().log1p()
    assert mixture.prior.mean_bias is not None and mixture.prior.raw_bias is not None
    at, spread = mixture.prior.mean[0] + mixture.prior.mean_bias, (mixture.prior.raw[0] + mixture.prior.raw_bias)
    spread = spread.exp().log1p()
    kl = 0.5 * ((variance + (mean - at) ** 2) / spread - 1 + (spread / variance).log()).sum(1)
    logits = mixture.decoder.layers(mean + variance.sqrt() * noise)
    missed = torch.nn.functional.binary_cross_entropy_with_logits(logits, pictures.flatten(1), reduction="none").sum(1)
    method.before_step(3)
    torch.testing.assert_close(method.loss(batch()), (missed + kl).mean(), rtol=1e-10, atol=0)


def test_the_bound_is_below_what_importance_sampling_finds() -> None:
    """The mean of ll over draws against log p(x) by 2,000 samples of q(z | x, y) for every y, once it has learnt."""
    method = made(learning_rate=3e-3)
    update = learning(method)
    for step in range(60):
        method.before_step(step)
        update(method.loss(batch(32)))
    pictures = method.pictures(views(32))
    with torch.no_grad():
        bounds = []
        for step in range(300):
            method.before_step(step)
            bounds.append(method.bound(method.terms(pictures)))
        hidden = method.hidden(pictures)
        q, p = (Normal(mean, variance.sqrt()) for mean, variance in (
            method.mixture.posterior.latents(hidden, 3), method.mixture.prior(3)))  # fmt: skip
        z = q.sample((2000,))  # (S, B, K, D): every component is drawn from, which is exact in y
        logits = torch.stack([method.mixture.decoder(each) for each in z])
        likelihood = Bernoulli(logits=logits).log_prob(pictures.flatten(1)[:, None]).sum(-1)
        weight = likelihood + p.log_prob(z).sum(-1) - np.log(3) - q.log_prob(z).sum(-1)  # of z, within a component
        truth = weight.logsumexp(2).logsumexp(0) - np.log(2000)
    gap = truth - torch.stack(bounds).mean(0)
    assert (gap > 0).all() and gap.mean() < 3


@pytest.mark.parametrize("decoder", ["single", "multi", "deconv"])
def test_half_precision_leaves_the_bound_and_what_it_is_made_of_alone(decoder: Any) -> None:
    method = made(decoder=decoder, decoder_widths=(12, 8)).float()
    pictures, component = method.pictures(views().float()), torch.arange(8) % 3
    found = []
    for half in (False, True):
        method.before_step(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            terms = method.terms(pictures)
            known = method.component_bound(method.hidden(pictures), pictures, component)
            found.append((method.bound(terms), known))
        assert terms.likelihood.dtype == terms.latent_kl.dtype == torch.float32
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0.15)  # of some -44 nats; bf16 has three digits


def test_the_share_of_the_log_likelihood_is_computed_in_full_precision() -> None:
    """Logits that are all but certain: the product of half precision would be off by more than the bound."""
    logits = torch.where(torch.arange(784) % 3 == 0, 11.7, -11.3)[None, None]
    pixels = (logits[0] > 0).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = bernoulli_log_likelihood(logits, pixels)
    expected = Bernoulli(logits=logits.double()).log_prob(pixels.double()).sum(-1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-3)


def test_softplus_gives_the_variance_and_not_the_deviation() -> None:
    mixture = made().mixture
    h = torch.zeros(1, 10, dtype=torch.float64)
    torch.testing.assert_close(
        mixture.posterior.latents(h, 1)[1], torch.full((1, 1, 3), np.log(2.0), dtype=torch.float64)
    )
    with torch.no_grad():
        mixture.posterior.bias.fill_(-200.0)
    assert mixture.posterior.latents(h, 1)[1].min() == 1e-6, "softplus underflows there"


@pytest.mark.parametrize(("variance", "power"), [("softplus", 1), ("deviation", 2)])
def test_the_variance_may_be_that_of_a_deviation_or_an_exponential(variance: Any, power: int) -> None:
    h, mixture = torch.randn(4, 10, dtype=torch.float64), made(variance=variance).mixture
    raw = torch.nn.functional.linear(h, mixture.posterior.weight[0], mixture.posterior.bias[0])[:, 3:]
    torch.testing.assert_close(mixture.posterior.latents(h, 1)[1][:, 0], raw.exp().log1p() ** power)
    torch.testing.assert_close(made(variance="exp").mixture.posterior.latents(h, 1)[1][:, 0], raw.exp())
    prior = made(variance=variance).mixture.prior
    torch.testing.assert_close(prior(2)[1], prior.raw[:2].exp().log1p() ** power)


def test_renaming_components_renames_the_gradient_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    order, noise = torch.tensor([2, 0, 1]), torch.randn(8, 3, 3, dtype=torch.float64)
    one, other = made(), made()
    with torch.no_grad():
        for a, b in ((one.mixture.posterior, other.mixture.posterior), (one.mixture.prior, other.mixture.prior)):
            for (name, source), target in zip(a.named_parameters(), b.parameters(), strict=True):
                if "_bias" not in name or name.startswith("cluster"):
                    target[:3] = source[:3][order]
    losses = []
    for method, drawn in ((one, noise), (other, noise[:, order])):
        monkeypatch.setattr(method, "noise", lambda like, drawn=drawn: drawn)
        losses.append(method.loss(batch()))
        losses[-1].backward()
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-12, atol=0)
    first, second = one.mixture.posterior.weight.grad, other.mixture.posterior.weight.grad
    assert first is not None and second is not None
    torch.testing.assert_close(first[:3][order], second[:3], rtol=1e-9, atol=1e-12)
    assert (first[3:] == 0).all(), "what is not active has a gradient of zero, and one it has"


def test_a_shared_bias_of_the_prior_is_moved_by_every_component() -> None:
    method = made()
    method.loss(batch()).backward()
    prior = method.mixture.prior
    assert prior.mean_bias is not None and prior.mean_bias.grad is not None and prior.mean.grad is not None
    torch.testing.assert_close(prior.mean_bias.grad, prior.mean.grad.sum(0), rtol=1e-10, atol=1e-12)


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
        bounds.append(method.bound(method.terms(pictures))[:4])
    assert not torch.allclose(*bounds), "what is learnt depends on the batch"
    with torch.no_grad():
        method.before_step(1)
        told = method.described(views(8))
    bound, likelihood, latent_kl, component_kl = told[:, -4:].T
    torch.testing.assert_close(bound, likelihood - latent_kl - component_kl)


def test_a_draw_of_z_is_of_its_component_and_another_one_each_time() -> None:
    method = made()
    with torch.no_grad():
        hidden = method.hidden(method.pictures(views())).repeat(500, 1)
        method.before_step(0)
        drawn = method.mixture.drawn(hidden, method.draws(), method.noise).reshape(500, 8, 3)
        shares = method.mixture.posterior.logits(hidden[:8], 3).softmax(1)
        mean, variance = method.mixture.posterior.latents(hidden[:8], 3)
    expected = (shares[..., None] * mean).sum(1)
    spread = ((shares[..., None] * (variance + mean**2)).sum(1) - expected**2).sqrt()
    assert ((drawn.mean(0) - expected).abs() < 4.5 * spread / 500**0.5).all()
    torch.testing.assert_close(drawn.std(0), spread, rtol=0.15, atol=0)


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


# --- growth ---------------------------------------------------------------------------------------------------------


def test_a_new_component_is_an_exact_copy_and_shares_what_the_old_one_had() -> None:
    method = made(decoder="multi")
    hidden = method.hidden(method.pictures(views())).detach()
    before = method.mixture.assigned(hidden)[0]
    assert method.mixture.grow(1) == 3 and int(method.mixture.active) == 4
    for part in (method.mixture.posterior, method.mixture.prior, method.mixture.decoder):
        for name, parameter in part.named_parameters():
            if "_bias" not in name or name.startswith("cluster"):
                assert torch.equal(parameter[1], parameter[3]), name
    after = method.mixture.assigned(hidden)[0]
    assert torch.equal(after[:, 1], after[:, 3])
    torch.testing.assert_close(after[:, 1] + after[:, 3], 2 * before[:, 1] / (1 + before[:, 1]))


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


# --- rehearsal ------------------------------------------------------------------------------------------------------


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
            else -method.bound(method.terms(pictures)).mean()
        )
        method.before_step(1)
        found = method.step(batch(), lambda loss, parameters=None: None)
        torch.testing.assert_close(found, expected.detach())
        losses.append(float(found))
    assert losses[0] != losses[1] == losses[2]


def test_a_reservoir_keeps_each_of_the_past_alike() -> None:
    from unlabeled.training.replay import Reservoir

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


# --- labels ---------------------------------------------------------------------------------------------------------


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


def test_a_label_beyond_the_components_is_an_error_and_not_the_first_class() -> None:
    method = made()
    with pytest.raises(ValueError, match="from 0 to 2"):
        method.component_bound(method.hidden(method.pictures(views())), method.pictures(views()), torch.full((8,), 3))


@pytest.mark.parametrize(
    ("arguments", "labels", "sentence"),
    [
        ({"supervised": True}, False, "needs a label for every sample"),
        ({"supervised": True, "components": 3}, True, "fewer than the 10 classes"),
        ({"supervised": True, "replay": "dynamic"}, True, "supervised takes replay fixed or none"),
        ({"replay_every": 1}, True, "replay_every takes a number of at least 2"),
        ({"snapshot_every": 0}, True, "snapshot_every of 1"),
        ({"replay": "dynamic", "expansion": False}, True, "leave expansion on"),
        ({"replay": "dynamic", "snapshot_every": 5}, True, "leave snapshot_every out"),
        ({"learning_rate": 0.0}, True, "learning_rate take numbers above 0"),
        ({"latent": 0}, True, "at least 1"),
    ],
)
def test_mistakes_are_one_sentence(arguments: dict[str, Any], labels: bool, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        trained(tmp_path, "run", labels=labels, **arguments)


# --- resumed, and over processes --------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("flags", "processes"),
    [
        ({"replay": "dynamic"}, 2),
        ({"replay": "dynamic"}, 4),
        ({"replay": "reservoir", "snapshot_every": 6}, 2),
        ({"replay": "fixed", "snapshot_every": 6, "supervised_replay": True}, 2),
        ({"replay": "fixed", "snapshot_every": 6, "supervised": True}, 2),
        ({"replay": "none", "kl_over_batch": True}, 2),
    ],
    ids=["dynamic", "dynamic by four", "reservoir", "SMGR", "supervised", "KL over the batch"],
)
def test_processes_equal_one_and_grow_at_the_same_step(flags: dict[str, Any], processes: int) -> None:
    whole, shards = shared(flags), run_in_processes(shared, processes, flags)
    assert whole["born"][-1] >= 2 or "supervised" in flags
    for each in shards:
        assert each["born"] == whole["born"]
        for name, expected in whole["weights"].items():
            torch.testing.assert_close(each["weights"][name], expected, rtol=1e-7, atol=1e-9)
        for one, other in zip(each["memory"]["births"], whole["memory"]["births"], strict=True):
            assert torch.equal(one["pictures"], other["pictures"]) and one["source"] == other["source"]
        torch.testing.assert_close(each["memory"]["replay"]["recent"], whole["memory"]["replay"]["recent"])
