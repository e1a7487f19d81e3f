"""ResNets of several times the width: the published numbers of parameters, and every channel multiplied."""

import math

import pytest
import torch
from torch import nn

from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError


@pytest.mark.parametrize("name", ["resnet50", "torchvision/resnet50"])
def test_parameters_are_the_published_ones(name: str) -> None:
    """Chen et al. 2020, table 6: 24, 94 and 375 million; a "wide ResNet" of the libraries has 67 and 250."""
    with torch.device("meta"):
        counts = [
            sum(each.numel() for each in image_encoder(name, 224, width_multiplier=factor).parameters())
            for factor in (1, 2, 4)
        ]
    assert [round(count / 1e6) for count in counts] == [24, 94, 375]


@pytest.mark.parametrize(
    "name", ["small_resnet", "resnet18", "resnet10t", "torchvision/resnet18", "resnetv2_50", "torchvision/mobilenet_v2"]
)
def test_every_channel_but_those_of_the_picture_is_doubled(name: str) -> None:
    torch.manual_seed(0)
    narrow, wide = image_encoder(name, 32), image_encoder(name, 32, width_multiplier=2)
    assert wide.width == 2 * narrow.width
    pairs = list(zip(narrow.modules(), wide.modules(), strict=True))
    for one, two in pairs:
        if isinstance(one, nn.Conv2d):
            inputs = one.in_channels if one.in_channels == 3 else 2 * one.in_channels
            assert (two.in_channels, two.out_channels) == (inputs, 2 * one.out_channels)
            assert two.weight.shape == (2 * one.out_channels, inputs // two.groups, *one.kernel_size)
        if isinstance(one, nn.BatchNorm2d):
            assert two.running_mean.shape == two.weight.shape == (2 * one.num_features,)
    images = torch.rand(2, 3, 32, 32)
    wide.train()(images).sum().backward()
    assert all(each.grad is not None for each in wide.parameters())
    assert [s.map.shape[1] for s in wide.stages(images)] == [2 * s.map.shape[1] for s in narrow.stages(images)]


def test_widened_networks_start_by_fan_out_and_keep_their_zeros() -> None:
    torch.manual_seed(0)
    network = image_encoder("resnet18", 96, width_multiplier=2).network
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            expected = math.sqrt(2 / (layer.kernel_size[0] ** 2 * layer.out_channels))
            assert layer.weight.std().item() == pytest.approx(expected, rel=6 / math.sqrt(2 * layer.weight.numel()))
    zeros = [name for name, layer in network.named_modules() if name.endswith("bn2") and not layer.weight.any()]
    assert len(zeros) == 8, "timm's last batch norm of each block starts at 0"


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("resnet18", 0, "--network.width-multiplier takes a number of at least 1, got 0"),
        ("vit_tiny_patch16_224", 2, "has a VisionTransformer; leave it out or choose a ResNet"),
        ("convnext_atto", 2, "has a LayerNorm2d"),
    ],
)
def test_what_cannot_be_widened_is_refused(name: str, factor: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        image_encoder(name, 64, width_multiplier=factor)
