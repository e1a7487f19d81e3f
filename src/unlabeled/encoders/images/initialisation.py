"""How the weights of a network of convolutions start."""

from collections.abc import Callable, Iterator
from typing import Literal

from torch import nn

from unlabeled.errors import UserError

Initialisation = Literal["default", "simclr", "he", "pytorch"]

_CUT = 0.87962566103423978
"""The deviation of a standard normal variable that is cut at -2 and 2."""


def default(network: nn.Module) -> None:
    """The network as its library or its paper made it."""


def simclr(network: nn.Module) -> None:
    """Convolutions from a normal of variance 1 / (inputs), cut at two deviations; blocks start as their shortcuts.

    SimCLR's official code (`resnet.py`): variance scaling by the fan-in at scale 1, which is half of He's.
    The scale of the last batch norm of every residual block is 0 (of a pre-activation block, which ends
    in a convolution, that one's weights), so that the network starts shallow.
    """
    for layer in _layers(network):
        if isinstance(layer, nn.Conv2d):
            deviation = (layer.weight.shape[1] * layer.weight.shape[2] * layer.weight.shape[3]) ** -0.5 / _CUT
            nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    _plain_rest(network)
    for block in network.modules():
        _zero_last(block)


def he(network: nn.Module) -> None:
    """Convolutions from N(0, 2 / (k^2 outputs)): He's fan-out, as SeLa's AlexNet and its first ResNet start."""
    for layer in _layers(network):
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    _plain_rest(network)


def pytorch(network: nn.Module) -> None:
    """Every layer as PyTorch makes it, as SeLa's pre-activation ResNet starts."""
    for layer in _layers(network):
        layer.reset_parameters()


INITIALISATIONS: dict[str, Callable[[nn.Module], None]] = {
    "default": default,
    "simclr": simclr,
    "he": he,
    "pytorch": pytorch,
}
"""Name to what it does to a network."""

Layer = nn.Conv2d | nn.Linear | nn.BatchNorm2d


def _layers(network: nn.Module) -> Iterator[Layer]:
    """The layers with weights, which must be of kinds that have such an initialisation."""
    for layer in network.modules():
        if isinstance(layer, Layer):
            yield layer
        elif any(True for _ in layer.parameters(recurse=False)):
            raise UserError(
                f"--network.initialisation is for networks of convolutions and batch norm, and this one has a "
                f"{type(layer).__name__}; leave it out or choose a ResNet."
            )


def _plain_rest(network: nn.Module) -> None:
    """Linear layers from N(0, 0.01^2), scales 1, biases 0."""
    for layer in _layers(network):
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
        if isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.ones_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _zero_last(block: nn.Module) -> None:
    if hasattr(block, "zero_init_last"):  # ours and timm's
        block.zero_init_last()  # type: ignore[operator]
        return
    last = getattr(block, "bn3", None) or getattr(block, "bn2", None)  # torchvision's
    if isinstance(last, nn.BatchNorm2d):
        nn.init.zeros_(last.weight)
