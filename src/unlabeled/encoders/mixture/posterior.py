"""q(y | x) and q(z | x, y): the heads of all components as stacked tensors."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from unlabeled.encoders.images.dense import cut_normal
from unlabeled.objectives.mixture_elbo import wide

VarianceName = Literal["softplus", "exp", "deviation"]
LEAST = 1e-6
"""Of a variance: softplus underflows to 0 in float32 below -100."""


def variance_of(raw: Tensor, variance: VarianceName = "softplus") -> Tensor:
    """The VARIANCE (and not the deviation), at least `LEAST`: softplus(s), exp(s) or softplus(s)^2."""
    (raw,) = wide(raw)
    found = raw.exp() if variance == "exp" else softplus(raw)
    return (found.square() if variance == "deviation" else found).clamp_min(LEAST)


class Posterior(nn.Module):
    """One linear map to the components, and one a component to its Gaussian (CURL, section 2).

        l = W h + b,    q(y | x) = softmax(l_1 .. l_K);    (m_k, s_k) = W_k h + b_k,  q(z | x, k) = N(m_k, softplus s_k)

    All N components are allocated at once and the first K of them are active: a stacked parameter has one gradient and
    one state of the optimiser whatever K, zero in the rows that are not active.

    Args:
        width: E, of h.
        components: N.
        latent: D.
        variance: what s is made a variance by: softplus (as published), exp, or deviation, whose square it is.
    """

    def __init__(self, width: int, components: int, latent: int, variance: VarianceName = "softplus") -> None:
        super().__init__()
        self.latent, self.variance = latent, variance
        self.cluster_weight = nn.Parameter(cut_normal(torch.empty(components, width), width))
        self.cluster_bias = nn.Parameter(torch.zeros(components))
        self.weight = nn.Parameter(cut_normal(torch.empty(components, 2 * latent, width), width))
        self.bias = nn.Parameter(torch.zeros(components, 2 * latent))

    def logits(self, hidden: Tensor, active: int) -> Tensor:
        """h (B, E) to l over the active components, (B, K)."""
        return linear(hidden, self.cluster_weight[:active], self.cluster_bias[:active])

    def latents(self, hidden: Tensor, active: int) -> tuple[Tensor, Tensor]:
        """h (B, E) to the mean and the variance of every active component, (B, K, D) each, in one product."""
        weight = self.weight[:active].flatten(0, 1)  # (K 2D, E)
        both = linear(hidden, weight, self.bias[:active].flatten()).reshape(-1, active, 2, self.latent)
        return both[:, :, 0], variance_of(both[:, :, 1], self.variance)

    @torch.no_grad()
    def copy(self, source: int, target: int) -> None:
        """Make a component the exact copy of another."""
        for parameter in self.parameters():
            parameter[target] = parameter[source]
