"""Data sets of torchvision by name, where they are on disk: `torchvision:NAME:FOLDER`, `torchvision:NAME/SPLIT:FOLDER`.

The names are a list, not whatever torchvision has: each gives one picture and one label. Nothing is ever downloaded.
torchvision is asked where the pictures lie; they are read here, as files and arrays are read everywhere. The loaders of
CIFAR unpickle what they find, so `cifar` reads these files itself.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from unlabeled.data.images.arrays import open_array
from unlabeled.data.images.cifar import open_cifar
from unlabeled.data.images.collection import Images
from unlabeled.data.images.folder import open_labelled
from unlabeled.data.images.idx import open_idx
from unlabeled.errors import UserError

PREFIX = "torchvision:"


@dataclass(frozen=True)
class Named:
    """A data set that the user names.

    Args:
        name: as torchvision has it.
        split: one of the data set's own.
        root: the folder that torchvision is given, an absolute path.
    """

    name: str
    split: str
    root: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}/{self.split}:{self.root}"


def is_named(source: object) -> TypeGuard["str | os.PathLike[str]"]:
    """Whether it is the name of a data set; a file whose name begins so is given as `./torchvision:...`."""
    return isinstance(source, str | os.PathLike) and os.fspath(source).startswith(PREFIX)


def named(source: str) -> Named:
    """What `torchvision:NAME/SPLIT:FOLDER` says; the split is `train` where none is given.

    Raises:
        UserError: another form, a name or a split that is not known, or no such folder.
    """
    what, colon, folder = source.removeprefix(PREFIX).partition(":")
    name, _, split = what.partition("/")
    if not colon or not folder:
        raise UserError(f"{source!r} names no folder; write torchvision:NAME:FOLDER, such as torchvision:CIFAR10:data.")
    if name not in DATA_SETS:
        raise UserError(f"no data set {name!r} is known; known are {', '.join(DATA_SETS)}.")
    splits = DATA_SETS[name].splits
    if (split or "train") not in splits:
        raise UserError(f"{name} has no split {split or 'train'!r}; it has {', '.join(splits)}.")
    root = os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111
    if "\0" in folder or not os.path.isdir(root):  # noqa: PTH112
        raise UserError(f"there is no folder {folder!r}; give the one that torchvision keeps {name} in.")
    return Named(name, split or "train", root)


def open_named(source: str) -> Images:
    """The pictures of a data set of torchvision; see `named` for the form.

    Raises:
        UserError: as `named` says; or the data set is not in the folder, or damaged.
    """
    asked = named(source)
    try:
        images = DATA_SETS[asked.name].open(asked.root, asked.name, asked.split)
    except UserError:
        raise
    except Exception as error:  # torchvision's own, of many kinds
        reason = " ".join(str(error).split()).split(". ")[0].rstrip(".")[:120]
        if isinstance(error, FileNotFoundError) and error.filename:
            reason = f"no {os.path.relpath(os.fspath(error.filename), asked.root)}"
        raise UserError(
            f"{asked.name} is not in {asked.root!r} as torchvision keeps it ({reason}); fetch it once with "
            f"torchvision.datasets.{asked.name}(FOLDER, download=True), or give another folder."
        ) from None
    images.place = str(asked)
    return images


@dataclass(frozen=True)
class _DataSet:
    """How one is opened.

    Args:
        splits: the names that torchvision gives its parts.
        open: (root, name, split) to pictures.
    """

    splits: tuple[str, ...]
    open: Callable[[str, str, str], Images]


def _idx(root: str, name: str, split: str) -> Images:
    """MNIST and its kin."""
    file = Path(root) / name / "raw" / f"{'train' if split == 'train' else 't10k'}-images-idx3-ubyte"
    if not file.exists():
        file = file.with_name(file.name + ".gz")
    return open_idx(str(file.resolve(strict=True)))


def _array(root: str, name: str, split: str) -> Images:
    """Data sets that torchvision holds as arrays `data` (N, 3, H, W) and `labels`."""
    dataset = _dataset(root, name, split)
    pixels = np.ascontiguousarray(dataset.data.transpose(0, 2, 3, 1))
    classes = getattr(dataset, "classes", None)
    labels = [_class_name(classes, int(label)) for label in dataset.labels]
    return open_array(pixels, labels, f"{name} in {root!r}")


def _files(root: str, name: str, split: str) -> Images:
    """Data sets of picture files: with `str` in place of a loader, items are paths and labels."""
    dataset = _dataset(root, name, split, loader=str)
    classes = getattr(dataset, "classes", None)
    found = {}
    for row in range(len(dataset)):
        path, label = dataset[row]
        found[Path(os.path.relpath(path, root)).as_posix()] = _class_name(classes, int(label))
    return open_labelled(root, found)


def _dataset(root: str, name: str, split: str, **options: Any) -> Any:
    import torchvision.datasets

    kind = getattr(torchvision.datasets, name)  # one of `DATA_SETS`
    parts = {} if DATA_SETS[name].splits == ("train",) else {"split": split}
    return kind(root, **parts, download=False, **options)


def _class_name(classes: Any, label: int) -> str:
    """A label as text: the class's name where torchvision has one; "" where it is -1, unlabelled."""
    if label < 0:
        return ""
    if classes is None or label >= len(classes):
        return str(label)
    return classes[label] if isinstance(classes[label], str) else str(classes[label][0])


_TWO, _THREE = ("train", "test"), ("train", "val", "test")

DATA_SETS = {
    "CIFAR10": _DataSet(_TWO, open_cifar),
    "CIFAR100": _DataSet(_TWO, open_cifar),
    "MNIST": _DataSet(_TWO, _idx),
    "FashionMNIST": _DataSet(_TWO, _idx),
    "KMNIST": _DataSet(_TWO, _idx),
    "SVHN": _DataSet((*_TWO, "extra"), _array),
    "STL10": _DataSet((*_TWO, "unlabeled", "train+unlabeled"), _array),
    "Food101": _DataSet(_TWO, _files),
    "Flowers102": _DataSet(_THREE, _files),
    "DTD": _DataSet(_THREE, _files),
    "FGVCAircraft": _DataSet((*_THREE, "trainval"), _files),
    "Country211": _DataSet(("train", "valid", "test"), _files),
    "RenderedSST2": _DataSet(_THREE, _files),
    "EuroSAT": _DataSet(("train",), _files),
    "SUN397": _DataSet(("train",), _files),
}
"""Name → how it is opened."""
