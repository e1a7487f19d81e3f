"""How networks start: deviations and bounds of what is drawn, and residual blocks that start as their shortcuts."""

import math

import pytest
import timm
import torch
import torchvision
from torch import nn

from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError

NAMES = [("small_resnet", 4), ("resnet18", 8), ("torchvision/resnet18", 8), ("torchvision/resnet50", 16)]
"""Networks and how many residual blocks they have."""


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]


def is_deviation(weight: torch.Tensor, expected: float) -> None:
    """Within six deviations of what so many draws of a normal variable give."""
    assert weight.std().item() == pytest.approx(expected, rel=6 / math.sqrt(2 * weight.numel()))
    assert abs(weight.mean().item()) < 6 * expected / math.sqrt(weight.numel())


@pytest.mark.parametrize(("name", "blocks"), NAMES)
def test_simclr_is_a_cut_normal_of_variance_one_over_the_inputs(name: str, blocks: int) -> None:
    torch.manual_seed(0)
    network = image_encoder(name, 32, initialisation="simclr").network
    for layer in convolutions(network):
        deviation = 1 / math.sqrt(layer.in_channels * layer.kernel_size[0] ** 2)
        is_deviation(layer.weight, deviation)
        most = 2 * deviation / 0.8796
        assert 0.8 * most < layer.weight.abs().max() <= most * 1.001
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert sum(not layer.weight.any() for layer in norms) == blocks
    assert sum(bool((layer.weight == 1).all()) for layer in norms) == len(norms) - blocks
    assert not any(layer.bias.any() for layer in norms)


@pytest.mark.parametrize("name", ["resnet18", "torchvision/resnet18", "resnetv2_50"])
@torch.no_grad()
def test_blocks_start_as_their_shortcuts(name: str) -> None:
    torch.manual_seed(0)
    network = image_encoder(name, 32, initialisation="simclr").network.eval()
    pre = name == "resnetv2_50"  # of its first stage the first block changes the width
    block = network.stages[0].blocks[1] if pre else network.layer1[0]
    x = torch.rand(2, 256 if pre else 64, 8, 8)
    assert torch.equal(block(x), x)
    if not pre:
        plain = image_encoder(name, 32, initialisation="he").network.eval().layer1[0]
        assert not torch.allclose(plain(x), x)


@pytest.mark.parametrize(("name", "blocks"), NAMES)
def test_he_is_a_normal_of_variance_two_over_the_outputs(name: str, blocks: int) -> None:
    torch.manual_seed(0)
    network = image_encoder(name, 32, initialisation="he").network
    for layer in convolutions(network):
        is_deviation(layer.weight, math.sqrt(2 / (layer.out_channels * layer.kernel_size[0] ** 2)))
    assert all((layer.weight == 1).all() for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))


def test_pytorch_is_a_uniform_of_bound_one_over_the_root_of_the_inputs() -> None:
    torch.manual_seed(0)
    for layer in convolutions(image_encoder("resnetv2_50", 96, initialisation="pytorch").network):
        bound = 1 / math.sqrt(layer.in_channels * layer.kernel_size[0] ** 2)
        is_deviation(layer.weight, bound / math.sqrt(3))
        assert layer.weight.abs().max() <= bound


@torch.no_grad()
def test_default_is_the_library_itself() -> None:
    libraries = {
        "timm/resnet18": lambda: timm.create_model("resnet18", num_classes=0),
        "torchvision/resnet18": torchvision.models.resnet18,
    }
    for name, theirs in libraries.items():
        torch.manual_seed(3)
        ours = image_encoder(name, 96).network.state_dict()
        torch.manual_seed(3)
        expected = {key: value for key, value in theirs().state_dict().items() if not key.startswith("fc.")}
        assert ours.keys() == expected.keys()
        assert all(torch.equal(value, expected[key]) for key, value in ours.items())


@pytest.mark.parametrize(("name", "kind"), [("vit_tiny_patch16_224", "VisionTransformer"), ("convnext_atto", "Layer")])
def test_other_networks_are_refused(name: str, kind: str) -> None:
    with pytest.raises(UserError, match=f"--network.initialisation is for networks of convolutions.* has a {kind}"):
        image_encoder(name, 64, initialisation="simclr")


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"--network\.initialisation takes one of default, simclr, he, pytorch"):
        image_encoder("resnet18", 32, initialisation="xavier")  # type: ignore[arg-type]
