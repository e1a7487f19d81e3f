"""CIFAR-10 and CIFAR-100 as their authors pack them for Python, read without unpickling.

The files are pickles, and to unpickle a file is to run it. But a pickle is also a list of instructions that can be read
without being followed: here the bytes of the pixels and the numbers behind the word "labels" are taken from that list.
"""

import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.data.images.arrays import open_array
from unlabeled.data.images.collection import Images
from unlabeled.errors import UserError

_PIXELS = 3 * 32 * 32
_TEXTS = frozenset(("SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"))
_MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "FRAME"))
_VALUES = _TEXTS | {"BININT", "BININT1", "BININT2"}
_FILES = {
    ("CIFAR10", "train"): ("cifar-10-batches-py", [f"data_batch_{number}" for number in range(1, 6)], "labels"),
    ("CIFAR10", "test"): ("cifar-10-batches-py", ["test_batch"], "labels"),
    ("CIFAR100", "train"): ("cifar-100-python", ["train"], "fine_labels"),
    ("CIFAR100", "test"): ("cifar-100-python", ["test"], "fine_labels"),
}
_NAMES = {"CIFAR10": ("batches.meta", "label_names"), "CIFAR100": ("meta", "fine_label_names")}


def open_cifar(root: str, name: str, split: str) -> Images:
    """The pictures of one split, from the folder that torchvision unpacks below `root`.

    Args:
        root: an absolute path.
        name: "CIFAR10" or "CIFAR100"; of the latter, the labels are the 100 fine ones.
        split: "train" or "test".

    Raises:
        FileNotFoundError: a file is not there.
        UserError: a file is damaged or of another kind.
    """
    folder, files, key = _FILES[name, split]
    meta, names_key = _NAMES[name]
    batches = [_batch(Path(root) / folder / file, key) for file in files]
    classes = _instructions(Path(root) / folder / meta)[0].get(names_key, [])
    pixels = np.concatenate([batch for batch, _ in batches])
    labels = [label for _, several in batches for label in several]
    if not labels or not 0 <= min(labels) <= max(labels) < len(classes):
        raise UserError(f"the labels of {name} in {root!r} do not fit its {len(classes)} classes; fetch it again.")
    return open_array(pixels, [classes[label] for label in labels], f"{name} in {root!r}")


def _batch(path: Path, key: str) -> tuple[np.ndarray, list[int]]:
    """Pixels, uint8 (N, 32, 32, 3), and N labels of one file."""
    lists, content = _instructions(path)
    labels = [label for label in lists.get(key, []) if isinstance(label, int)]
    if not labels or len(content) != len(labels) * _PIXELS:
        raise UserError(
            f"{str(path)!r} has {len(content):,} bytes of pixels for {len(labels):,} labels; fetch it again."
        )
    planes = np.frombuffer(content, np.uint8).reshape(-1, 3, 32, 32)  # red, green, blue, row by row
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _instructions(path: Path) -> tuple[dict[str, list[Any]], bytes]:
    """What a pickled dictionary would hold: its lists of numbers or text by their keys, and its longest bytes."""
    lists: dict[str, list[Any]] = {}
    current: list[Any] = []
    key, longest, before, inside, value = "", "", "", False, None
    try:
        for opcode, value, _ in pickletools.genops(path.read_bytes()):
            if opcode.name in _MEMO:
                continue
            if opcode.name == "EMPTY_LIST":
                current = lists[key] = []
            elif opcode.name in ("MARK", "APPENDS"):  # a list's items stand between the two, a thousand at a time
                inside = opcode.name == "MARK" and before in ("EMPTY_LIST", "APPENDS")
            elif inside and opcode.name in _VALUES:
                current.append(value)
            elif opcode.name in _TEXTS:
                assert isinstance(value, str)
                key, longest = value, max(longest, value, key=len)
            before = opcode.name
        return lists, longest.encode("latin-1")
    except FileNotFoundError:
        raise
    except Exception as error:  # a dozen kinds, all of them from reading instructions that are none
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"{str(path)!r} is not a sound file of CIFAR ({reason}); fetch it again.") from None
