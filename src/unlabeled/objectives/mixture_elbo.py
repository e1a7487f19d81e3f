"""The evidence lower bound of an auto-encoder whose prior is a mixture of Gaussians, with the component summed out."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from unlabeled.distributed import gather


def wide(*tensors: Tensor) -> list[Tensor]:
    """Half precision made float32; others as they are."""
    return [each.float() if each.dtype in (torch.float16, torch.bfloat16) else each for each in tensors]


class _Bernoulli(torch.autograd.Function):
    """Keeps the logits alone, and forms the gradient x - sigmoid(l) in one pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, pixels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, pixels)
        on = torch.bmm(logits, pixels[:, :, None]).squeeze(2)  # (B, K)
        # log(1 + exp l) = max(l, 0) - log sigmoid |l|, whose steps torch does many at a time, unlike softplus
        return on - logits.clamp_min(0).sum(2) + logits.abs().sigmoid_().log_().sum(2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, pixels = ctx.saved_tensors
        return torch.sigmoid(logits).neg_().add_(pixels[:, None]).mul_(gradient[:, :, None]), None


def bernoulli_log_likelihood(logits: Tensor, pixels: Tensor) -> Tensor:
    """log p(x | z_k) of independent Bernoulli pixels: sum_i x_i l_ki - log(1 + exp l_ki), in nats.

    Args:
        logits: l, (B, K, I).
        pixels: x within [0, 1], (B, I); no gradient goes to them.

    Returns:
        (B, K).
    """
    (logits,) = wide(logits)
    with torch.autocast(logits.device.type, enabled=False):  # which would make the product of half precision again
        found: Tensor = _Bernoulli.apply(logits, pixels.to(logits.dtype))
    return found


def gaussian_log_likelihood(means: Tensor, pixels: Tensor, deviation: float) -> Tensor:
    """log p(x | z_k) of independent Gaussian pixels of one deviation s, in nats.

        sum_i - (x_i - m_ki)^2 / (2 s^2) - log(s sqrt(2 pi))

    Args:
        means: m, (B, K, I).
        pixels: x, (B, I).
        deviation: s, above 0.

    Returns:
        (B, K).
    """
    means, pixels = wide(means, pixels)
    squared = (pixels[:, None] - means).square().sum(2)
    return -squared / (2 * deviation**2) - pixels.shape[1] * math.log(deviation * math.sqrt(2 * math.pi))


def gaussian_kl(mean: Tensor, variance: Tensor, prior_mean: Tensor, prior_variance: Tensor) -> Tensor:
    """KL(N(m, v) || N(M, V)) of diagonal Gaussians, summed over the last dimension, in nats.

        1/2 sum_d (v_d + (m_d - M_d)^2) / V_d - 1 + log(V_d / v_d)

    Args:
        mean: m, (..., D).
        variance: v above 0, (..., D).
        prior_mean: M, which broadcasts to (..., D).
        prior_variance: V above 0, likewise.
    """
    mean, variance, prior_mean, prior_variance = wide(mean, variance, prior_mean, prior_variance)
    ratio = variance / prior_variance
    return 0.5 * (ratio + (mean - prior_mean).square() / prior_variance - 1 - ratio.log()).sum(-1)


def categorical_kl(logits: Tensor) -> Tensor:
    """KL(softmax(l) || uniform over K) = sum_k pi_k log(K pi_k) of each row, in nats: (B, K) to (B,)."""
    log_share = log_softmax(logits, 1)
    return (log_share.exp() * log_share).sum(1) + math.log(logits.shape[1])


def mixture_elbo(log_likelihood: Tensor, latent_kl: Tensor, logits: Tensor, over_batch: bool = False) -> Tensor:
    """The bound on log p(x) with the expectation over components in full (CURL, equation of section 3.2).

        ll = sum_k pi_k (r_k - kl_k) - KL(pi || uniform),    pi = softmax(l)

    Nothing is detached: the gradient goes through pi, r and kl alike.

    Args:
        log_likelihood: r, (B, K).
        latent_kl: kl, (B, K).
        logits: l over the K active components, (B, K).
        over_batch: take the mean of pi over the batch of all processes in the last term; ll then is no longer a
            matter of the sample alone.

    Returns:
        ll, (B,), in nats.

    Raises:
        ValueError: three shapes.
    """
    if not log_likelihood.shape == latent_kl.shape == logits.shape:
        raise ValueError(
            f"mixture_elbo takes three (B, K) of one shape, got {tuple(log_likelihood.shape)}, "
            f"{tuple(latent_kl.shape)} and {tuple(logits.shape)}"
        )
    log_likelihood, latent_kl, logits = wide(log_likelihood, latent_kl, logits)
    shares = logits.softmax(1)
    kl = categorical_kl(gather(shares).mean(0, keepdim=True).log()) if over_batch else categorical_kl(logits)
    return (shares * (log_likelihood - latent_kl)).sum(1) - kl


def component_elbo(log_likelihood: Tensor, latent_kl: Tensor, logits: Tensor, component: Tensor) -> Tensor:
    """What takes the bound's place where the component is known: r_c - kl_c + log q(c | x) (CURL, section 3.3).

    Args:
        log_likelihood: r of that component, (B,).
        latent_kl: kl of that component, (B,).
        logits: over the K active components, (B, K).
        component: c, int64 (B,), each from 0 to K - 1.

    Returns:
        (B,), in nats.

    Raises:
        ValueError: a component that is not active.
    """
    if not bool(((component >= 0) & (component < logits.shape[1])).all()):
        raise ValueError(f"a component is from 0 to {logits.shape[1] - 1}, got {component.tolist()}")
    log_likelihood, latent_kl, logits = wide(log_likelihood, latent_kl, logits)
    return log_likelihood - latent_kl - cross_entropy(logits, component, reduction="none")
