"""Networks for pictures: any timm or torchvision backbone by name, and a small one of our own for small pictures."""

from difflib import get_close_matches
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unlabeled.errors import UserError

SMALL = 64
"""Views of up to this many pixels a side get the small default network and the small stem."""

Stem = Literal["auto", "small", "standard"]


class ImageEncoder(nn.Module):
    """A backbone without its classifier: pictures to representations.

    Args:
        network: gives a feature map (B, D, h, w).
        width: D.
    """

    def __init__(self, network: nn.Module, width: int) -> None:
        super().__init__()
        self.network = network
        self.width = width
        self.to(memory_format=torch.channels_last)

    def feature_map(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to (B, D, h, w), before pooling."""
        features: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to the representation (B, D): the mean over the feature map."""
        features = self.feature_map(images)
        return features.mean((2, 3)) if features.ndim == 4 else features


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: the basic residual block (He et al. 2016, figure 2)."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if stride > 1 or width_in != width
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, width, h / stride, w / stride)."""
        y = torch.relu_(self.norm1(self.conv1(x)))
        return torch.relu_(self.norm2(self.conv2(y)) + self.shortcut(x))


def small_resnet(widths: tuple[int, ...] = (32, 64, 128, 256), stride: int = 2) -> nn.Sequential:
    """A residual network of one block a stage whose first convolution has stride 2 and no pooling after it.

    At 32 pixels it takes 16 million multiply-adds, a thirty-fifth of ResNet-18 with its small stem.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, stride, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    before = widths[0]
    for stage, width in enumerate(widths):
        layers.append(Block(before, width, 1 if stage == 0 else 2))
        before = width
    return nn.Sequential(*layers)


def default_name(image_size: int) -> str:
    """The backbone for views of that size: `small_resnet` up to 64 pixels, `resnet10t` to 128, `resnet18` above."""
    return "small_resnet" if image_size <= SMALL else "resnet10t" if image_size <= 128 else "resnet18"


def image_encoder(name: str, image_size: int, stem: Stem = "auto") -> ImageEncoder:
    """Build a backbone by name, with random weights.

    Args:
        name: `small_resnet`, a timm or a torchvision model; `timm/NAME` or `torchvision/NAME` says which is meant.
        image_size: side of the views in pixels.
        stem: `small` replaces a residual network's first convolution by 3 x 3 of stride 1 and drops the pooling
            after it (appendix B.9); `auto` does so up to 64 pixels; `standard` leaves the network as it is.

    Raises:
        UserError: no such model, or no small stem for it.
    """
    if name == "small_resnet":
        network: nn.Module = small_resnet(stride=1 if stem == "small" else 2)
        return _encoder(network, image_size)
    network = _backbone(name, image_size)
    residual = hasattr(network, "maxpool") and hasattr(network, "conv1")
    if stem == "small" and not residual:
        raise UserError(f"{name} has no small stem; leave out --network.stem or choose a ResNet.")
    if residual and (stem == "small" or (stem == "auto" and image_size <= SMALL)):
        _make_stem_small(network)
    return _encoder(network, image_size)


def _backbone(name: str, image_size: int) -> nn.Module:
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
        f"no encoder is called {name!r}; take small_resnet or a timm or torchvision model, such as {', '.join(near)}."
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


def _make_stem_small(network: Any) -> None:
    first = network.conv1
    while isinstance(first, nn.Sequential):  # deep stems: only their first convolution strides
        parent, first = first, first[0]
        if isinstance(first, nn.Conv2d):
            parent[0] = _stride_one(first)
    if isinstance(network.conv1, nn.Conv2d):
        network.conv1 = _stride_one(network.conv1)
    network.maxpool = nn.Identity()


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
        return ImageEncoder(network, features.shape[2])
    return ImageEncoder(network, features.shape[1])


class _TokenMean(nn.Module):
    """Tokens (B, T, D) to their mean (B, D)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)
