"""Arrays from a NumPy archive, read as one reads a stranger's file: nothing is allocated on its word alone."""

import zipfile
from math import prod
from typing import IO

import numpy as np
from numpy.lib import format as npy

from unlabeled.data.images.arrays import open_array
from unlabeled.data.images.collection import Images
from unlabeled.data.images.packed import read_bytes
from unlabeled.errors import UserError


def open_npz(path: str) -> Images:
    """The pictures of an `.npz` file with the array `images` and perhaps `labels` (see `open_array`).

    Args:
        path: an absolute path.

    Raises:
        UserError: not such a file, damaged, pickled objects, no array `images`, more than `packed.LIMIT` bytes when
            unpacked, or what `open_array` refuses.
    """
    shown = repr(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if "images" not in names:
                held = ", ".join(repr(name) for name in names[:5]) or "nothing"
                raise UserError(f"{shown} holds {held} but no array 'images'; save it with np.savez(file, images=...).")
            images = _array(archive, "images", shown)
            labels = _array(archive, "labels", shown) if "labels" in names else None
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{shown} does not fit in memory; split it or save the pictures as files.") from None
    except Exception as error:  # a dozen kinds: the archive's, the packing's, and those of the headers' small language
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise UserError(f"{shown} is not a sound .npz file ({reason}); save it again with np.savez.") from None
    opened = open_array(images, labels, shown)
    opened.place = path
    return opened


def _array(archive: zipfile.ZipFile, name: str, shown: str) -> np.ndarray:
    """One array of the archive; its header is believed only as far as there are bytes."""
    member = archive.getinfo(name + ".npy")
    with archive.open(member) as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject or dtype.fields is not None:
            raise UserError(f"{shown} holds Python objects as {name!r}, which are never unpickled; save plain numbers.")
        count = prod(shape)  # Python's whole numbers: a claim of 2^80 does not wrap around
        if min(shape, default=1) < 0 or count * dtype.itemsize != member.file_size - stream.tell():
            raise ValueError(f"{name} claims the shape {shape} and has other bytes")
        content = read_bytes(stream, count * dtype.itemsize, member.compress_size, f"{shown} ({name})")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"array format {version} is not known")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return read(stream)
