"""Presets: which operations make the views of a method."""

from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.random import Generator

from unlabeled.views.images.autoaugment import Policy, autoaugment
from unlabeled.views.images.compositions import OperationName, compositions
from unlabeled.views.images.crop_laws import CropLaw, crop_box, side_crop_box
from unlabeled.views.images.looking import ImageViews, needed
from unlabeled.views.images.operations import (
    BlurBorder,
    BrightnessForm,
    ColorForm,
    Picture,
    centre_crop,
    colour,
    gaussian_blur,
    horizontal_flip,
    random_resized_crop,
    to_float,
)

CROP_LAWS: dict[str, CropLaw] = {"area": crop_box, "side": side_crop_box}


def simclr(
    size: int,
    crop_area: tuple[float, float] = (0.08, 1.0),
    crop_law: Literal["area", "side"] = "area",
    flip: bool = True,
    color_strength: float | None = None,
    brightness_form: BrightnessForm = "multiplicative",
    color_form: ColorForm = "torchvision",
    blur: bool | None = None,
    blur_border: BlurBorder = "mirror",
    policy: Policy | None = None,
    operations: tuple[OperationName, ...] = (),
    asymmetric: bool = False,
) -> ImageViews:
    """SimCLR's two views (Chen et al. 2020, appendix A): crop, flip, colour jitter, grey, blur, in this order.

    Args:
        size: side of a view in pixels, at least 1.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1].
        crop_law: what is drawn uniformly: the crop's area, or its side as in the official code.
        flip: whether half of the views are flipped left to right.
        color_strength: s, at least 0; by default 1, and 0.5 for views of up to 32 pixels (appendix B.9).
        brightness_form: multiplicative as in the paper's listing, or additive as in the first official code.
        color_form: contrast and saturation as torchvision has them, or TensorFlow as in the official code.
        blur: whether half of the views are blurred; by default yes, and no up to 32 pixels (appendix B.9).
        blur_border: what is blurred in from beyond the border: the picture mirrored, or zeros as in the official code.
        policy: AutoAugment's policy for this data set, after crop and flip, in place of colour and blur (Table 1).
        operations: in place of the whole policy these alone, in this order, as in the study of compositions.
        asymmetric: both views are one and the same crop, and the operations change the first of them only (section
            3.1).

    Raises:
        ValueError: a number outside its range, or settings that exclude each other.
    """
    if not 0 < crop_area[0] <= crop_area[1] <= 1:
        raise ValueError(f"crop_area takes two rising shares within (0, 1], got {crop_area}")
    strength = (0.5 if size <= 32 else 1.0) if color_strength is None else color_strength
    blurred = size > 32 if blur is None else blur
    if strength < 0:
        raise ValueError(f"color_strength takes a number of at least 0, got {strength}")
    forms = brightness_form, color_form, blur_border
    if policy and (
        color_strength or blur or operations or asymmetric or forms != ("multiplicative", "torchvision", "mirror")
    ):
        raise ValueError(f"the policy {policy} takes the place of all colour, blur and operations; leave these out")
    if operations and blur:
        raise ValueError("operations take the place of blur; name blur among them")
    distort = partial(colour, strength=strength, brightness_form=brightness_form, color_form=color_form)
    soften, law, at_least = partial(gaussian_blur, border=blur_border), CROP_LAWS[crop_law], needed(size, crop_area[0])

    def crop(image: np.ndarray, rng: Generator) -> np.ndarray:
        part = random_resized_crop(image, rng, size, crop_area, law=law)
        return horizontal_flip(part, rng) if flip else part

    if operations or asymmetric:
        return compositions(size, operations, crop, distort, soften, at_least, asymmetric)

    def view(image: np.ndarray, rng: Generator) -> Picture:
        out = to_float(crop(image, rng))
        if strength > 0:
            out = distort(out, rng)
        return soften(out, rng) if blurred and rng.random() < 0.5 else out

    def by_policy(learnt: Policy, image: np.ndarray, rng: Generator) -> Picture:
        return to_float(autoaugment(crop(image, rng), rng, learnt))

    return ImageViews(size, 2, partial(by_policy, policy) if policy else view, at_least)


def crops(size: int, crop_area: tuple[float, float] = (0.08, 1.0), flip: bool = True) -> ImageViews:
    """Two views by crop and flip only: what SimCLR's supervised protocols train on (appendix B.5).

    Args:
        size: side of a view in pixels, at least 1.
        crop_area: smallest and largest share of the picture's area that a crop keeps, within (0, 1].
        flip: whether half of the views are flipped left to right.

    Raises:
        ValueError: a number outside its range.
    """
    return simclr(size, crop_area, flip=flip, color_strength=0.0, blur=False)


def crop(size: int) -> ImageViews:
    """One view by crop and flip, which classifiers are fitted on (appendix B.5 and B.6).

    Args:
        size: side of a view in pixels, at least 1.
    """
    return replace(crops(size), count=1)


def plain(size: int) -> ImageViews:
    """One view without chance, for evaluation and embedding.

    Above 64 pixels the shorter side becomes 8/7 of `size` (256 for 224) and the centre is kept; smaller
    views keep the whole of the shorter side (section 2 of the evaluation protocols).
    """
    margin = 8 / 7 if size > 64 else 1.0

    def view(image: np.ndarray, rng: Generator) -> Picture:
        return to_float(centre_crop(image, size, margin))

    return ImageViews(size, 1, view, round(size * margin))
