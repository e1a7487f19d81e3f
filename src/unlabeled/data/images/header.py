"""A quick verdict on a picture, from its first and last bytes."""

import io
import os
import stat
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from PIL import Image

from unlabeled.data.images.formats import BYTES, NOT_REGULAR, UNKNOWN, sniff, too_large
from unlabeled.data.images.pixels import opened, opened_stream, reason_of, upright_rgb
from unlabeled.errors import Unreadable

Fetch = Callable[[int, int], bytes]
"""(place, count) → `count` bytes at `place` of what may be a picture, fewer at its end."""

END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"
END_OF_JPEG = b"\xff\xd9"
NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
"""JPEG markers that stand alone."""
FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that give the picture's size."""
START_OF_SCAN = 0xDA

_HEAD = 16_384  # bytes: holds the header of almost every file, and all of a small one
_TAIL = 64  # bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a picture shows.

    Args:
        reason: why it cannot be read, or None where nothing speaks against it.
        width: as stored, in pixels; 0 where unknown.
        height: as stored.
    """

    reason: str | None
    width: int = 0
    height: int = 0

    @property
    def side(self) -> int:
        """The shorter side in pixels; 0 where unknown."""
        return min(self.width, self.height)


def check(path: str | os.PathLike[str]) -> str | None:
    """Why a picture file cannot be read, in a few plain words, or None where nothing speaks against it.

    The header is parsed, the claimed size is held to `formats.LIMIT`, and the end-of-file marker of JPEG, PNG and
    GIF is looked for, so that truncated files are found; pixels are decoded only where that marker is missing. A
    file damaged in its middle passes: `decode` finds it. Nothing is raised.
    """
    return look(path).reason


def look(path: str | os.PathLike[str]) -> Look:
    """`check`, with the size in pixels that was seen on the way."""
    try:
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            return Look(NOT_REGULAR)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return look_into(fetch_from(file), status.st_size, lambda: opened(path))
    except Exception as error:
        return Look(reason_of(error))


def look_at_bytes(content: bytes) -> Look:
    """`look` at what lies in memory."""
    return look_at_part(lambda place, count: content[place : place + count], len(content))


def look_at_part(fetch: Fetch, length: int) -> Look:
    """`look` at `length` bytes that are no file of their own; where it must be decoded, all of it is fetched."""
    if length > BYTES:
        return Look(f"too large: it has {length:,} bytes, the limit is {BYTES:,}")
    return look_into(fetch, length, lambda: opened_stream(io.BytesIO(fetch(0, length)), ""))


def look_into(fetch: Fetch, length: int, whole: Callable[[], AbstractContextManager[Image.Image]]) -> Look:
    """`look` at anything of `length` bytes; `whole` opens it as a picture, which few need."""
    if length == 0:
        return Look("empty file")
    try:
        return _verdict(fetch, length, whole)
    except Unreadable as error:
        return Look(error.reason)
    except Exception as error:
        return Look(reason_of(error))


def fetch_from(file: io.FileIO, start: int = 0, length: int | None = None) -> Fetch:
    """What `file` has from `start` on, at most `length` bytes of it."""

    def fetch(place: int, count: int) -> bytes:
        if length is not None:
            count = max(0, min(count, length - place))
        file.seek(start + place)
        return file.read(count) or b""

    return fetch


def _verdict(fetch: Fetch, length: int, whole: Callable[[], AbstractContextManager[Image.Image]]) -> Look:
    head = fetch(0, _HEAD)
    form = sniff(head)
    if form is None:
        return Look(UNKNOWN)

    def piece(place: int, count: int) -> bytes:
        held = place + count <= len(head) or len(head) == length
        return head[place : place + count] if held else fetch(place, count)

    sides = _QUICK[form](piece, length) if form in _QUICK else None
    if sides is not None and min(sides) > 0:
        return Look(too_large(*sides), *sides)
    with whole() as image:
        if form not in _QUICK:
            return Look(None, image.width, image.height)
        height, width = upright_rgb(image).shape[:2]  # something is odd: only decoding can tell
        return Look(None, width, height)


def _png(fetch: Fetch, length: int) -> tuple[int, int] | None:
    """Width and height, or None where the file is odd or does not end as a PNG does."""
    head = fetch(0, 24)
    if head[12:16] != b"IHDR" or len(head) < 24:
        return None
    width, height = struct.unpack(">II", head[16:24])
    whole = fetch(max(0, length - len(END_OF_PNG)), len(END_OF_PNG)) == END_OF_PNG
    return (width, height) if whole or too_large(width, height) else None


def _gif(fetch: Fetch, length: int) -> tuple[int, int] | None:
    """Width and height, or None where the file is odd or does not end as a GIF does."""
    head = fetch(0, 13)
    if len(head) < 13:
        return None
    width, height = struct.unpack("<HH", head[6:10])
    tail = fetch(max(0, length - _TAIL), _TAIL)
    return (width, height) if tail.rstrip(b"\0").endswith(b";") or too_large(width, height) else None


def _jpeg(fetch: Fetch, length: int) -> tuple[int, int] | None:
    """Width and height, or None where the file is odd or has no end-of-image marker behind its first scan."""
    place, sides = 2, None
    for _ in range(1000):  # segments; a sound file has dozens
        piece = fetch(place, 9)
        if len(piece) < 9 or piece[0] != 0xFF:
            return None
        marker, size, _, height, width = struct.unpack(">xBHBHH", piece)
        if marker == START_OF_SCAN:
            break
        if marker in FRAME:
            sides = (width, height)
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in NO_LENGTH:
            place += 2
        elif size < 2:
            return None
        else:
            place += 2 + size
    else:
        raise ValueError("its header does not end")  # decoding would search for the end, byte by byte
    if sides is None or (not too_large(*sides) and not _ends(fetch, place, length)):
        return None
    return sides


def _ends(fetch: Fetch, place: int, length: int) -> bool:
    """Whether a JPEG has its end-of-image marker behind `place`; phones append films and second pictures to it."""
    tail = fetch(max(0, length - _TAIL), _TAIL)
    if tail.rstrip(b"\0").endswith(END_OF_JPEG):
        return True
    last = b""
    while piece := fetch(place, 1 << 20):
        if END_OF_JPEG in last + piece:
            return True
        last = piece[-1:]
        place += len(piece)
    return False


_QUICK = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif}
"""The formats whose header and end are read here; the others are opened by Pillow."""
