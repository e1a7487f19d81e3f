"""Backbones for pictures by name: timm's, torchvision's, and those of papers that neither has."""

from difflib import get_close_matches
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unlabeled.encoders.images.alexnet import WIDTHS, AlexNet
from unlabeled.encoders.images.dense import conv, mlp
from unlabeled.encoders.images.encoder import ImageEncoder
from unlabeled.encoders.images.initialisation import INITIALISATIONS, Initialisation
from unlabeled.encoders.images.residual import small_resnet
from unlabeled.encoders.images.widening import widen
from unlabeled.errors import UserError

SMALL = 64
"""Views of up to this many pixels a side get the small default network and the small stem."""

Stem = Literal["auto", "small", "standard"]
DENSE = {"mlp": mlp, "conv": conv}
"""Name to (image_size, widths, strides, channels) -> network."""


def default_name(image_size: int) -> str:
    """The backbone for views of that size: `small_resnet` up to 64 pixels, `resnet10t` to 128, `resnet18` above."""
    return "small_resnet" if image_size <= SMALL else "resnet10t" if image_size <= 128 else "resnet18"


def image_encoder(
    name: str,
    image_size: int,
    stem: Stem = "auto",
    width_multiplier: int = 1,
    initialisation: Initialisation = "default",
    widths: tuple[int, ...] = (),
    strides: tuple[int, ...] = (),
    channels: int = 1,
) -> ImageEncoder:
    """Build a backbone by name, with random weights.

    Args:
        name: `small_resnet`, `alexnet_big`, `alexnet_small`, `mlp`, `conv`, a timm or a torchvision model;
            `timm/NAME` or `torchvision/NAME` says which is meant.
        image_size: side of the views in pixels.
        stem: `small` replaces a residual network's first convolution by 3 x 3 of stride 1 and drops the pooling
            after it (appendix B.9); `auto` does so up to 64 pixels; `standard` leaves the network as it is.
        width_multiplier: of every width of a ResNet, at least 1; SimCLR's are 1, 2 and 4.
        initialisation: `default`, the library's own; `simclr`, fan-in and blocks that start as their shortcuts;
            `he`, fan-out; `pytorch`, each layer's own.
        widths: of the layers of mlp (by default 1200 600 300 150) or conv (32 64 128 256, the last a linear layer).
        strides: of the convolutions of conv, one fewer than widths; by default 2 each.
        channels: that mlp and conv look at: 3, or 1 for their mean.

    Raises:
        UserError: no such model, the views are too small for it, or it has no small stem, other width or
            initialisation.
    """
    if width_multiplier < 1:
        raise UserError(f"--network.width-multiplier takes a number of at least 1, got {width_multiplier}.")
    if initialisation not in INITIALISATIONS:
        raise UserError(f"--network.initialisation takes one of {', '.join(INITIALISATIONS)}, got {initialisation!r}.")
    if name in DENSE:
        if (stem, width_multiplier, initialisation) != ("auto", 1, "default"):
            raise UserError(
                f"{name} has no --network.stem, width-multiplier or initialisation; leave them out, or choose widths."
            )
        return _encoder(DENSE[name](image_size, tuple(widths), tuple(strides), channels), image_size)
    if widths or strides or channels != 1:
        raise UserError(f"{name} has no --network.widths, strides or channels; leave them out, or choose mlp or conv.")
    if name == "small_resnet":
        first, second, third, fourth = (width_multiplier * width for width in (32, 64, 128, 256))
        network: nn.Module = small_resnet((first, second, third, fourth), stride=1 if stem == "small" else 2)
    else:
        network = _backbone(name, image_size)
        _set_stem(network, name, image_size, stem)
        if width_multiplier > 1:
            widen(network, width_multiplier)
    INITIALISATIONS[initialisation](network)
    return _encoder(network, image_size)


def _backbone(name: str, image_size: int) -> nn.Module:
    if name in WIDTHS:
        return AlexNet(WIDTHS[name], image_size, name)
    library, _, model = name.rpartition("/")
    if library not in ("", "timm", "torchvision"):
        raise UserError(f"no library {library!r} for encoder {name!r}; write timm/NAME or torchvision/NAME.")
    import timm

    if library != "torchvision" and timm.is_model(model):
        return _timm(model, image_size)
    import torchvision

    if library != "timm" and model in torchvision.models.list_models(module=torchvision.models):
        network: nn.Module = torchvision.models.get_model(model, weights=None)
        return _without_classifier(network, name)
    near = get_close_matches(model, timm.list_models(), 3) or ["resnet18", "resnet50", "vit_tiny_patch16_224"]
    raise UserError(
        f"no encoder is called {name!r}; take small_resnet, {', '.join([*WIDTHS, *DENSE])}, or a timm or torchvision "
        f"model, such as {', '.join(near)}."
    )


def _timm(model: str, image_size: int) -> nn.Module:
    import timm

    try:
        network: nn.Module = timm.create_model(model, num_classes=0, global_pool="", img_size=image_size)
    except TypeError:  # convolutional networks take any size and have no such argument
        network = timm.create_model(model, num_classes=0, global_pool="")
    return network


def _without_classifier(network: nn.Module, name: str) -> nn.Module:
    """A torchvision model up to its feature map: no pooling, no classifier."""
    if hasattr(network, "fc"):  # ResNet and its kin pool, flatten, and classify in `forward`
        names = [key for key, _ in network.named_children() if key not in ("avgpool", "fc")]
        stages = nn.Sequential()
        for key in names:
            stages.add_module(key, getattr(network, key))
        return stages
    features = getattr(network, "features", None)
    if isinstance(features, nn.Module):
        return features
    if hasattr(network, "heads"):  # vision transformers give their class token
        network.heads = nn.Identity()
        return network
    raise UserError(f"the torchvision model {name!r} has no feature map that we know of; choose a timm model.")


def _set_stem(network: Any, name: str, image_size: int, stem: Stem) -> None:
    """Make a residual network's stem small where that is asked for, or where the views are."""
    first, pool = ("stem.conv", "stem.pool") if hasattr(network, "stages") else ("conv1", "maxpool")
    residual = all(_has(network, path) for path in (first, pool))
    if stem == "small" and not residual:
        raise UserError(f"{name} has no small stem; leave out --network.stem or choose a ResNet.")
    if not residual or stem == "standard" or (stem == "auto" and image_size > SMALL):
        return
    while isinstance(network.get_submodule(first), nn.Sequential):  # deep stems: only their first convolution strides
        first += ".0"
    network.set_submodule(first, _stride_one(network.get_submodule(first)))
    network.set_submodule(pool, nn.Identity())


def _has(network: nn.Module, path: str) -> bool:
    return path in dict(network.named_modules())


def _stride_one(convolution: nn.Conv2d) -> nn.Conv2d:
    bias = convolution.bias is not None
    return nn.Conv2d(convolution.in_channels, convolution.out_channels, 3, 1, 1, bias=bias)


def _encoder(network: nn.Module, image_size: int) -> ImageEncoder:
    """Measure the width by one picture, in inference mode so that no batch norm is touched."""
    network.eval()
    try:
        with torch.no_grad():
            features = network(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).splitlines()[0]
        raise UserError(
            f"this encoder cannot take views of {image_size} pixels ({reason}); set --image-size."
        ) from None
    network.train()
    if features.ndim == 3:  # tokens (1, T, D): their mean is the representation
        network = nn.Sequential(network, _TokenMean())
        return ImageEncoder(network, features.shape[2], image_size)
    return ImageEncoder(network, features.shape[1], image_size)


class _TokenMean(nn.Module):
    """Tokens (B, T, D) to their mean (B, D)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)
