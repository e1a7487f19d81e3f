"""Every operation on pictures that SimCLR studies, as a named function.

An operation takes a picture, float32 (H, W, 3) in [0, 1], and a generator, and returns a picture in
[0, 1]; it may change the picture it was given.
"""

from collections.abc import Callable
from math import ceil
from typing import Any, Literal

import cv2
import numpy as np
from numpy.random import Generator

from unlabeled.views.images.crop_laws import CropLaw, crop_box, uniform

cv2.setNumThreads(0)  # the loader's workers are the threads

Picture = np.ndarray[Any, np.dtype[Any]]
Operation = Callable[[Picture, Generator], Picture]

GREY = np.array([0.299, 0.587, 0.114])
"""What red, green and blue weigh in the grey picture (ITU-R BT.601)."""


# --- geometry -------------------------------------------------------------------------------------------------------


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 3), uint8 or float32, to (height, width, 3): averaging where it shrinks, bicubic where it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def random_resized_crop(
    image: np.ndarray,
    rng: Generator,
    size: int,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    law: CropLaw = crop_box,
) -> np.ndarray:
    """A random part of a picture, resized to (size, size, 3) (section 3.1 and appendix A); keeps the pixel type.

    Bicubic as in the official code, after averaging by the whole factor that the part is larger by: all
    that is lost of full averaging is what aliases below a factor of two, at an eighth of its time.
    """
    top, left, height, width = law(image.shape[0], image.shape[1], rng, area, aspect)
    part = image[top : top + height, left : left + width]
    factor = min(height, width) // size
    if factor > 1:
        part = cv2.resize(part, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_CUBIC)


