"""Pictures that are one array."""

import hashlib

import numpy as np

from unlabeled.data.images.collection import Images
from unlabeled.data.images.labels import number_array
from unlabeled.errors import UserError

_BLOCK = 1 << 24  # values that are converted or hashed at once
_HASHED = 4 << 30  # bytes of which every one is hashed; of a larger array, evenly spread rows
_SLACK = 1e-6  # how far a float may leave [0, 1] by rounding


class Rows:
    """The reader of an array.

    Args:
        pixels: uint8 (N, H, W) or (N, H, W, 3); kept, not copied.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """See `Reader`."""
        return rgb(self.pixels[row])

    def side(self, row: int) -> int:
        """See `Reader`."""
        return int(min(self.pixels.shape[1:3]))

    def fingerprint(self, rows: np.ndarray) -> str:
        """See `Reader`: of the shape and every byte; above 4 GiB, of evenly spread rows that amount to as much."""
        row_bytes = self.pixels[0].size
        digest = hashlib.blake2b(f"array {len(rows)} {self.pixels.shape[1:]}".encode(), digest_size=16)
        rows = rows[:: -(-len(rows) * row_bytes // _HASHED) or 1]
        step = max(1, _BLOCK // row_bytes)
        for start in range(0, len(rows), step):
            digest.update(self.pixels[rows[start : start + step]].tobytes())
        return digest.hexdigest()


def open_array(images: np.ndarray, labels: object, place: str) -> Images:
    """The pictures of an array.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3); uint8, or floats in [0, 1], which become round(255 v).
        labels: N whole numbers or texts, or None.
        place: where the array comes from, for messages.

    Raises:
        UserError: another shape or type, nothing in it, NaN, values outside [0, 1], labels that do not fit.
    """
    shape = images.shape
    if images.ndim not in (3, 4) or (images.ndim == 4 and shape[3] not in (1, 3)):
        raise UserError(f"{place} has images of shape {shape}; give (N, H, W) or (N, H, W, 3).")
    if images.ndim == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
        raise UserError(f"{place} has the shape {shape} of one picture; give (N, H, W) or (N, H, W, 3).")
    if images.size == 0:
        raise UserError(f"{place} has images of shape {shape}, which hold nothing; give at least one picture.")
    try:
        pixels = as_uint8(images[..., 0] if images.ndim == 4 and shape[3] == 1 else images)
    except ValueError as error:
        raise UserError(f"{place} has images that {error}.") from None
    answers = None if labels is None else number_array(labels, len(pixels), place)
    return Images(place, [str(row) for row in range(len(pixels))], Rows(pixels), answers)


def as_uint8(values: np.ndarray) -> np.ndarray:
    """Pixels of 8 bits as they are; floats in [0, 1] as round(255 v); the shape stays.

    Raises:
        ValueError: another type, NaN or values outside [0, 1]; the message goes on from "images that".
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise ValueError(f"are of type {values.dtype}; give uint8, or floats in [0, 1]")
    pixels = np.empty(values.shape, np.uint8)
    step = max(1, _BLOCK // max(1, values[:1].size))
    for start in range(0, len(values), step):
        block = values[start : start + step]
        low, high = float(block.min()), float(block.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError("hold NaN or infinity; replace those values")
        if low < -_SLACK or high > 1 + _SLACK:
            raise ValueError(f"are floats from {low:.4g} to {high:.4g}; scale them to [0, 1] or give uint8")
        pixels[start : start + step] = np.rint(block.clip(0, 1) * 255)
    return pixels


def rgb(pixels: np.ndarray) -> np.ndarray:
    """A copy of uint8 (H, W) or (H, W, 3) as uint8 (H, W, 3)."""
    if pixels.ndim == 3:
        return np.array(pixels)
    return np.repeat(pixels[:, :, None], 3, axis=2)
