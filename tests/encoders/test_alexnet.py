"""SeLa's AlexNet against the tables of its paper and the layers written out one by one."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, linear, max_pool2d

from unlabeled.encoders.images import ImageEncoder, image_encoder
from unlabeled.encoders.images.alexnet import AlexNet
from unlabeled.errors import UserError

BIG = ((96, 11, 55), (256, 5, 27), (384, 3, 13), (384, 3, 13), (256, 3, 13))
SMALL = ((64, 11, 55), (192, 5, 27), (384, 3, 13), (256, 3, 13), (256, 3, 13))
"""Channels, side of the kernel, and side of the map at 224 pixels."""


@pytest.mark.parametrize(("name", "table"), [("alexnet_big", BIG), ("alexnet_small", SMALL)])
def test_maps_and_parameters_are_those_of_the_table(name: str, table: tuple[tuple[int, int, int], ...]) -> None:
    with torch.device("meta"):
        encoder = image_encoder(name, 224)
        stages = encoder.eval().stages(torch.zeros(1, 3, 224, 224))
    assert [stage.name for stage in stages] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert [tuple(stage.map.shape[1:]) for stage in stages] == [(width, side, side) for width, _, side in table]
    assert encoder.width == 4096
    expected, before = 0, 3
    for width, kernel, _ in table:
        expected += kernel**2 * before * width + width + 2 * width  # weights, biases, batch norm
        before = width
    expected += 256 * 6 * 6 * 4096 + 4096 + 4096**2 + 4096
    assert sum(each.numel() for each in encoder.parameters()) == expected


def trained_a_little(size: int = 96) -> AlexNet:
    """A network whose batch norms have seen something, so that none is the identity."""
    torch.manual_seed(0)
    network = image_encoder("alexnet_small", size).network
    assert isinstance(network, AlexNet)
    for layer in network.features:
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values, low, high in ((layer.running_mean, -1, 1), (layer.running_var, 0.5, 2)):
                values.uniform_(low, high)
            torch.nn.init.uniform_(layer.weight, 0.5, 2)
            torch.nn.init.uniform_(layer.bias, -1, 1)
    return network.eval()


@torch.no_grad()
def test_probed_maps_are_those_of_a_network_that_has_absorbed_its_batch_norms() -> None:
    encoder = ImageEncoder(network := trained_a_little().double(), 4096, 96)
    x = torch.rand(2, 3, 96, 96, dtype=torch.float64)
    found = encoder.stages(x)
    features = dict(network.features.named_children())
    for number, stage in enumerate(found, 1):
        conv, norm = features[f"conv{number}"], features[f"norm{number}"]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight, bias = conv.weight * scale[:, None, None, None], (conv.bias - norm.running_mean) * scale + norm.bias
        x = conv2d(x, weight, bias, conv.stride, conv.padding).clamp_min(0)
        torch.testing.assert_close(stage.map, x, rtol=1e-9, atol=1e-9)
        if number in (1, 2, 5):
            x = max_pool2d(x, 3, 2)


@torch.no_grad()
def test_the_representation_is_fc7_after_its_activation() -> None:
    network, x = trained_a_little(), torch.rand(2, 3, 96, 96)
    rows = network.features(x).flatten(1)
    for place in (1, 4):
        rows = linear(rows, network.classifier[place].weight, network.classifier[place].bias).clamp_min(0)
    torch.testing.assert_close(network(x), rows)
    assert rows.min() == 0 < rows.max()
    assert not torch.equal(network.train()(x), network(x)), "dropout"


def test_starts_as_the_official_code_does() -> None:
    torch.manual_seed(0)
    network = image_encoder("alexnet_small", 96).network
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            expected = math.sqrt(2 / (layer.kernel_size[0] ** 2 * layer.out_channels))
            assert layer.weight.std().item() == pytest.approx(expected, rel=6 / math.sqrt(2 * layer.weight.numel()))
            assert not layer.bias.any()
        if isinstance(layer, torch.nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=6 / math.sqrt(2 * layer.weight.numel()))
            assert not layer.bias.any()


def test_the_smallest_view_leaves_one_place_and_the_next_smaller_is_refused() -> None:
    assert image_encoder("alexnet_small", 63).network.features(torch.zeros(2, 3, 63, 63)).shape == (2, 256, 1, 1)
    with pytest.raises(UserError, match="alexnet_big takes views of at least 63 pixels, got 62; set --image-size"):
        image_encoder("alexnet_big", 62)


@pytest.mark.parametrize(
    ("options", "words"), [({"stem": "small"}, "no small stem"), ({"width_multiplier": 2}, "has a Linear")]
)
def test_what_only_resnets_have_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        image_encoder("alexnet_small", 96, **options)  # type: ignore[arg-type]
