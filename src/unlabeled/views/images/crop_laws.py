"""Where a random crop lies: the two laws by which its box is drawn."""

from collections.abc import Callable
from math import exp, log, sqrt

from numpy.random import Generator

CropLaw = Callable[[int, int, Generator, tuple[float, float], tuple[float, float]], tuple[int, int, int, int]]


def uniform(rng: Generator, low: float, high: float) -> float:
    """One draw between two numbers: the generator's own `uniform`, without what that spends on arrays."""
    return low + (high - low) * rng.random()


def crop_box(
    height: int, width: int, rng: Generator, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop.

    Ten draws of a share of the area (uniform) and of an aspect ratio (uniform in its logarithm); if none
    fits, the largest central crop within the aspect ratios, as torchvision does.
    """
    low, high = log(aspect[0]), log(aspect[1])
    for _ in range(10):
        pixels = height * width * uniform(rng, *area)
        ratio = exp(uniform(rng, low, high))
        w, h = round(sqrt(pixels * ratio)), round(sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    w, h = min(width, max(1, round(height * aspect[1]))), min(height, max(1, round(width / aspect[0])))
    return (height - h) // 2, (width - w) // 2, h, w


def side_crop_box(
    height: int, width: int, rng: Generator, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, int, int, int]:
    """The same by the law of TensorFlow's `sample_distorted_bounding_box`, which SimCLR's official code calls.

    A hundred draws of an aspect ratio (uniform) and of a height, uniform between those that the smallest
    and the largest area have at that ratio and that the picture has room for; a crop covers at least a
    tenth of the picture. If none fits, the whole picture. Crops are smaller than those of `crop_box`: on
    a square picture 0.45 of its area on average.
    """
    least, most = area[0] * height * width, area[1] * height * width
    for _ in range(100):
        ratio = uniform(rng, *aspect)
        tallest = min(height, int((width + 0.5) / ratio), round(sqrt(most / ratio)))
        h = int(rng.integers(min(round(sqrt(least / ratio)), tallest), tallest + 1))
        w = round(h * ratio)
        if 0 < w <= width and h > 0 and max(least, 0.1 * height * width) <= h * w <= most:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    return 0, 0, height, width
