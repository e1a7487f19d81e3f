"""Networks of a handful of layers for small pictures, as CURL has them: an MLP, and a plain stack of convolutions."""

from itertools import pairwise
from math import prod
from typing import TypeVar

import torch
from torch import Tensor, nn

from unlabeled.errors import UserError

MLP, CONV = (1200, 600, 300, 150), (32, 64, 128, 256)

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Channels(nn.Module):
    """How many channels of a picture the network behind it looks at.

    Args:
        channels: 3, or 1 for their mean.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, channels, S, S)."""
        return images if self.channels == 3 else images.mean(1, keepdim=True)


def mlp(image_size: int, widths: tuple[int, ...], strides: tuple[int, ...], channels: int) -> nn.Sequential:
    """Linear layers on all pixels, ReLU after every one, the last too.

    Args:
        image_size: S.
        widths: of the layers, the last of which is the representation's; none for 1200, 600, 300, 150.
        strides: must be left out.
        channels: 1 or 3.

    Raises:
        UserError: strides, or a number outside its range.
    """
    if strides:
        raise UserError("the encoder mlp has no --network.strides; leave them out, or choose conv.")
    layers: list[nn.Module] = [_channels(channels), nn.Flatten()]
    for before, after in pairwise([channels * image_size**2, *_checked(widths or MLP)]):
        layers += [linear_layer(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


def conv(image_size: int, widths: tuple[int, ...], strides: tuple[int, ...], channels: int) -> nn.Sequential:
    """Convolutions of 3 x 3 whose padding keeps the side, and a linear layer on the last map; ReLU after every one.

    Args:
        image_size: S.
        widths: channels of the convolutions, and last the width of the linear layer; none for 32, 64, 128, 256.
        strides: of the convolutions, one fewer than widths; none for 2 each.
        channels: 1 or 3.

    Raises:
        UserError: numbers that do not fit each other, or outside their range.
    """
    widths = _checked(widths or CONV)
    strides = _checked(strides or (2,) * (len(widths) - 1))
    if len(strides) != len(widths) - 1 or len(widths) < 2:
        raise UserError(
            f"the encoder conv takes one stride fewer than widths, of which it takes at least 2, and there are "
            f"{len(widths)} --network.widths and {len(strides)} --network.strides."
        )
    layers: list[nn.Module] = [_channels(channels)]
    side = image_size
    for before, after, stride in zip([channels, *widths], widths[:-1], strides, strict=False):
        layers += [glorot(nn.Conv2d(before, after, 3, stride, 1)), nn.ReLU()]
        side = (side + stride - 1) // stride
    return nn.Sequential(*layers, nn.Flatten(), linear_layer(widths[-2] * side**2, widths[-1]), nn.ReLU())


def linear_layer(before: int, after: int) -> nn.Linear:
    """A linear layer as TensorFlow's Sonnet starts it: `cut_normal` and no bias."""
    layer = nn.Linear(before, after)
    cut_normal(layer.weight, before)
    nn.init.zeros_(layer.bias)
    return layer


@torch.no_grad()
def cut_normal(weight: Tensor, fan_in: int) -> Tensor:
    """Fill a tensor from a normal of deviation 1 / sqrt(fan-in) that is cut at two of these deviations."""
    deviation = fan_in**-0.5
    return nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


def glorot(layer: Layer) -> Layer:
    """Uniform weights of Glorot's range and no bias."""
    nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _channels(channels: int) -> Channels:
    if channels not in (1, 3):
        raise UserError(f"--network.channels takes 1 or 3, got {channels}.")
    return Channels(channels)


def _checked(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if prod(max(0, each) for each in numbers) == 0:
        raise UserError(f"--network.widths and --network.strides take numbers of at least 1, got {list(numbers)}.")
    return tuple(numbers)
