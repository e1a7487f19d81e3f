"""Presets: which operations make the views of a method, how a picture is read for them, and how views are joined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from unlabeled.views.images.operations import (
    Picture,
    centre_crop,
    colour_jitter,
    gaussian_blur,
    grey,
    horizontal_flip,
    jitter,
    random_resized_crop,
    resize_shorter,
    to_float,
)


@dataclass(frozen=True)
class ImageViews:
    """How a method looks at a picture.

    Args:
        size: side of a view in pixels.
        count: views of each sample.
        view: uint8 (H, W, 3) and a generator to float32 (size, size, 3) in [0, 1].
        at_least: pictures may be decoded at a reduced size while their shorter side stays at least this.
    """

    size: int
    count: int
    view: Callable[[np.ndarray, Generator], Picture]
    at_least: int

    def read(self, samples: Any, place: int) -> np.ndarray:
        """One picture, decoded no larger than the views need: uint8 (H, W, 3)."""
        image: np.ndarray = samples.read(place, self.at_least)
        return image

    def join(self, views: Sequence[Sequence[Picture]]) -> Tensor:
        """`views[v][i]`, view v of picture i, to float32 (views x B, 3, size, size), channels last in memory."""
        batch = np.empty((len(views) * len(views[0]), self.size, self.size, 3), np.float32)
        for place, picture in enumerate(picture for one in views for picture in one):
            batch[place] = picture
        return torch.from_numpy(batch).permute(0, 3, 1, 2)


def simclr(
    size: int,
    crop_area: tuple[float, float] = (0.08, 1.0),
    flip: bool = True,
    color_strength: float | None = None,
    brightness_form: Literal["multiplicative", "additive"] = "multiplicative",
    blur: bool | None = None,
) -> ImageViews:
    """SimCLR's two views (Chen et al. 2020, appendix A): crop, flip, colour jitter, grey, blur, in this order.

    Args:
        size: side of a view in pixels, at least 1.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1].
        flip: whether half of the views are flipped left to right.
        color_strength: s, at least 0; by default 1, and 0.5 for views of up to 32 pixels (appendix B.9).
        brightness_form: multiplicative as in the paper's listing, or additive as in the first official code.
        blur: whether half of the views are blurred; by default yes, and no up to 32 pixels (appendix B.9).

    Raises:
        ValueError: a number outside its range.
    """
    if not 0 < crop_area[0] <= crop_area[1] <= 1:
        raise ValueError(f"crop_area takes two rising shares within (0, 1], got {crop_area}")
    strength = (0.5 if size <= 32 else 1.0) if color_strength is None else color_strength
    blurred = size > 32 if blur is None else blur
    if strength < 0:
        raise ValueError(f"color_strength takes a number of at least 0, got {strength}")

    def view(image: np.ndarray, rng: Generator) -> Picture:
        crop = random_resized_crop(image, rng, size, crop_area)
        out = to_float(horizontal_flip(crop, rng) if flip else crop)
        if strength > 0 and rng.random() < 0.8:
            out = colour_jitter(out, rng, strength, brightness_form)
        if strength > 0 and rng.random() < 0.2:
            out = grey(out, rng)
        return gaussian_blur(out, rng) if blurred and rng.random() < 0.5 else out

    return ImageViews(size, 2, view, needed(size, crop_area[0]))


def crops(size: int, crop_area: tuple[float, float] = (0.08, 1.0), flip: bool = True) -> ImageViews:
    """Two views by crop and flip only: what SimCLR's supervised protocols train on (appendix B.5).

    Args:
        size: side of a view in pixels, at least 1.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1].
        flip: whether half of the views are flipped left to right.

    Raises:
        ValueError: a number outside its range.
    """
    return simclr(size, crop_area, flip, color_strength=0.0, blur=False)


SELA_JITTER = (0.4, 0.4, 0.4, 0.4)
"""Brightness, contrast, saturation and hue of SeLa's official code: twice SimCLR's hue at half strength."""


def sela(size: int, level: int = 3, crop_area: tuple[float, float] = (0.08, 1.0)) -> ImageViews:
    """SeLa's one view, by the levels of its official code (`data.py`).

        0  the centre, as in evaluation
        1  the centre; flip
        2  resized as for the centre; random crop, flip
        3  random crop, grey 0.2, jitter 0.4 with hue 0.4 always, flip: grey comes before jitter
        4  SimCLR's list ("Aug++", the models of August 2020): random crop, flip, jitter 0.8, grey 0.2, blur

    Args:
        size: side of a view in pixels, at least 1.
        level: 0 to 4.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1].

    Raises:
        ValueError: a number outside its range.
    """
    if level not in range(5):
        raise ValueError(f"level takes a whole number from 0 to 4, got {level}")
    listed = simclr(size, crop_area)  # which looks at `crop_area` for all of them
    if level == 4:
        return replace(listed, count=1)
    whole = plain(size)

    def centre(image: np.ndarray, rng: Generator) -> Picture:
        out = whole.view(image, rng)
        return horizontal_flip(out, rng) if level == 1 else out

    def cropped(image: np.ndarray, rng: Generator) -> Picture:
        if level == 2:
            image = resize_shorter(image, whole.at_least)
        out = to_float(random_resized_crop(image, rng, size, crop_area))
        if level == 3:
            out = grey(out, rng) if rng.random() < 0.2 else out
            out = jitter(out, rng, SELA_JITTER)
        return horizontal_flip(out, rng)

    if level < 2:
        return replace(whole, view=centre)
    return ImageViews(size, 1, cropped, whole.at_least if level == 2 else listed.at_least)


@dataclass(frozen=True)
class Turned(ImageViews):
    """Views of which the v-th is turned by v quarters of a circle, against the clock."""

    def join(self, views: Sequence[Sequence[Picture]]) -> Tensor:
        """`views[v][i]` turned, to float32 (views x B, 3, size, size)."""
        return super().join([[np.rot90(picture, v % 4) for picture in one] for v, one in enumerate(views)])


def rotations(size: int, level: int = 3, crop_area: tuple[float, float] = (0.08, 1.0)) -> ImageViews:
    """Four views as `sela` makes them, turned by 0, 90, 180 and 270 degrees: the view's number is what to predict.

    Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting image rotations, ICLR 2018.
    Each view is drawn anew, where the official code turns one crop four times.

    Args:
        size: side of a view in pixels, at least 1.
        level: 0 to 4, of `sela`.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1].

    Raises:
        ValueError: a number outside its range.
    """
    one = sela(size, level, crop_area)
    return Turned(one.size, 4, one.view, one.at_least)


def plain(size: int) -> ImageViews:
    """One view without chance, for evaluation and embedding.

    Above 64 pixels the shorter side becomes 8/7 of `size` (256 for 224) and the centre is kept; smaller
    views keep the whole of the shorter side (section 2 of the evaluation protocols).
    """
    margin = 8 / 7 if size > 64 else 1.0

    def view(image: np.ndarray, rng: Generator) -> Picture:
        return to_float(centre_crop(image, size, margin))

    return ImageViews(size, 1, view, round(size * margin))


def needed(size: int, smallest_area: float) -> int:
    """The shorter side that a picture must keep so that the smallest crop still has `size` pixels a side."""
    return int(np.ceil(size / np.sqrt(smallest_area)))
