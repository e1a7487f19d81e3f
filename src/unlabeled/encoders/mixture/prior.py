"""p(z | y): one Gaussian a component."""

import torch
from torch import Tensor, nn

from unlabeled.encoders.images.dense import cut_normal
from unlabeled.encoders.mixture.posterior import VarianceName, variance_of


class Prior(nn.Module):
    """p(z | y = k) = N(M_k + b, softplus(S_k + c)), with rows of its own and biases that all components share.

    The published prior is a linear map of the one-hot component, hence the shared bias; without it each component has
    its own parameters alone (CURL, section 8.2).

    Args:
        components: N.
        latent: D.
        shared_bias: whether there is b and c.
        variance: as of `Posterior`.
    """

    def __init__(
        self, components: int, latent: int, shared_bias: bool = True, variance: VarianceName = "softplus"
    ) -> None:
        super().__init__()
        self.variance = variance
        self.mean = nn.Parameter(cut_normal(torch.empty(components, latent), components))
        self.raw = nn.Parameter(cut_normal(torch.empty(components, latent), components))
        self.mean_bias = nn.Parameter(torch.zeros(latent)) if shared_bias else None
        self.raw_bias = nn.Parameter(torch.zeros(latent)) if shared_bias else None

    def forward(self, active: int) -> tuple[Tensor, Tensor]:
        """Mean and variance of the active components, (K, D) each."""
        mean, raw = self.mean[:active], self.raw[:active]
        if self.mean_bias is not None and self.raw_bias is not None:
            mean, raw = mean + self.mean_bias, raw + self.raw_bias
        return mean, variance_of(raw, self.variance)

    @torch.no_grad()
    def copy(self, source: int, target: int) -> None:
        """Make a component the exact copy of another."""
        for rows in (self.mean, self.raw):
            rows[target] = rows[source]
