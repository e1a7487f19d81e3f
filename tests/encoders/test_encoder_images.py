import pytest
import torch
from torch import nn

from unlabeled.encoders.images import Block, default_name, image_encoder
from unlabeled.errors import UserError

NAMES = [
    ("small_resnet", 32), ("resnet18", 32), ("torchvision/resnet18", 32), ("timm/resnet10t", 96), ("vgg11", 64),
    ("vit_tiny_patch16_224", 32), ("convnext_atto", 64), ("torchvision/mobilenet_v3_small", 64),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size"), NAMES)
def test_representation_is_the_mean_of_the_feature_map(name: str, size: int) -> None:
    torch.manual_seed(0)
    encoder = image_encoder(name, size).eval()
    images = torch.rand(2, 3, size, size)
    features = encoder.feature_map(images)
    expected = features.mean((2, 3)) if features.ndim == 4 else features
    found = encoder(images)
    assert found.shape == (2, encoder.width)
    torch.testing.assert_close(found, expected)
    assert (found[0] - found[1]).abs().max() > 0, "two pictures have one representation"


def multiply_adds(encoder: nn.Module, size: int) -> int:
    """Counted by hooks on the convolutions."""
    counted = []

    def count(layer: nn.Conv2d, inputs: object, output: torch.Tensor) -> None:
        counted.append(output.shape[2] * output.shape[3] * layer.weight.numel())

    hooks = [m.register_forward_hook(count) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    encoder.eval()(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return sum(counted)


def test_small_stem_keeps_the_resolution() -> None:
    """Appendix B.9: at 32 pixels a ResNet-18 with the small stem ends at 4 x 4 and takes 555 million multiply-adds."""
    for name in ("resnet18", "torchvision/resnet18"):
        small, standard = image_encoder(name, 32), image_encoder(name, 32, stem="standard")
        assert small.feature_map(torch.zeros(1, 3, 32, 32)).shape[2:] == (4, 4)
        assert standard.feature_map(torch.zeros(2, 3, 32, 32)).shape[2:] == (1, 1)
        assert multiply_adds(small, 32) == pytest.approx(555e6, rel=0.01)
    assert multiply_adds(image_encoder("small_resnet", 32), 32) == pytest.approx(16e6, rel=0.03)


def test_block_is_the_written_out_residual() -> None:
    torch.manual_seed(0)
    block = Block(3, 5, 2).eval()
    x = torch.rand(2, 3, 8, 8)
    inside = block.norm2(block.conv2(block.norm1(block.conv1(x)).relu()))
    torch.testing.assert_close(block(x), (inside + block.shortcut(x)).relu())


def test_default_follows_the_size() -> None:
    assert [default_name(size) for size in (8, 64, 96, 128, 224)] == [
        "small_resnet", "small_resnet", "resnet10t", "resnet10t", "resnet18",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "size", "stem", "words"),
    [
        ("resnt18", 32, "auto", "resnet18"),
        ("resnet18d_nothing", 32, "auto", "no encoder is called"),
        ("jax/resnet18", 32, "auto", "no library 'jax'"),
        ("vit_tiny_patch16_224", 32, "small", "no small stem"),
        ("torchvision/vit_b_16", 32, "auto", "32 pixels"),
        ("torchvision/nothing", 32, "auto", "no encoder is called"),
    ],
)
def test_refuses_in_one_sentence(name: str, size: int, stem: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        image_encoder(name, size, stem)  # type: ignore[arg-type]