def resize_shorter(image: np.ndarray, side: int) -> np.ndarray:
    """The whole picture, its shorter side resized to `side`."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    return resize(image, max(side, round(height * scale)), max(side, round(width * scale)))


def centre_crop(image: np.ndarray, size: int, margin: float = 1.0) -> np.ndarray:
    """The shorter side resized to size * margin, then the central (size, size, 3)."""
    height, width = image.shape[:2]
    scale = size * margin / min(height, width)
    image = resize(image, max(size, round(height * scale)), max(size, round(width * scale)))
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]


def horizontal_flip(image: Picture, rng: Generator) -> Picture:
    """Left and right exchanged with probability one half."""
    return cv2.flip(image, 1) if rng.random() < 0.5 else image


def rotate(image: Picture, rng: Generator) -> Picture:
    """Turned by 90, 180 or 270 degrees (figure 4)."""
    return np.rot90(image, int(rng.integers(1, 4)))


def cutout(image: Picture, rng: Generator, side: float = 0.5) -> Picture:
    """A black square of `side` times the shorter side, its centre anywhere (figure 4; the size is our choice)."""
    height, width = image.shape[:2]
    half = max(1, round(side * min(height, width))) // 2
    y, x = int(rng.integers(height)), int(rng.integers(width))
    image = image.copy()
    image[max(0, y - half) : y + half, max(0, x - half) : x + half] = 0
    return image


# --- colour ---------------------------------------------------------------------------------------------------------


def grey_of(image: Picture) -> Picture:
    """The grey picture, (H, W)."""
    return at_most_one(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))  # the weights' sum rounds to just above 1


def grey(image: Picture, rng: Generator) -> Picture:
    """All three channels set to the grey picture (colour dropping)."""
    return cv2.cvtColor(grey_of(image), cv2.COLOR_GRAY2RGB)


def brightness(image: Picture, rng: Generator, strength: float) -> Picture:
    """Multiplied by uniform [max(0, 1 - strength), 1 + strength] (appendix A, torchvision's form)."""
    return at_most_one(scaled(image, factor(rng, strength)))


def additive_brightness(image: Picture, rng: Generator, strength: float) -> Picture:
    """Plus uniform [-strength, strength] (the official code's first version)."""
    return clip(scaled(image, 1.0, uniform(rng, -strength, strength)))


def contrast(image: Picture, rng: Generator, strength: float) -> Picture:
    """Stretched about the mean of the grey picture by uniform [max(0, 1 - strength), 1 + strength]."""
    scale, mean = factor(rng, strength), float(np.dot(GREY, cv2.mean(image)[:3]))
    return clip(scaled(image, scale, (1 - scale) * mean))


def saturation(image: Picture, rng: Generator, strength: float) -> Picture:
    """Blended with the grey picture: uniform [max(0, 1 - strength), 1 + strength] of the picture, the rest grey."""
    scale = factor(rng, strength)
    return clip(cv2.transform(image, scale * np.eye(3) + (1 - scale) * GREY))


def channel_contrast(image: Picture, rng: Generator, strength: float) -> Picture:
    """Stretched about each channel's own mean by uniform [max(0, 1 - strength), 1 + strength] (TensorFlow's form)."""
    scale = factor(rng, strength)
    return clip(cv2.add(scaled(image, scale), tuple((1 - scale) * mean for mean in cv2.mean(image))))


def hsv_saturation(image: Picture, rng: Generator, strength: float) -> Picture:
    """Saturation in HSV times uniform [max(0, 1 - strength), 1 + strength], at most 1 (TensorFlow's form)."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = np.minimum(hsv[..., 1] * np.float32(factor(rng, strength)), 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def hue(image: Picture, rng: Generator, strength: float) -> Picture:
    """Hue turned by uniform [-strength, strength] of the whole circle, in HSV; strength 0 to 0.5."""
    turn = 360 * uniform(rng, -strength, strength) % 360
    hsv = cv2.add(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), (turn, 0, 0, 0))  # degrees; the way back takes any
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


Strengthened = Callable[[Picture, Generator, float], Picture]
BrightnessForm = Literal["multiplicative", "additive"]
ColorForm = Literal["torchvision", "tensorflow"]
BRIGHTNESS: dict[str, Strengthened] = {"multiplicative": brightness, "additive": additive_brightness}
CONTRAST: dict[str, Strengthened] = {"torchvision": contrast, "tensorflow": channel_contrast}
SATURATION: dict[str, Strengthened] = {"torchvision": saturation, "tensorflow": hsv_saturation}


def colour_jitter(
    image: Picture,
    rng: Generator,
    strength: float = 1.0,
    brightness_form: BrightnessForm = "multiplicative",
    color_form: ColorForm = "torchvision",
) -> Picture:
    """Brightness, contrast and saturation 0.8 s, hue 0.2 s, in random order, clipped after each (appendix A).

    Args:
        image: (H, W, 3).
        rng: where the draws come from.
        strength: s of Table 1, at least 0.
        brightness_form: multiplicative as in the paper's listing, or additive as in the first official code.
        color_form: contrast and saturation of torchvision (about the mean of the grey picture; blended with it), as
            in the paper's listing, or of TensorFlow (about each channel's mean; in HSV), as in the official code.
    """
    amounts = (0.8 * strength, 0.8 * strength, 0.8 * strength, min(0.2 * strength, 0.5))
    return jitter(image, rng, amounts, brightness_form, color_form)


def jitter(
    image: Picture,
    rng: Generator,
    amounts: tuple[float, float, float, float],
    brightness_form: BrightnessForm = "multiplicative",
    color_form: ColorForm = "torchvision",
) -> Picture:
    """Brightness, contrast, saturation and hue by the strengths in `amounts`, in random order, clipped after each."""
    steps = (BRIGHTNESS[brightness_form], CONTRAST[color_form], SATURATION[color_form], hue)
    for place in rng.permutation(4):
        image = steps[place](image, rng, amounts[place])
    return image


def colour(
    image: Picture,
    rng: Generator,
    strength: float = 1.0,
    brightness_form: BrightnessForm = "multiplicative",
    color_form: ColorForm = "torchvision",
) -> Picture:
    """Colour distortion: jitter with probability 0.8, then grey with probability 0.2 (appendix A)."""
    if rng.random() < 0.8:
        image = colour_jitter(image, rng, strength, brightness_form, color_form)
    return grey(image, rng) if rng.random() < 0.2 else image


# --- texture --------------------------------------------------------------------------------------------------------


BlurBorder = Literal["mirror", "zero"]
BORDERS: dict[str, int] = {"mirror": cv2.BORDER_REFLECT_101, "zero": cv2.BORDER_CONSTANT}


def gaussian_blur(
    image: Picture, rng: Generator, sigma: tuple[float, float] = (0.1, 2.0), border: BlurBorder = "mirror"
) -> Picture:
    """Gaussian blur; the kernel is a tenth of the side, made odd, the deviation uniform in `sigma` (appendix A).

    Of the kernel, what lies beyond five deviations is left out: it weighs less than 1e-5. Beyond the
    border the picture is mirrored, or is black (`zero`), which darkens its edges, as in the official code.
    """
    deviation = uniform(rng, *sigma)
    kernel = 2 * min(image.shape[0] // 10 // 2, ceil(5 * deviation)) + 1
    return at_most_one(cv2.GaussianBlur(image, (kernel, kernel), deviation, borderType=BORDERS[border]))


def noise(image: Picture, rng: Generator, deviation: float = 0.1) -> Picture:
    """Gaussian noise on every value (figure 4; the deviation is our choice)."""
    return clip(image + np.float32(deviation) * rng.standard_normal(image.shape, np.float32))


def sobel(image: Picture, rng: Generator) -> Picture:
    """The length of the Sobel gradient of the grey picture, a quarter of it, on all channels (figure 4)."""
    grey_image = grey_of(image)
    x, y = cv2.Sobel(grey_image, cv2.CV_32F, 1, 0), cv2.Sobel(grey_image, cv2.CV_32F, 0, 1)
    # Not `cv2.magnitude`: its last bit depends on where in memory the picture lies, and a run must be repeatable.
    return clip(cv2.cvtColor(np.sqrt(x * x + y * y) / 4, cv2.COLOR_GRAY2RGB))


# --- arithmetic: one pass each, by OpenCV's vector instructions -------------------------------------------------------


def factor(rng: Generator, strength: float) -> float:
    """Uniform [max(0, 1 - strength), 1 + strength]."""
    return uniform(rng, max(0.0, 1 - strength), 1 + strength)


def scaled(image: Picture, scale: float, offset: float = 0.0) -> Picture:
    """scale image + offset."""
    return cv2.addWeighted(image, scale, image, 0, offset)


def at_most_one(image: Picture) -> Picture:
    """Values above 1 set to 1."""
    return cv2.threshold(image, 1, 0, cv2.THRESH_TRUNC)[1]


def clip(image: Picture) -> Picture:
    """Back into [0, 1]."""
    image = at_most_one(image)
    return cv2.threshold(image, 0, 0, cv2.THRESH_TOZERO, dst=image)[1]


def to_float(image: np.ndarray) -> Picture:
    """uint8 to float32 in [0, 1], contiguous."""
    return np.multiply(image, np.float32(1 / 255), dtype=np.float32)
