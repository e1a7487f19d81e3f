"""The MLP and the plain convolutions: shapes, how they start, what they look at, and what they refuse."""

from typing import Any

import pytest
import torch
from torch import nn

from unlabeled.encoders.images import image_encoder
from unlabeled.encoders.images.dense import cut_normal
from unlabeled.errors import UserError


@pytest.mark.parametrize(
    ("name", "options", "width", "parameters"),
    [
        ("mlp", {}, 150, 784 * 1200 + 1200 * 600 + 600 * 300 + 300 * 150 + 2250),
        ("mlp", {"widths": (20, 7), "channels": 3}, 7, 3 * 784 * 20 + 20 * 7 + 27),
        ("conv", {"widths": (4, 6, 9), "strides": (2, 1)}, 9, 9 * 4 + 4 * 6 * 9 + 6 * 14 * 14 * 9 + 19),
    ],
)
def test_layers_have_their_widths(name: str, options: dict[str, Any], width: int, parameters: int) -> None:
    encoder = image_encoder(name, 28, **options)
    out = encoder(torch.rand(5, 3, 28, 28))
    assert out.shape == (5, width) == (5, encoder.width) and (out >= 0).all(), "the last layer too has a ReLU"
    assert encoder.image_size == 28 and sum(p.numel() for p in encoder.parameters()) == parameters


def test_one_channel_is_the_mean_of_three() -> None:
    encoder, picture = image_encoder("mlp", 8, widths=(5,)), torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(encoder(picture), encoder(picture.mean(1, keepdim=True).expand(-1, 3, -1, -1)))
    colour = image_encoder("mlp", 8, widths=(5,), channels=3)
    assert not torch.allclose(colour(picture), colour(picture.flip(1)))


def test_weights_are_cut_at_two_deviations_of_one_over_the_root_of_the_fan_in() -> None:
    torch.manual_seed(0)
    weight = cut_normal(torch.empty(400, 400), 100)
    assert weight.abs().max() <= 0.2 and float(weight.std()) == pytest.approx(0.1 * 0.8796, rel=0.01)
    layers = [each for each in image_encoder("mlp", 28).modules() if isinstance(each, nn.Linear)]
    assert all((each.bias == 0).all() for each in layers)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("mlp", {"strides": (2,)}, "has no --network.strides"),
        ("mlp", {"widths": (5, 0)}, "at least 1"),
        ("mlp", {"channels": 2}, "takes 1 or 3"),
        ("conv", {"widths": (5,)}, "at least 2"),
        ("conv", {"widths": (5, 6), "strides": (2, 2)}, "one stride fewer"),
        ("small_resnet", {"widths": (5,)}, "choose mlp or conv"),
    ],
)
def test_mistakes_are_one_sentence(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        image_encoder(name, 8, **options)
