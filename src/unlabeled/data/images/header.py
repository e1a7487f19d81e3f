"""A quick verdict on a picture file, from its first and last bytes."""

import os
import stat
import struct
from dataclasses import dataclass

from unlabeled.data.images.formats import UNKNOWN, sniff, too_large
from unlabeled.data.images.pixels import decode, opened, reason_of
from unlabeled.errors import Unreadable

_HEAD = 16_384  # bytes: holds the header of almost every file, and all of a small one
_TAIL = 64  # bytes
_END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"
_END_OF_JPEG = b"\xff\xd9"
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))  # JPEG markers that stand alone
_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers that give the picture's size
_START_OF_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a picture file shows.

    Args:
        reason: why it cannot be read, or None where nothing speaks against it.
        width: as stored, in pixels; 0 where unknown.
        height: as stored.
        bytes: the file's length.
        modified: when the file was last changed, in nanoseconds since 1970.
    """

    reason: str | None
    width: int = 0
    height: int = 0
    bytes: int = -1
    modified: int = -1


def check(path: str | os.PathLike[str]) -> str | None:
    """Why a picture file cannot be read, in a few plain words, or None where nothing speaks against it.

    The header is parsed, the claimed size is held to `formats.LIMIT`, and the end-of-file marker of JPEG, PNG and
    GIF is looked for, so that truncated files are found; pixels are decoded only where that marker is missing. A
    file damaged in its middle passes: `decode` finds it. Nothing is raised.
    """
    return look(path).reason


def look(path: str | os.PathLike[str]) -> Look:
    """`check`, with what was seen on the way: size in pixels, length, time of change."""
    try:
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            return Look("not a regular file")
        if status.st_size == 0:
            return Look("empty file", 0, 0, 0, status.st_mtime_ns)
        reason, width, height = _verdict(os.fspath(path), status.st_size)
    except Unreadable as error:
        return Look(error.reason)
    except Exception as error:
        return Look(reason_of(error))
    return Look(reason, width, height, status.st_size, status.st_mtime_ns)


def _verdict(path: str, length: int) -> tuple[str | None, int, int]:
    """The reason, the width and the height of a regular file."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        head = os.read(descriptor, _HEAD)
        form = sniff(head)
        if form is None:
            return UNKNOWN, 0, 0
        sides = _QUICK[form](descriptor, head, length) if form in _QUICK else None
    finally:
        os.close(descriptor)
    if sides is not None and min(sides) > 0:
        return too_large(*sides), *sides
    if form in _QUICK:  # something is odd: only decoding can tell
        height, width = decode(path).shape[:2]
        return None, width, height
    with opened(path) as image:
        return None, image.width, image.height


def _fetch(descriptor: int, head: bytes, place: int, count: int) -> bytes:
    """`count` bytes at `place` of the file (fewer at its end)."""
    if place + count <= len(head):
        return head[place : place + count]
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, count)


def _png(descriptor: int, head: bytes, length: int) -> tuple[int, int] | None:
    """Width and height, or None where the file is odd or does not end as a PNG does."""
    if head[12:16] != b"IHDR" or len(head) < 24:
        return None
    width, height = struct.unpack(">II", head[16:24])
    whole = _fetch(descriptor, head, max(0, length - len(_END_OF_PNG)), len(_END_OF_PNG)) == _END_OF_PNG
    return (width, height) if whole or too_large(width, height) else None


def _gif(descriptor: int, head: bytes, length: int) -> tuple[int, int] | None:
    """Width and height, or None where the file is odd or does not end as a GIF does."""
    if len(head) < 13:
        return None
    width, height = struct.unpack("<HH", head[6:10])
    tail = _fetch(descriptor, head, max(0, length - _TAIL), _TAIL)
    return (width, height) if tail.rstrip(b"\0").endswith(b";") or too_large(width, height) else None


def _jpeg(descriptor: int, head: bytes, length: int) -> tuple[int, int] | None:
    """Width and height, or None where the file is odd or has no end-of-image marker behind its first scan."""
    place, sides = 2, None
    for _ in range(1000):  # segments; a sound file has dozens
        piece = _fetch(descriptor, head, place, 9)
        if len(piece) < 9 or piece[0] != 0xFF:
            return None
        marker, size, _, height, width = struct.unpack(">xBHBHH", piece)
        if marker == _START_OF_SCAN:
            break
        if marker in _FRAME:
            sides = (width, height)
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in _NO_LENGTH:
            place += 2
        elif size < 2:
            return None
        else:
            place += 2 + size
    else:
        raise ValueError("its header does not end")  # decoding would search for the end, byte by byte
    if sides is None or (not too_large(*sides) and not _ends(descriptor, head, place, length)):
        return None
    return sides


def _ends(descriptor: int, head: bytes, place: int, length: int) -> bool:
    """Whether a JPEG has its end-of-image marker behind `place`; phones append films and second pictures to it."""
    tail = _fetch(descriptor, head, max(0, length - _TAIL), _TAIL)
    if tail.rstrip(b"\0").endswith(_END_OF_JPEG):
        return True
    os.lseek(descriptor, place, os.SEEK_SET)
    last = b""
    while piece := os.read(descriptor, 1 << 20):
        if _END_OF_JPEG in last + piece:
            return True
        last = piece[-1:]
    return False


_QUICK = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif}
"""The formats whose header and end are read here; the others are opened by Pillow."""
