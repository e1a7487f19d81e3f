"""The bound against the equation written out in NumPy, torch's own distributions and finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from unlabeled.objectives import component_elbo, mixture_elbo
from unlabeled.objectives.mixture_elbo import (
    bernoulli_log_likelihood,
    categorical_kl,
    gaussian_kl,
    gaussian_log_likelihood,
)


def parts(batch: int = 5, components: int = 4, seed: int = 0) -> list[Tensor]:
    """r, kl and logits, (B, K) each, float64."""
    rng = np.random.default_rng(seed)
    r, kl, logits = rng.standard_normal((3, batch, components))
    return [torch.from_numpy(each) for each in (20 * r - 60, 5 * np.abs(kl), 2 * logits)]


def written_out(r: np.ndarray, kl: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Section 3.2 of the specification, one sample and one component at a time."""
    found = []
    for sample in range(len(r)):
        pi = np.exp(logits[sample]) / np.exp(logits[sample]).sum()
        count = len(pi)
        ky = sum(pi[k] * np.log(count * pi[k]) for k in range(count))
        found.append(sum(pi[k] * (r[sample, k] - kl[sample, k]) for k in range(count)) - ky)
    return np.array(found)


@given(batch=st.integers(1, 6), components=st.integers(1, 7), seed=st.integers(0, 99))
def test_the_bound_is_the_written_out_sum_over_components(batch: int, components: int, seed: int) -> None:
    given_parts = parts(batch, components, seed)
    expected = written_out(*(each.numpy() for each in given_parts))
    np.testing.assert_allclose(mixture_elbo(*given_parts).numpy(), expected, rtol=1e-12)


def test_one_component_is_a_plain_auto_encoder() -> None:
    r, kl, logits = parts(components=1)
    torch.testing.assert_close(mixture_elbo(r, kl, logits), (r - kl)[:, 0], rtol=1e-14, atol=0)
    assert categorical_kl(logits).abs().max() == 0


def test_the_gradient_by_a_logit_is_the_derived_one_so_nothing_is_detached() -> None:
    """pi_k (a_k - sum_j pi_j a_j) with a_k = r_k - kl_k - log(K pi_k), and finite differences."""
    r, kl, logits = parts()
    logits.requires_grad_()
    (found,) = torch.autograd.grad(mixture_elbo(r, kl, logits).sum(), logits)
    pi = logits.detach().softmax(1)
    a = r - kl - (pi.shape[1] * pi).log()
    torch.testing.assert_close(found, pi * (a - (pi * a).sum(1, keepdim=True)), rtol=1e-10, atol=1e-12)
    step = torch.zeros_like(logits)
    step[2, 1] = 1e-6
    up, down = (mixture_elbo(r, kl, logits.detach() + sign * step)[2] for sign in (1, -1))
    assert float((up - down) / 2e-6) == pytest.approx(float(found[2, 1]), rel=1e-7)


def test_the_gradient_is_another_where_the_shares_are_detached() -> None:
    r, kl, logits = parts()
    logits.requires_grad_()
    detached = (logits.softmax(1).detach() * (r - kl)).sum(1) - categorical_kl(logits)
    torch.testing.assert_close(detached, mixture_elbo(r, kl, logits))
    wrong, right = (torch.autograd.grad(each.sum(), logits)[0] for each in (detached, mixture_elbo(r, kl, logits)))
    assert (wrong - right).abs().max() > 0.1


def test_known_components_weighted_by_their_shares_give_the_bound_back() -> None:
    """sum_k pi_k ll_sup(x, k) = ll(x) + KL(pi) + sum pi log pi: invariant 6."""
    r, kl, logits = parts()
    pi = logits.softmax(1)
    each = torch.stack(
        [component_elbo(r[:, k], kl[:, k], logits, torch.full((len(r),), k)) for k in range(r.shape[1])], 1
    )
    expected = mixture_elbo(r, kl, logits) + categorical_kl(logits) + (pi * pi.log()).sum(1)
    torch.testing.assert_close((pi * each).sum(1), expected, rtol=1e-12, atol=0)


def test_a_component_that_is_not_active_is_refused_and_not_taken_for_the_first() -> None:
    r, kl, logits = parts()
    with pytest.raises(ValueError, match="from 0 to 3"):
        component_elbo(r[:, 0], kl[:, 0], logits, torch.full((5,), 4))


