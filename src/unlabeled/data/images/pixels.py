"""One picture file → RGB pixels."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from unlabeled.data.images.formats import LIMIT, NOT_REGULAR, UNKNOWN, sniff, too_large
from unlabeled.errors import Unreadable

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what turns the stored pixels upright."""

TRUNCATED = "truncated: the end of the file is missing"

_ORIENTATION = 0x0112

_SIXTEEN_TO_EIGHT = ((np.arange(65_536) + 128) // 257).astype(np.uint8)
"""v → round(v / 257)."""


def decode(path: str | os.PathLike[str], at_least: int | None = None) -> np.ndarray:
    """The pixels of a picture file, as a person sees it: upright, on white, the first frame.

    EXIF orientation is applied; palettes, transparency (composited on white), grey, CMYK (in a JPEG inverted, as
    Adobe writes it) and YCbCr become RGB;
    16-bit values v become round(v / 257); colour profiles are not applied. The content decides the format, not
    the extension.

    Args:
        path: a regular file (JPEG, PNG, GIF, BMP, TIFF, WebP, PPM, JPEG 2000, AVIF or QOI).
        at_least: at least 1, or None. A JPEG whose shorter side is 2, 4 or 8 times that or more is decoded at a
            half, a quarter or an eighth of its size, which is faster; the shorter side never falls below `at_least`
            (nor grows to it). Other formats are decoded whole.

    Returns:
        uint8 (H, W, 3), contiguous and writable.

    Raises:
        Unreadable: whatever the cause: no such file, a folder, a device, no permission, not a picture, truncated,
            damaged, more than `formats.LIMIT` pixels (refused before decoding), 32-bit or floating-point pixels,
            not enough memory.
    """
    with opened(path) as image:
        return _pixels(image, at_least)


def decode_bytes(content: bytes, name: str, at_least: int | None = None) -> np.ndarray:
    """`decode` of a picture in memory, called `name` in what is raised."""
    with opened_stream(io.BytesIO(content), name) as image:
        return _pixels(image, at_least)


def _pixels(image: Image.Image, at_least: int | None) -> np.ndarray:
    if at_least is not None:
        image.draft(None, (at_least, at_least))
    return upright_rgb(image)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """A picture file whose header alone has been read; it is closed afterwards.

    Raises:
        Unreadable: as `decode` says; also for anything that Pillow raises inside the `with`.
    """
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116, a fifo must not be opened
            raise Unreadable(name, NOT_REGULAR)
        with open(name, "rb") as file, opened_stream(file, name) as image:  # noqa: PTH123
            yield image
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(name, reason_of(error)) from None


@contextmanager
def opened_stream(stream: IO[bytes], name: str) -> Iterator[Image.Image]:
    """`opened` of a stream that stands at its beginning, called `name` in what is raised."""
    try:
        form = sniff(stream.read(16))
        if form is None:
            raise Unreadable(name, UNKNOWN)
        with Image.open(stream, formats=(form,)) as image:
            reason = too_large(*image.size) or refused_mode(image)
            if reason:
                raise Unreadable(name, reason)
            yield image
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(name, reason_of(error)) from None


def refused_mode(image: Image.Image) -> str | None:
    """The reason to refuse pixels that have no known range, or None."""
    if image.mode == "F":
        return "floating-point pixels have no known range: convert it to 8 or 16 bits"
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # Pillow holds 16-bit values of these two in 32
        return "32-bit pixels have no known range: convert it to 8 or 16 bits"
    return None


def upright_rgb(image: Image.Image) -> np.ndarray:
    """The pixels of an opened Pillow image, as `decode` describes them: uint8 (H, W, 3)."""
    image.load()
    orientation = _orientation(image)  # asked after loading: PNG may carry it behind the pixels
    image = _rgb(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return np.array(image)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """16-bit grey (H, W) as uint8: round(v / 257), white where the file's key says transparent."""
    values = np.asarray(image).astype(np.uint16)
    grey = _SIXTEEN_TO_EIGHT[values]
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey[values == key] = 255
    return grey


def _orientation(image: Image.Image) -> int | None:
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # broken EXIF does not make the pixels unreadable
        return None
    return orientation if isinstance(orientation, int) else None


def reason_of(error: Exception) -> str:
    """Why a file could not be read, in a few plain words on one line."""
    text = " ".join(str(error).split())[:80]
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large: it claims more pixels than the limit of {LIMIT:,}"
    if isinstance(error, UnidentifiedImageError):
        return "damaged header"
    if isinstance(error, KeyError) and error.args[0] in ("AVIF", "WEBP", "JPEG2000"):  # not in Pillow's table
        return f"this installation of Pillow does not read {error.args[0]}"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    if "truncated" in text.lower():
        return TRUNCATED
    return f"damaged ({text or type(error).__name__})"
