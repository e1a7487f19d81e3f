"""Pictures and files that the tests of `data/` make for themselves."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def noise(height: int = 12, width: int = 16, seed: int = 0) -> np.ndarray:
    """Random pixels, uint8 (H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """A colour gradient, uint8 (H, W, 3): what JPEG keeps almost as it is."""
    down, across = np.linspace(0, 255, height)[:, None], np.linspace(0, 255, width)[None, :]
    return np.stack(np.broadcast_arrays(down, across, 255 - (down + across) / 2), axis=2).astype(np.uint8)


def packed(pixels: np.ndarray, form: str, **options: object) -> bytes:
    """Pixels as the bytes of a file of Pillow's format `form`."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def write(path: Path, content: bytes) -> Path:
    """Write a file, with the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def photo(path: Path, seed: int = 0, height: int = 12, width: int = 16) -> Path:
    """Write a small PNG or JPEG of noise, by the extension."""
    form = "PNG" if path.suffix == ".png" else "JPEG"
    return write(path, packed(noise(height, width, seed), form))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file, with its sum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size and whose pixels are a few bytes."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 100)) + png_chunk(b"IEND", b"")


def idx(array: np.ndarray, kind: int = 0x08) -> bytes:
    """An array as an IDX file."""
    return bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_pair(folder: Path, part: str = "train", count: int = 5, seed: int = 0, zipped: bool = True) -> np.ndarray:
    """Write `PART-images-idx3-ubyte` and its labels (0, 1, 2, 0, 1 ...); returns the pixels, uint8 (N, 6, 7)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 6, 7), dtype=np.uint8)
    for name, array in (("images-idx3", pixels), ("labels-idx1", np.arange(count, dtype=np.uint8) % 3)):
        content = gzip.compress(idx(array)) if zipped else idx(array)
        write(folder / f"{part}-{name}-ubyte{'.gz' if zipped else ''}", content)
    return pixels
