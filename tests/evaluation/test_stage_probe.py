"""Pooled volumes against the published ones, and one probe against the layers that its paper names."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unlabeled.encoders.images import Stage, image_encoder
from unlabeled.evaluation.stage_probe import LARGEST, StageProbe, pool_of


def values_of(name: str, size: int) -> list[int]:
    """Values of the pooled maps of a network, without computing one."""
    with torch.device("meta"):
        encoder = image_encoder(name, size).eval()
        stages = encoder.stages(torch.zeros(1, 3, size, size))
        return [pool_of(stage)(stage.map).numel() for stage in stages]


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("alexnet_big", 224, [9600, 9216, 9600, 9600, 9216]),  # SeLa's table
        ("resnet50", 224, [9216, 9216, 8192, 9216, 8192]),  # VISSL's configuration
        ("small_resnet", 32, [8192, 8192, 4096, 2048, 1024]),  # whole maps: 32 x 16^2, 64 x 8^2, ...
        ("alexnet_small", 63, [64 * 12**2, 192 * 7**2, 384 * 3**2, 256 * 3**2, 256 * 3**2]),
    ],
)
def test_volumes_are_the_published_ones_and_whole_maps_where_they_are_small(
    name: str, size: int, expected: list[int]
) -> None:
    assert values_of(name, size) == expected


def test_pools_of_alexnet_are_those_of_the_table() -> None:
    table = {"conv1": (96, 55, 6, 6, 3), "conv2": (256, 27, 4, 4, 0), "conv3": (384, 13, 3, 3, 1)}
    table |= {"conv4": (384, 13, 3, 3, 1), "conv5": (256, 13, 2, 2, 0)}
    for name, (channels, side, kernel, stride, padding) in table.items():
        maps = torch.randn(1, channels, side, side)
        expected = nn.functional.max_pool2d(maps, kernel, stride, padding)
        assert torch.equal(pool_of(Stage(name, maps, "max"))(maps), expected)


@given(channels=st.integers(1, 12000), side=st.integers(1, 130), pooling=st.sampled_from(["average", "max"]))
def test_no_map_keeps_more_values_than_were_published_nor_fewer_than_it_may(channels, side, pooling) -> None:
    maps = torch.empty(1, channels, side, side, device="meta")
    kept = pool_of(Stage("conv1" if side != 55 else "stem", maps, pooling))(maps).shape[2]
    assert kept == 1 or channels * kept**2 <= LARGEST
    assert kept == side or channels * (kept + 1) ** 2 > LARGEST


def test_a_probe_is_batch_norm_and_a_convolution_of_the_maps_size() -> None:
    maps = torch.randn(6, 5, 4, 4) * 3 + 1
    probe = StageProbe(Stage("stem", maps, "average"), 7, np.random.default_rng(0))
    convolution, norm = nn.Conv2d(5, 7, 4), nn.BatchNorm2d(5, affine=False)
    fans = nn.init._calculate_fan_in_and_fan_out(convolution.weight)
    bound = math.sqrt(6 / sum(fans))
    weight = probe.linear.weight
    assert 0.97 * bound < weight.abs().max() <= bound and abs(weight.mean()) < bound / 5
    assert not probe.linear.bias.any()
    with torch.no_grad():
        convolution.weight.copy_(weight.view(7, 5, 4, 4))
        convolution.bias.zero_()
        for _ in range(2):
            torch.testing.assert_close(probe(maps), convolution(norm(maps)).flatten(1))
        probe.eval(), norm.eval()
        torch.testing.assert_close(probe(maps), convolution(norm(maps)).flatten(1))