@given(components=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_kl_of_components_is_log_k_less_the_entropy(components: int, seed: int) -> None:
    logits = parts(components=components, seed=seed)[2]
    pi = logits.softmax(1).numpy()
    np.testing.assert_allclose(
        categorical_kl(logits).numpy(), math.log(components) + (pi * np.log(pi)).sum(1), atol=1e-12
    )


def test_the_kl_over_the_batch_is_that_of_the_mean() -> None:
    r, kl, logits = parts()
    pi = logits.softmax(1)
    mean = pi.mean(0)
    expected = (pi * (r - kl)).sum(1) - (mean * (4 * mean).log()).sum()
    torch.testing.assert_close(mixture_elbo(r, kl, logits, over_batch=True), expected)


def test_the_kl_of_latents_is_torchs_and_takes_variances() -> None:
    rng = np.random.default_rng(0)
    m, n = torch.from_numpy(rng.standard_normal((2, 3, 4, 6)))
    v, w = torch.from_numpy(rng.uniform(0.1, 3, (2, 3, 4, 6)))
    expected = kl_divergence(Normal(m, v.sqrt()), Normal(n, w.sqrt())).sum(-1)
    torch.testing.assert_close(gaussian_kl(m, v, n, w), expected, rtol=1e-12, atol=1e-12)


def test_bits_have_the_likelihood_and_the_gradient_of_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(30 * rng.standard_normal((3, 4, 7))).requires_grad_()
    pixels = torch.from_numpy(rng.uniform(0, 1, (3, 7)))
    found = bernoulli_log_likelihood(logits, pixels)
    target = pixels[:, None].expand(3, 4, 7)
    expected = -binary_cross_entropy_with_logits(logits, target, reduction="none").sum(2)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)
    weight = torch.from_numpy(rng.standard_normal((3, 4)))
    ours, theirs = (torch.autograd.grad((each * weight).sum(), logits)[0] for each in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_gaussian_pixels_have_torchs_density() -> None:
    rng = np.random.default_rng(0)
    means, pixels = torch.from_numpy(rng.random((3, 4, 7))), torch.from_numpy(rng.random((3, 7)))
    expected = Normal(means, 0.3).log_prob(pixels[:, None]).sum(2)
    torch.testing.assert_close(gaussian_log_likelihood(means, pixels, 0.3), expected)


def test_three_shapes_are_refused() -> None:
    r, kl, logits = parts()
    with pytest.raises(ValueError, match="of one shape"):
        mixture_elbo(r, kl[:, :2], logits)


def test_the_bound_is_below_the_likelihood_and_touches_it_at_the_true_posterior() -> None:
    """A linear-Gaussian world of two components, whose log p(x) is known: invariant 5."""
    rng = np.random.default_rng(0)
    means, deviation, x = np.array([[-1.0], [2.0]]), 0.5, np.array([0.3])  # z ~ N(M_k, 1), x ~ N(z, s^2)
    evidence = [Normal(float(mean[0]), math.sqrt(1 + deviation**2)).log_prob(torch.tensor(x)).item() for mean in means]
    log_p = math.log(sum(math.exp(each) for each in evidence) / 2)
    variance = 1 / (1 + 1 / deviation**2)
    posterior = [variance * (mean[0] + x[0] / deviation**2) for mean in means]

    def mean_bound(shift: float, logits: np.ndarray) -> float:
        noise = rng.standard_normal((20000, 2))
        m = torch.tensor([[p + shift] for p in posterior])
        z = m[:, 0].numpy() + math.sqrt(variance) * noise  # (draws, K)
        r = Normal(torch.from_numpy(z), deviation).log_prob(torch.tensor(x[0]))
        kl = gaussian_kl(m, torch.full((2, 1), variance), torch.from_numpy(means), torch.ones(2, 1))
        bounds = mixture_elbo(r, kl.double().expand(20000, 2), torch.from_numpy(logits).expand(20000, 2))
        return float(bounds.mean())

    assert mean_bound(0.0, np.array(evidence)) == pytest.approx(log_p, abs=0.02)
    assert mean_bound(0.4, np.array(evidence)) < log_p - 0.1
    assert mean_bound(0.0, np.array([4.0, 0.0])) < log_p - 0.1


def test_the_share_of_the_log_likelihood_is_computed_in_full_precision() -> None:
    """Logits that are all but certain: the product of half precision would be off by more than the bound."""
    logits = torch.where(torch.arange(784) % 3 == 0, 11.7, -11.3)[None, None]
    pixels = (logits[0] > 0).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = bernoulli_log_likelihood(logits, pixels)
    expected = Bernoulli(logits=logits.double()).log_prob(pixels.double()).sum(-1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("components", [1, 4, 29])
def test_one_more_component_costs_every_sample_the_logarithm_of_its_share_in_the_prior(components: int) -> None:
    """The prior is uniform over the active ones: one that no sample is in still costs log((K + 1) / K)."""
    logits = torch.randn(6, components, dtype=torch.float64)
    more = torch.cat([logits, torch.full((6, 1), -1e4, dtype=torch.float64)], 1)
    torch.testing.assert_close(
        categorical_kl(more) - categorical_kl(logits),
        torch.full((6,), math.log((components + 1) / components), dtype=torch.float64),
    )
