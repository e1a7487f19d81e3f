"""The mixture behind an encoder: its posterior, its prior and its decoder, and how many components are active."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unlabeled import chance
from unlabeled.encoders.mixture.decoders import DECODERS, DecoderName, Upsampling
from unlabeled.encoders.mixture.posterior import Posterior, VarianceName
from unlabeled.encoders.mixture.prior import Prior
from unlabeled.objectives.mixture_elbo import (
    bernoulli_log_likelihood,
    categorical_kl,
    component_elbo,
    gaussian_kl,
    gaussian_log_likelihood,
    mixture_elbo,
)

Noise = Callable[[Tensor], Tensor]
"""Standard normal draws, one for every row and value of a tensor."""


class Terms(NamedTuple):
    """Of every sample and active component, (B, K) each: logits of q(y | x), log p(x | z), KL of z."""

    logits: Tensor
    likelihood: Tensor
    latent_kl: Tensor

    def bound(self, over_batch: bool = False) -> Tensor:
        """ll of every sample, (B,); `over_batch` as of `mixture_elbo`."""
        return mixture_elbo(self.likelihood, self.latent_kl, self.logits, over_batch)

    def parts(self) -> Tensor:
        """What a sample's ll is the first less the others of, (B, 3): E log p(x | z), E KL(z), KL(y), over q(y | x)."""
        shares = self.logits.softmax(1)
        means = ((shares * each).sum(1) for each in (self.likelihood, self.latent_kl))
        return torch.stack([*means, categorical_kl(self.logits)], 1)


class Mixture(nn.Module):
    """p(y) uniform over the active components, p(z | y) Gaussian, p(x | z) a decoder; q(y | x) and q(z | x, y) on h.

    Args:
        width: E, of the encoder's h.
        components: N, allocated; one is active at first.
        latent: D.
        picture: (C, S, S).
        decoder: single, multi or deconv.
        decoder_widths: of its layers.
        upsampling: of deconv.
        deviation: of a Gaussian pixel, or None for bits.
        shared_bias: of the prior.
        variance: as of `Posterior`.
    """

    active: Tensor

    def __init__(
        self,
        width: int,
        components: int,
        latent: int,
        picture: tuple[int, int, int],
        decoder: DecoderName,
        decoder_widths: tuple[int, ...],
        upsampling: Upsampling,
        deviation: float | None,
        shared_bias: bool,
        variance: VarianceName = "softplus",
    ) -> None:
        super().__init__()
        self.latent, self.picture, self.deviation = latent, picture, deviation
        self.posterior = Posterior(width, components, latent, variance)
        self.prior = Prior(components, latent, shared_bias, variance)
        make = partial(DECODERS[decoder], upsampling=upsampling) if decoder == "deconv" else DECODERS[decoder]
        self.decoder = make(components, latent, picture, decoder_widths)
        self.register_buffer("active", torch.tensor(1))

    def terms(self, hidden: Tensor, pictures: Tensor, noise: Noise) -> Terms:
        """Everything that the bound is made of, for all active components in one product.

        Args:
            hidden: h, (B, E).
            pictures: (B, C, S, S).
            noise: of the latents.
        """
        active = int(self.active)
        mean, variance = self.posterior.latents(hidden, active)  # (B, K, D)
        latents = mean + variance.sqrt() * noise(mean)
        likelihood = self._likelihood(self.decoder(latents), pictures)
        kl = gaussian_kl(mean, variance, *self.prior(active))
        return Terms(self.posterior.logits(hidden, active), likelihood, kl)

    def component_bound(self, hidden: Tensor, pictures: Tensor, component: Tensor, noise: Noise) -> Tensor:
        """`component_elbo` of known components, int64 (B,), to (B,): one decoding a sample.

        Raises:
            ValueError: a component is not active.
        """
        active, rows = int(self.active), torch.arange(len(hidden), device=hidden.device)
        if not bool(((component >= 0) & (component < active)).all()):
            raise ValueError(f"a component is from 0 to {active - 1}, the active ones, got {int(component.max())}")
        mean, variance = (each[rows, component] for each in self.posterior.latents(hidden, active))
        latents = mean + variance.sqrt() * noise(mean)
        likelihood = self._likelihood(self.decoder.of(latents, component)[:, None], pictures)[:, 0]
        kl = gaussian_kl(mean, variance, *(each[component] for each in self.prior(active)))
        return component_elbo(likelihood, kl, self.posterior.logits(hidden, active), component)

    def _likelihood(self, decoded: Tensor, pictures: Tensor) -> Tensor:
        if self.deviation is None:
            return bernoulli_log_likelihood(decoded, pictures.flatten(1))
        return gaussian_log_likelihood(decoded, pictures.flatten(1), self.deviation)

    def assigned(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, E) to q(y | x), (B, K), and the mean of z under the most probable component, (B, D)."""
        logits = self.posterior.logits(hidden, int(self.active))
        mean, _ = self.posterior.latents(hidden, int(self.active))
        return logits.softmax(1), mean[torch.arange(len(mean), device=mean.device), logits.argmax(1)]

    def drawn(self, hidden: Tensor, generator: torch.Generator, noise: Noise) -> Tensor:
        """h (B, E) to a draw of z, (B, D): y ~ q(y | x), z ~ q(z | x, y)."""
        shares = self.posterior.logits(hidden, int(self.active)).softmax(1)
        mean, variance = self.posterior.latents(hidden, int(self.active))
        rows = torch.arange(len(mean), device=mean.device)
        component = torch.multinomial(shares.cpu().float(), 1, generator=generator)[:, 0].to(mean.device)
        return mean[rows, component] + variance[rows, component].sqrt() * noise(mean[:, 0])

    @torch.no_grad()
    def sample(self, component: int, count: int, seed: int = 0) -> Tensor:
        """Pictures that a component generates, (n, C, S, S) within [0, 1]: means of p(x | z), z drawn from its prior.

        Raises:
            ValueError: it is not active.
        """
        active = int(self.active)
        if not 0 <= component < active:
            raise ValueError(f"a component is from 0 to {active - 1}, got {component}")
        mean, variance = (each[component] for each in self.prior(active))
        generator = chance.torch_generator(seed, chance.MODEL, component)
        latents = mean + variance.sqrt() * torch.randn(count, len(mean), generator=generator).to(mean)
        decoded = self.decoder.of(latents, torch.full((count,), component, device=mean.device))
        return self.shown(decoded).reshape(count, *self.picture)

    def shown(self, decoded: Tensor) -> Tensor:
        """What the decoder gives as pixels within [0, 1]."""
        return decoded.sigmoid() if self.deviation is None else decoded.clamp(0, 1)

    def rehearsed(self, decoded: Tensor) -> Tensor:
        """The same as pixels to rehearse, (B, I): means, rounded at a half where they are bits, as published."""
        return decoded if self.deviation is not None else (decoded > 0).to(decoded.dtype)

    @torch.no_grad()
    def grow(self, source: int) -> int:
        """Make one more component, the exact copy of another; returns its number."""
        new = int(self.active)
        for part in (self.posterior, self.prior, self.decoder):
            part.copy(source, new)
        self.active += 1
        return new
