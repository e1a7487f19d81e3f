"""Maps inside networks against the same layers called one by one."""

import pytest
import torch

from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError


@torch.no_grad()
def test_stages_of_a_resnet_are_its_layers_one_by_one() -> None:
    torch.manual_seed(0)
    encoder, images = image_encoder("resnet18", 96).eval(), torch.rand(2, 3, 96, 96)
    network, found = encoder.network, encoder.stages(images)
    x = network.bn1(network.conv1(images)).relu()
    expected = [x.clone()]
    x = network.maxpool(x)
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
        expected.append(x.clone())
    assert [stage.name for stage in found] == ["act1", "layer1", "layer2", "layer3", "layer4"]
    for stage, maps in zip(found, expected, strict=True):
        torch.testing.assert_close(stage.map, maps)
    torch.testing.assert_close(found[-1].map.mean((2, 3)), encoder(images))


@torch.no_grad()
def test_stages_of_the_small_network_are_its_blocks() -> None:
    torch.manual_seed(0)
    encoder, x = image_encoder("small_resnet", 32).eval(), torch.rand(2, 3, 32, 32)
    found = encoder.stages(x)
    assert [stage.name for stage in found] == ["stem", "stage1", "stage2", "stage3", "stage4"]
    for place, layer in enumerate(encoder.network):
        x = layer(x)
        if place >= 2:
            torch.testing.assert_close(found[place - 2].map, x)


SIDES = [
    ("torchvision/resnet18", 96, [48, 24, 12, 6, 3]),
    ("torchvision/resnet18", 32, [32, 16, 8, 4]),
    ("torchvision/vgg11", 64, [64, 32, 16, 8, 4, 2]),
    ("resnetv2_50", 96, [48, 24, 12, 6, 3]),
    ("resnetv2_50", 32, [32, 32, 16, 8, 4]),
    ("convnext_atto", 64, [16, 8, 4, 2]),
]


@pytest.mark.parametrize(("name", "size", "sides"), SIDES)
@torch.no_grad()
def test_every_convolutional_network_has_its_last_map_of_each_size(name: str, size: int, sides: list[int]) -> None:
    encoder = image_encoder(name, size).eval()
    images = torch.rand(2, 3, size, size)
    found = encoder.stages(images)
    assert [stage.map.shape[2] for stage in found] == [stage.map.shape[3] for stage in found] == sides
    assert {stage.pooling for stage in found} == {"average"}
    assert encoder.feature_map(images).shape[2] == sides[-1]
    assert not any(layer._forward_hooks for layer in encoder.modules()), "nothing is left behind"


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit_tiny_patch16_224", 32), ("torchvision/vit_b_32", 224), ("swin_tiny_patch4_window7_224", 224)],
)
def test_transformers_have_none(name: str, size: int) -> None:
    with torch.device("meta"):
        encoder = image_encoder(name, size)
        with pytest.raises(UserError, match="no feature maps to look at on the way; choose one of convolutions"):
            encoder.stages(torch.zeros(1, 3, size, size))
