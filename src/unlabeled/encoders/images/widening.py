"""ResNets of several times the width, as SimCLR's x2 and x4."""

import torch
from torch import nn

from unlabeled.errors import UserError


def widen(network: nn.Module, factor: int) -> None:
    """Multiply every number of channels inside a network by `factor`, in place (Chen et al. 2020, figure 7).

    All of them, those of the stem and of the representation too: ResNet-50 has 24, 94 and 375 million
    parameters at factors 1, 2 and 4. (A "wide ResNet" of the libraries widens the inside of its blocks
    only.) Convolutions are drawn anew by He's fan-out, as the libraries' ResNets start; a batch norm
    keeps its scale, so that a scale of 0 at the end of a block stays one.

    Raises:
        UserError: there are layers other than convolutions and batch norm.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            _widen_convolution(layer, factor)
        elif isinstance(layer, nn.BatchNorm2d):
            _widen_norm(layer, factor)
        elif [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]:
            raise UserError(
                f"--network.width-multiplier is for networks of convolutions and batch norm, and this one has a "
                f"{type(layer).__name__}; leave it out or choose a ResNet."
            )


def _widen_convolution(layer: nn.Conv2d, factor: int) -> None:
    if layer.groups == layer.in_channels > 1:  # depthwise: a channel a group, whatever the width
        layer.groups *= factor
    if layer.in_channels != 3:  # red, green and blue stay three
        layer.in_channels *= factor
    layer.out_channels *= factor
    shape = layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size
    layer.weight = nn.Parameter(layer.weight.new_empty(shape))
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.new_zeros(layer.out_channels))


def _widen_norm(layer: nn.BatchNorm2d, factor: int) -> None:
    layer.num_features *= factor
    for name in ("weight", "bias"):
        values = getattr(layer, name)
        if values is not None:
            setattr(layer, name, nn.Parameter(values.detach().repeat(factor)))
    for name in ("running_mean", "running_var"):
        values = getattr(layer, name)
        if isinstance(values, torch.Tensor):
            setattr(layer, name, values.repeat(factor))
