"""Pictures inside a page: JPEG as text, alone or many in one sheet."""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

SHEET_BYTES = 6_000_000
"""Most that a sheet of thumbnails may weigh; as text in the page it is a third more."""
QUALITIES = (85, 75, 60, 45, 30, 15, 5)


@dataclass(frozen=True)
class Sheet:
    """Thumbnails side by side in one picture, row by row.

    Args:
        content: JPEG.
        side: of one thumbnail in pixels.
        columns: thumbnails in a row.
    """

    content: bytes
    side: int
    columns: int


def jpeg(pixels: np.ndarray, quality: int = 88) -> bytes:
    """uint8 (H, W, 3) as JPEG, colour at full resolution: what is this small has none to lose."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def data_uri(content: bytes) -> str:
    """A JPEG as the address of itself."""
    return f"data:image/jpeg;base64,{b64encode(content).decode()}"


def sheet(thumbnails: Sequence[np.ndarray], budget: int = SHEET_BYTES) -> Sheet:
    """All thumbnails in one JPEG, at the best quality that fits the budget.

    Sides that are multiples of 8 keep neighbours apart: JPEG's blocks then belong to one thumbnail each.

    Args:
        thumbnails: at least one, uint8 (S, S, 3), all of one side S.
        budget: bytes; met by quality alone, so that the lowest quality is taken where nothing fits.
    """
    side, columns = thumbnails[0].shape[0], int(np.ceil(np.sqrt(len(thumbnails))))
    rows = -(-len(thumbnails) // columns)
    whole = np.full((rows * side, columns * side, 3), 128, np.uint8)
    for place, picture in enumerate(thumbnails):
        top, left = place // columns * side, place % columns * side
        whole[top : top + side, left : left + side] = picture
    content = b""
    for quality in QUALITIES:
        content = jpeg(whole, quality)
        if len(content) <= budget:
            break
    return Sheet(content, side, columns)


def side_for(count: int, natural: int) -> int:
    """The side of a thumbnail on a map of `count` samples: a multiple of 16, no more than the sample's own side.

    Args:
        count: samples on the map.
        natural: the side that the encoder looks at.
    """
    most = 64 if count <= 1500 else 48 if count <= 4000 else 32
    return min(most, max(32, natural // 16 * 16))
