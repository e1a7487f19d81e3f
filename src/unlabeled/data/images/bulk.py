"""A look at many picture files at once.

What is certainly a sound JPEG or PNG is told from the first and last bytes of a thousand files together, as arrays;
`header.look` decides the rest one by one. Python's own work on a file, not the disk, was most of the time before.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from unlabeled.data.images.formats import LIMIT
from unlabeled.data.images.header import END_OF_JPEG, END_OF_PNG, FRAME, NO_LENGTH, START_OF_SCAN, Look, look

PORTION = 1024
"""Pictures that are looked at together."""

_THREADS = 8
_SLOW = 40e-6  # seconds a file, from which on it is not Python that takes them
_HEAD = 8192  # bytes
_TAIL = len(END_OF_PNG)
_SEGMENTS = 32  # of a JPEG's header; `look` walks through more
_ROOM = 48  # bytes that a whole picture has at least; nothing is read further behind a place than that
_END = int.from_bytes(END_OF_JPEG)
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a fifo must not hold us up

_IS_FRAME = np.isin(np.arange(256), sorted(FRAME))
_IS_ODD = np.isin(np.arange(256), sorted({0xFF, 0xD9, *NO_LENGTH}))


@dataclass(frozen=True)
class Looks:
    """What a look at N pictures shows.

    Args:
        sides: int64 (N,), the shorter side in pixels; 0 where the picture cannot be read.
        reasons: the row of a picture that cannot be read → why.
    """

    sides: np.ndarray
    reasons: dict[int, str]


def look_at_files(root: str, names: Sequence[str]) -> Looks:
    """A look at each of the files `names` below `root`, in order; see `header.look`."""
    paths = [f"{root}/{name}" for name in names]
    buffers: list[np.ndarray] = []  # one a thread, kept: fresh memory costs more than the files
    return in_portions(len(paths), lambda start, stop: _look_at(paths[start:stop], buffers))


def in_portions(count: int, portion: Callable[[int, int], Looks]) -> Looks:
    """Looks at rows 0 to `count`, made by `portion(start, stop)`; by several threads from where they are slow to come.

    Threads hide the time that a disk or a network takes. Where all is in memory they only wait for each other.
    """

    def at(start: int) -> Looks:
        return portion(start, min(start + PORTION, count))

    parts: list[Looks] = []
    starts = range(0, count, PORTION)
    for start in starts:
        began = time.perf_counter()
        parts.append(at(start))
        if time.perf_counter() - began > _SLOW * PORTION:
            break
    with ThreadPoolExecutor(_THREADS) as pool:
        parts += pool.map(at, starts[len(parts) :])
    sides = np.concatenate([np.zeros(0, np.int64), *(part.sides for part in parts)])
    reasons = {
        start + row: reason for start, part in zip(starts, parts, strict=True) for row, reason in part.reasons.items()
    }
    return Looks(sides, reasons)


def one_by_one(looks: Sequence[Look]) -> Looks:
    """Single looks together."""
    reasons = {row: seen.reason for row, seen in enumerate(looks) if seen.reason is not None}
    sides = np.array([0 if seen.reason else seen.side for seen in looks], np.int64)
    return Looks(sides, reasons)


def _look_at(paths: Sequence[str], buffers: list[np.ndarray]) -> Looks:
    """Looks at up to `PORTION` files, through one of the buffers that lie idle."""
    if hasattr(os, "readv"):
        buffer = buffers.pop() if buffers else np.empty(PORTION * (_HEAD + _TAIL) + _ROOM, np.uint8)
        sides = sides_of(buffer, _read_ends(paths, buffer.data))
        buffers.append(buffer)
    else:  # Windows
        sides = np.zeros(len(paths), np.int64)
    reasons = {}
    for row in np.flatnonzero(sides == 0).tolist():
        seen = look(paths[row])
        if seen.reason is None:
            sides[row] = seen.side
        else:
            reasons[row] = seen.reason
    return Looks(sides, reasons)


def _read_ends(paths: Sequence[str], buffer: memoryview) -> np.ndarray:
    """The first bytes of each file and behind them its last, one file after the other: lengths, int64 (N,)."""
    lengths, place = [], 0
    for path in paths:
        count = 0
        try:
            descriptor = os.open(path, _FLAGS)
            try:
                count = os.readv(descriptor, (buffer[place : place + _HEAD],))
                if count == _HEAD:
                    os.lseek(descriptor, max(_HEAD, os.fstat(descriptor).st_size - _TAIL), os.SEEK_SET)
                    count += os.readv(descriptor, (buffer[place + _HEAD : place + _HEAD + _TAIL],))
            finally:
                os.close(descriptor)
        except (OSError, ValueError):
            count = 0
        lengths.append(count)
        place += count
    return np.array(lengths, np.int64)


def sides_of(data: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The shorter sides of pictures of which only the first bytes, and behind them the last ones, are known.

    Args:
        data: uint8, the bytes of one picture after the other, and at least `_ROOM` more.
        lengths: int64 (N,), how many there are of each.

    Returns:
        int64 (N,); 0 where only `look` can tell, and wherever `look` would find a reason.
    """
    starts = np.cumsum(lengths) - lengths
    sides = np.zeros(len(lengths), np.int64)
    for first, parse in ((0xFF, _jpegs), (0x89, _pngs)):
        rows = np.flatnonzero((data[starts] == first) & (lengths >= _ROOM))
        height, width = parse(data, starts[rows], starts[rows] + lengths[rows])
        small = height <= LIMIT // np.maximum(width, 1)  # the product of two claims may not fit 64 bits
        sides[rows] = np.where(small, np.minimum(height, width), 0)
    return sides


def _number(data: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Whole numbers of `count` bytes, the highest first, at places (K,): int64 (K,)."""
    value: np.ndarray = data[places].astype(np.int64)
    for further in range(1, count):
        value = value << 8 | data[places + further]
    return value


def _pngs(data: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights and widths of PNG files, each from `begin` to `end`; 0 where one lacks its header or its end."""
    sound = np.ones(len(begin), bool)
    for places, known in ((begin, b"\x89PNG\r\n\x1a\n"), (begin + 12, b"IHDR"), (end - _TAIL, END_OF_PNG)):
        for further, value in enumerate(known):
            sound &= data[places + further] == value
    return _number(data, begin + 20, 4) * sound, _number(data, begin + 16, 4) * sound


def _jpegs(data: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights and widths of JPEG files, each from `begin` to `end`; 0 where one is odd or lacks its end.

    All files step from segment to segment together, until each has come to its first scan.
    """
    sides = np.zeros((2, len(begin)), np.int64)
    done = np.zeros(len(begin), bool)
    rows = np.flatnonzero((_number(data, begin, 2) == 0xFFD8) & (_number(data, end - 2, 2) == _END))
    place = begin + 2
    for _ in range(_SEGMENTS):
        rows = rows[place[rows] + _ROOM <= end[rows]]  # what is left of the others, `look` walks through
        at = place[rows]
        marker, size = data[at + 1], _number(data, at + 2, 2)
        frame = rows[_IS_FRAME[marker]]
        for side, further in enumerate((5, 7)):
            sides[side, frame] = _number(data, place[frame] + further, 2)
        sound = (data[at] == 0xFF) & ~_IS_ODD[marker] & (size >= 2)
        done[rows[sound & (marker == START_OF_SCAN)]] = True
        onward = sound & (marker != START_OF_SCAN)
        rows = rows[onward]
        place[rows] += 2 + size[onward]
        if not len(rows):
            break
    return sides[0] * done, sides[1] * done
