"""p(x | z): the latent sample of every component to the logits of every pixel, all components in one product."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unlabeled.encoders.images.dense import cut_normal, glorot, linear_layer

DecoderName = Literal["single", "multi", "deconv"]
Upsampling = Literal["transposed", "resize"]


class Decoder(Protocol):
    """Latents to pixels."""

    def forward(self, latents: Tensor) -> Tensor:
        """z of components 0 to K - 1, (B, K, D), to (B, K, I)."""

    def of(self, latents: Tensor, component: Tensor) -> Tensor:
        """z of one component a sample, (B, D), and which it is, int64 (B,), to (B, I): the cost of one component."""

    def copy(self, source: int, target: int) -> None:
        """Make a component the copy of another, where components have parameters of their own."""


class Single(nn.Module):
    """One MLP for all components (the published default), ReLU between its layers.

    Args:
        components: N.
        latent: D.
        picture: (C, S, S), of I = C S S pixels.
        widths: of the layers between.
    """

    def __init__(self, components: int, latent: int, picture: tuple[int, int, int], widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = [latent, *widths, picture[0] * picture[1] * picture[2]]
        layers: list[nn.Module] = []
        for place, (before, after) in enumerate(pairwise(sizes)):
            layers += [nn.ReLU()] if place else []
            layers.append(linear_layer(before, after))
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, K, D) to (B, K, I): one product of B K rows a layer."""
        out: Tensor = self.layers(latents.flatten(0, 1))
        return out.reshape(*latents.shape[:2], -1)

    def of(self, latents: Tensor, component: Tensor) -> Tensor:
        """(B, D) to (B, I)."""
        out: Tensor = self.layers(latents)
        return out

    def copy(self, source: int, target: int) -> None:
        """There is nothing to copy: all components share it."""


class Multi(nn.Module):
    """One MLP a component, p(x | z, y), stacked. Latents of two components then have no space in common.

    Args:
        components: N.
        latent: D.
        picture: (C, S, S).
        widths: of the layers between.
    """

    def __init__(self, components: int, latent: int, picture: tuple[int, int, int], widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = list(pairwise([latent, *widths, picture[0] * picture[1] * picture[2]]))
        self.weights = nn.ParameterList(cut_normal(torch.empty(components, a, b), a) for a, b in sizes)
        self.biases = nn.ParameterList(torch.zeros(components, 1, b) for _, b in sizes)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, K, D) to (B, K, I): one batched product a layer."""
        active = latents.shape[1]
        return self._through(latents.transpose(0, 1), slice(active)).transpose(0, 1)

    def of(self, latents: Tensor, component: Tensor) -> Tensor:
        """(B, D) to (B, I), the samples of each component together."""
        present = sorted(set(component.tolist()))
        found = [self._through(latents[component == each][None], slice(each, each + 1))[0] for each in present]
        order = component.argsort(stable=True)  # the rows of `found`
        return torch.cat(found)[order.argsort()]

    def _through(self, rows: Tensor, which: slice) -> Tensor:
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            rows = torch.baddbmm(bias[which], rows.relu() if place else rows, weight[which])
        return rows

    @torch.no_grad()
    def copy(self, source: int, target: int) -> None:
        """Its layers, which the paper does not speak of: without them a new component would start from nothing."""
        for parameter in self.parameters():
            parameter[target] = parameter[source]


class Deconv(nn.Module):
    """The convolutional encoder turned round: two dense layers, 3 x 3 convolutions that double the side, cut to size.

    Args:
        components: N.
        latent: D.
        picture: (C, S, S).
        widths: channels, from the smallest map to the largest; each step but the first doubles the side.
        upsampling: a transposed convolution, or nearest neighbours and a convolution.
    """

    def __init__(
        self,
        components: int,
        latent: int,
        picture: tuple[int, int, int],
        widths: tuple[int, ...],
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        sides = [picture[1]]
        for _ in widths[1:]:
            sides.insert(0, (sides[0] + 1) // 2)
        self.sides, self.first = sides, (widths[0], sides[0], sides[0])
        self.dense = nn.Sequential(
            linear_layer(latent, widths[0]), nn.ReLU(), linear_layer(widths[0], widths[0] * sides[0] ** 2), nn.ReLU()
        )
        make = transposed if upsampling == "transposed" else resized
        self.ups = nn.ModuleList(make(before, after) for before, after in pairwise(widths))
        self.last = glorot(nn.Conv2d(widths[-1], picture[0], 3, padding=1))

    def forward(self, latents: Tensor) -> Tensor:
        """(B, K, D) to (B, K, I)."""
        return self._maps(latents.flatten(0, 1)).reshape(*latents.shape[:2], -1)

    def of(self, latents: Tensor, component: Tensor) -> Tensor:
        """(B, D) to (B, I)."""
        return self._maps(latents)

    def _maps(self, rows: Tensor) -> Tensor:
        maps = self.dense(rows).reshape(-1, *self.first)
        for up, side in zip(self.ups, self.sides[1:], strict=True):
            maps = centred(up(maps), side).relu()
        pixels: Tensor = self.last(maps)
        return pixels.flatten(1)

    def copy(self, source: int, target: int) -> None:
        """There is nothing to copy: all components share it."""


class _Resized(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = glorot(nn.Conv2d(before, after, 3, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.convolution(interpolate(maps, scale_factor=2.0, mode="nearest"))
        return out


def transposed(before: int, after: int) -> nn.Module:
    """(B, before, h, h) to (B, after, 2h + 1, 2h + 1)."""
    return glorot(nn.ConvTranspose2d(before, after, 3, stride=2))


def resized(before: int, after: int) -> nn.Module:
    """(B, before, h, h) to (B, after, 2h, 2h)."""
    return _Resized(before, after)


def centred(maps: Tensor, side: int) -> Tensor:
    """The middle of maps (B, C, h, h), at least `side` large: (B, C, side, side)."""
    start = (maps.shape[2] - side) // 2
    return maps[:, :, start : start + side, start : start + side]


DECODERS: dict[str, Callable[..., Single | Multi | Deconv]] = {"single": Single, "multi": Multi, "deconv": Deconv}
"""Name to (components, latent, picture, widths) -> decoder."""
