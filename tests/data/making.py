"""Pictures and files that the tests of `data/` make for themselves."""

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def tar(path: Path, members: Iterable[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    """Write a tar file of members, whatever their names, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as file:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return path


def tar_with(path: Path, entry: tarfile.TarInfo) -> Path:
    """Write a tar file of one picture, `good.png`, and one entry without bytes: a link, a device."""
    tar(path, [("good.png", packed(noise(), "PNG"))])
    with tarfile.open(path, "a") as file:
        file.addfile(entry)
    return path


def table(path: Path, group: int = 1000, /, **columns: object) -> Path:
    """Write a parquet file of columns, `group` rows a row group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def batch_of_cifar(path: Path, pixels: np.ndarray, labels: dict[str, list[int]]) -> Path:
    """Write uint8 (N, 32, 32, 3) and lists of labels as CIFAR's authors did: a pickle of Python 2, protocol 2."""

    def text(value: str) -> bytes:
        return b"U" + bytes((len(value),)) + value.encode()

    content = pixels.transpose(0, 3, 1, 2).tobytes()
    rows = struct.pack("<i", len(pixels))
    parts = [b"\x80\x02}q\x01(", text("batch_label"), b"q\x02", text("training batch 1 of 5"), b"q\x03"]
    for key, several in labels.items():
        numbers = [b"K" + bytes((label,)) for label in several]
        parts += [
            text(key),
            b"]q\x05",
            *(b"(" + b"".join(numbers[k : k + 1000]) + b"e" for k in range(0, len(numbers), 1000)),
        ]
    parts += [text("data"), b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85", text("b")]
    parts += [b"\x87R(K\x01J", rows, b"M\x00\x0c\x86cnumpy\ndtype\n", text("u1"), b"K\x00K\x01\x87R(K\x03", text("|")]
    parts += [b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T", struct.pack("<i", len(content)), content, b"tb"]
    parts += [text("filenames"), b"](", *(text(f"{row}.png") for row in range(len(pixels))), b"eu."]
    return write(path, b"".join(parts))
