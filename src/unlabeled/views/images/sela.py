"""SeLa's views: one a picture, at the levels of its official code, and the four turned ones of its rotation variant."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from unlabeled.views.images.looking import ImageViews, ViewsTogether
from unlabeled.views.images.operations import (
    Picture,
    grey,
    horizontal_flip,
    jitter,
    random_resized_crop,
    resize_shorter,
    to_float,
)
from unlabeled.views.images.presets import plain, simclr

JITTER = (0.4, 0.4, 0.4, 0.4)
"""Brightness, contrast, saturation and hue: SimCLR's at half strength, but for the hue, which has four times that."""
CROP_AREA, CIFAR_CROP_AREA = (0.08, 1.0), (0.2, 1.0)


def sela(size: int, level: int = 3, crop_area: tuple[float, float] | None = None) -> ImageViews:
    """SeLa's one view, by the levels of its official code (`data.py`, `cifar.py`).

        0  the centre, as in evaluation
        1  the centre; flip
        2  resized as for the centre; random crop, flip
        3  random crop; grey 0.2; then jitter 0.4 with hue 0.4, always; flip
        4  SimCLR's list ("Aug++", the models of August 2020): random crop, flip, jitter 0.8, grey 0.2, blur
        5  that of CIFAR: resized as for the centre; random crop; jitter as in 3, always; then grey 0.2; flip

    Args:
        size: side of a view in pixels, at least 1.
        level: 0 to 5.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1], in levels 2 to 5;
            by default 0.08 to 1, and 0.2 to 1 in level 5.

    Raises:
        ValueError: a number outside its range.
    """
    if level not in range(6):
        raise ValueError(f"level takes a whole number from 0 to 5, got {level}")
    area = crop_area or (CIFAR_CROP_AREA if level == 5 else CROP_AREA)
    listed = replace(simclr(size, area), count=1)  # SimCLR's looks at the area for all of them
    whole = plain(size)

    def centre(image: np.ndarray, rng: Generator) -> Picture:
        return horizontal_flip(whole.view(image, rng), rng)

    def part(image: np.ndarray, rng: Generator) -> np.ndarray:
        return random_resized_crop(resize_shorter(image, whole.at_least), rng, size, area)

    def cropped(image: np.ndarray, rng: Generator) -> Picture:
        return horizontal_flip(to_float(part(image, rng)), rng)

    def coloured(image: np.ndarray, rng: Generator) -> Picture:
        out = to_float(random_resized_crop(image, rng, size, area))
        return horizontal_flip(jitter(grey(out, rng) if rng.random() < 0.2 else out, rng, JITTER), rng)

    def of_cifar(image: np.ndarray, rng: Generator) -> Picture:
        out = jitter(to_float(part(image, rng)), rng, JITTER)
        return horizontal_flip(grey(out, rng) if rng.random() < 0.2 else out, rng)

    levels = (
        whole,
        replace(whole, view=centre),
        replace(whole, view=cropped),
        replace(listed, view=coloured),
        listed,
        replace(whole, view=of_cifar),
    )
    return levels[level]


def rotations(size: int, level: int = 3, crop_area: tuple[float, float] | None = None) -> ViewsTogether:
    """Four views: what `sela` makes of a picture, turned by 0, 90, 180 and 270 degrees against the clock.

    The view's number is what is to be predicted (Gidaris, Singh, Komodakis: Unsupervised representation learning by
    predicting image rotations, ICLR 2018).

    Args:
        size: side of a view in pixels, at least 1.
        level: 0 to 5, of `sela`.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1], in levels 2 to 5;
            by default 0.08 to 1, and 0.2 to 1 in level 5.

    Raises:
        ValueError: a number outside its range.
    """
    one = sela(size, level, crop_area)

    def turned(image: np.ndarray, generators: Sequence[Generator]) -> list[Picture]:
        view = one.view(image, generators[0])
        return [np.rot90(view, number % 4) for number in range(len(generators))]

    return ViewsTogether(one.size, 4, one.view, one.at_least, turned)
