import numpy as np
import pytest
import torch
from torchvision.transforms.functional import five_crop

from unlabeled.views.images import TenCrops, plain


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(37, 37), (37, 60), (51, 37)])
def test_corners_are_torchvisions_and_the_rest_their_mirrors(height: int, width: int) -> None:
    image = picture(height, width)  # its shorter side is that which 32 pixels are cut from, so nothing is resized
    views, rng = TenCrops(32), np.random.default_rng(0)
    ours = views.join([[views.view(each, rng) for each in (image, image[::-1])]])
    assert ours.shape == (20, 3, 32, 32)
    corners = five_crop(torch.from_numpy(image).permute(2, 0, 1), [32, 32])[:4]
    torch.testing.assert_close(ours[:4], torch.stack(corners).float() / 255)
    assert torch.equal(ours[5:10], ours[:5].flip(3))
    assert torch.equal(ours[10:12], ours[2:4].flip(2)), "the second picture is the first upside down"


def test_the_fifth_crop_is_the_plain_view() -> None:
    image, rng = picture(300, 420), np.random.default_rng(0)
    crops = TenCrops(96).view(image, rng)
    np.testing.assert_array_equal(crops[4], plain(96).view(image, rng))
    np.testing.assert_array_equal(crops[9], crops[4][:, ::-1])
    small = TenCrops(32).view(picture(20, 24), rng)
    assert small.shape == (10, 32, 32, 3) and small.dtype == np.float32 and 0 <= small.min() < small.max() <= 1
