"""IDX files, the form of MNIST and its kin."""

import gzip
import os
import re
import struct
import zlib
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np

from unlabeled.data.images.arrays import open_array
from unlabeled.data.images.collection import Images
from unlabeled.data.images.packed import read_bytes
from unlabeled.errors import UserError

_IMAGES = re.compile(r"images[-._]?idx[34](-ubyte)?(\.gz)?$")
_UNSIGNED_BYTE = 0x08
_PACKED = b"\x1f\x8b"


def idx_files(folder: str) -> list[str]:
    """The names of the IDX files of pictures that lie directly in a folder, sorted; empty if it cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if _IMAGES.search(name) and not name.startswith("."))  # noqa: PTH208
    except OSError:
        return []


def is_idx(path: str) -> bool:
    """Whether a regular file is an IDX file, by its name or its first bytes."""
    if "idx" in Path(path).name.lower().removesuffix(".gz").rpartition(".")[2]:
        return True
    try:
        with _opened(path) as file:
            return file.read(3) == bytes((0, 0, _UNSIGNED_BYTE))
    except (OSError, EOFError, zlib.error):
        return False


def open_idx_folder(folder: str, names: list[str]) -> Images:
    """The pictures of a folder with the IDX files `names`: the pair `train-*`, or the only pair.

    Raises:
        UserError: there are several and none is called so, or what `open_idx` raises.
    """
    pairs = sorted({name.removesuffix(".gz") for name in names})
    train = [name for name in pairs if name.startswith("train")]
    chosen = train if len(train) == 1 else pairs
    if len(chosen) > 1:
        raise UserError(
            f"{folder!r} holds {len(chosen)} IDX files of pictures; give one of them, such as {chosen[0]!r}."
        )
    name = chosen[0] if chosen[0] in names else chosen[0] + ".gz"
    return open_idx(os.path.join(folder, name), folder)  # noqa: PTH118


def open_idx(path: str, place: str | None = None) -> Images:
    """The pictures of an IDX file, packed by gzip or not, and the labels of its sibling.

    The sibling of `X-images-idx3-ubyte` is `X-labels-idx1-ubyte`, either of them with or without `.gz`.

    Args:
        path: the file of pictures, an absolute path.
        place: what the user gave; by default the path.

    Raises:
        UserError: not such a file, damaged, other than unsigned bytes in 3 or 4 dimensions, fewer or more bytes than
            its header claims, or labels that do not fit.
    """
    pixels = read_idx(path)
    if pixels.ndim == 1:
        raise UserError(f"{path!r} holds labels, not pictures; give the file with images in its name.")
    sibling = _sibling(path)
    labels = read_idx(sibling) if sibling else None
    images = open_array(pixels, labels, repr(path))
    images.place = place or path
    return images


def read_idx(path: str) -> np.ndarray:
    """The array of an IDX file of unsigned bytes, uint8, of 1 to 4 dimensions.

    Raises:
        UserError: as `open_idx` says.
    """
    shown = repr(path)
    try:
        with _opened(path) as file:
            shape = _shape(file, shown)
            count = prod(shape)
            packed = Path(path).stat().st_size if isinstance(file, gzip.GzipFile) else count
            content = read_bytes(file, count, packed, shown)
            if file.read(1):
                raise EOFError(f"more than the {count:,} bytes it claims are there")
    except MemoryError:
        raise UserError(f"{shown} does not fit in memory; split it or save the pictures as files.") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"{shown} is not a sound IDX file ({reason}); fetch or write it again.") from None
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(file: IO[bytes], shown: str) -> tuple[int, ...]:
    """The shape that the header claims."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise EOFError("its first bytes are not those of an IDX file")
    kind, dimensions = magic[2], magic[3]
    if kind != _UNSIGNED_BYTE or dimensions not in (1, 3, 4):
        raise UserError(
            f"{shown} has values of type {kind:#04x} in {dimensions} dimensions; give unsigned bytes (0x08) in 3."
        )
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise EOFError("its header is cut off")
    shape = struct.unpack(f">{dimensions}I", header)
    if 0 in shape:
        raise UserError(f"{shown} has the shape {shape}, which holds nothing; give at least one picture.")
    return shape


def _opened(path: str) -> IO[bytes]:
    """The file, unpacked on the way if its first bytes are gzip's; a name in .gz must be packed."""
    with Path(path).open("rb") as file:
        packed = file.read(2) == _PACKED
    if packed or path.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return Path(path).open("rb")


def _sibling(path: str) -> str | None:
    """The file of labels that belongs to a file of pictures, or None."""
    folder, name = os.path.split(path)
    plain = re.sub(r"idx[34]", "idx1", name.replace("images", "labels")).removesuffix(".gz")
    for candidate in (plain, plain + ".gz"):
        other = os.path.join(folder, candidate)  # noqa: PTH118
        if candidate != name and os.path.isfile(other):  # noqa: PTH113
            return other
    return None
