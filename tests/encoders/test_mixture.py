"""The mixture behind an encoder: its bound one component after the other, its parts, its copies."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from small_curl import batch, learning, made, views
from unlabeled.methods.curl import CURL


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
            bounds.append(method.terms(pictures).bound(method.over_batch))
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
            found.append((terms.bound(method.over_batch), known))
        assert terms.likelihood.dtype == terms.latent_kl.dtype == torch.float32
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0.15)  # of some -44 nats; bf16 has three digits


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


def test_a_label_beyond_the_components_is_an_error_and_not_the_first_class() -> None:
    method = made()
    with pytest.raises(ValueError, match="from 0 to 2"):
        method.component_bound(method.hidden(method.pictures(views())), method.pictures(views()), torch.full((8,), 3))
