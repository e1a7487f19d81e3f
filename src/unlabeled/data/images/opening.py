"""The door: whatever a user has → `Images`."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unlabeled.data.images.arrays import open_array
from unlabeled.data.images.collection import Images
from unlabeled.data.images.dataset import is_array, open_dataset
from unlabeled.data.images.folder import open_folder, open_picture, open_pictures
from unlabeled.data.images.formats import EXTENSIONS, FOREIGN, sniff
from unlabeled.data.images.idx import idx_files, is_idx, open_idx, open_idx_folder
from unlabeled.data.images.labels import read_csv
from unlabeled.data.images.listing import shard_files
from unlabeled.data.images.named import is_named, open_named
from unlabeled.data.images.npz import open_npz
from unlabeled.data.images.parquet import PARQUET, is_parquet, open_parquet
from unlabeled.data.images.shards import TAR, is_tar, open_shards
from unlabeled.errors import UserError

ACCEPTED = (
    "a folder of pictures, a picture, .tar shards, parquet with pictures, an .npz file with images, IDX files, or a "
    "data set of torchvision such as torchvision:CIFAR10:FOLDER"
)
"""What a path may hold, for messages."""

Kind = Literal["folder", "tar folder", "parquet folder", "idx folder", "tar", "parquet", "npz", "idx", "picture"]


def open_images(source: object, labels: str | os.PathLike[str] | None = None) -> Images:
    """Open pictures.

    Args:
        source: a folder tree of picture files (the first sub-folders are the classes: see `folder.open_folder`), one
            picture file; a `.tar` file or a folder of them (see `shards.open_shards`); a parquet file or a folder of
            them (see `parquet.open_parquet`); an `.npz` file with `images` and perhaps `labels`, an IDX file of
            pictures or a folder with such files (the pair `train-*`); `torchvision:NAME:FOLDER` (see
            `named.open_named`); an array or tensor (N, H, W) or (N, H, W, 3) of uint8 or floats in [0, 1]; a
            tuple (such an array, labels); a list of picture files, of `.tar` or of parquet files; or a map-style torch
            `Dataset` (see `dataset.open_dataset`).
        labels: a CSV file with the columns `path,label`, which replaces the source's own labels. Pictures without a
            row become unlabelled; rows without a picture are added to `skipped`.

    Returns:
        The pictures that can be read, in an order that depends on their names only.

    Raises:
        UserError: nothing there, nothing of a known kind, nothing readable, or labels that do not fit.
    """
    if is_named(source):
        images = open_named(os.fspath(source))
    else:
        images = _open_path(absolute(source)) if isinstance(source, str | os.PathLike) else _open_object(source)
    if labels is None:
        return images
    answers, absent = read_csv(labels, images.names, images.place)
    known = {one.path for one in images.skipped}
    skipped = sorted([*images.skipped, *(one for one in absent if one.path not in known)])
    return Images(images.place, images.names, images.reader, answers, skipped, images.ignored)


def absolute(path: str | os.PathLike[str]) -> str:
    """A user's path made absolute; `~` is the home folder.

    Raises:
        UserError: an empty path, one with a zero byte, or one where nothing is.
    """
    text = os.fspath(path)
    if not text or "\0" in text:
        raise UserError(f"{text!r} is not a path; give {ACCEPTED}.")
    whole = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111
    try:
        os.stat(whole)  # noqa: PTH116
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise UserError(f"nothing can be opened at {text!r} ({reason}); give {ACCEPTED}.") from None
    return whole


def kind_of(path: str) -> Kind | None:
    """What lies at an existing absolute path, or None where it is nothing that is accepted.

    A folder counts as one of pictures until `open_images` has looked into it.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116
    if stat.S_ISDIR(mode):
        if idx_files(path):
            return "idx folder"
        if shard_files(path, TAR):  # before parquet: tables of what the shards hold often lie beside them
            return "tar folder"
        return "parquet folder" if shard_files(path, PARQUET) else "folder"
    if not stat.S_ISREG(mode):
        return None
    extension = Path(path).suffix.lower()
    if extension == ".npz":
        return "npz"
    if extension in EXTENSIONS or extension in FOREIGN or _is_picture(path):
        return "picture"
    if is_tar(path):
        return "tar"
    if is_parquet(path):
        return "parquet"
    return "idx" if is_idx(path) else None


def _open_path(path: str) -> Images:
    kind = kind_of(path)
    if kind is None:
        raise UserError(f"{path!r} is of no known kind; give {ACCEPTED}.")
    return _OPENERS[kind](path)


def _folder_of(kind: re.Pattern[str], opener: Callable[..., Images]) -> Callable[[str], Images]:
    """Opens the shards of a folder, named relative to it."""

    def opened(folder: str) -> Images:
        names = shard_files(folder, kind)
        return opener([os.path.join(folder, name) for name in names], [name + "/" for name in names], folder)  # noqa: PTH118

    return opened


_OPENERS: dict[Kind, Callable[[str], Images]] = {
    "folder": open_folder,
    "tar folder": _folder_of(TAR, open_shards),
    "parquet folder": _folder_of(PARQUET, open_parquet),
    "idx folder": lambda folder: open_idx_folder(folder, idx_files(folder)),
    "tar": lambda path: open_shards([path], [""], path),
    "parquet": lambda path: open_parquet([path], [""], path),
    "npz": open_npz,
    "idx": open_idx,
    "picture": open_picture,
}


def is_pair(source: object) -> bool:
    """Whether it is a tuple (array or tensor, labels)."""
    return isinstance(source, tuple) and len(source) == 2 and is_array(source[0])


def are_paths(source: object) -> bool:
    """Whether it is a list of paths."""
    return isinstance(source, list) and bool(source) and all(isinstance(one, str | os.PathLike) for one in source)


def refuse_plain(source: object) -> None:
    """Raise UserError for the values of Python that hold no pictures, though some have a length and items."""
    plain = source is None or isinstance(source, list | tuple | dict | set | bytes | int | float)
    if plain and not (is_pair(source) or are_paths(source)):
        raise UserError(f"a {type(source).__name__} holds no pictures; give a path, arrays or a torch Dataset.")


def _open_object(source: Any) -> Images:
    if are_paths(source):
        return _open_list([absolute(one) for one in source])
    refuse_plain(source)
    if is_array(source):
        return _open_arrays(source, None)
    return _open_arrays(*source) if is_pair(source) else open_dataset(source)


def _open_list(paths: list[str]) -> Images:
    """Pictures or shards in the order given, as a data set without a root."""
    for opener, kind in ((open_shards, is_tar), (open_parquet, is_parquet)):
        if all(os.path.isfile(path) and kind(path) for path in paths):  # noqa: PTH113
            return opener(paths, [path + "/" for path in paths], "a list of shards")
    return open_pictures(paths)


def _open_arrays(images: Any, labels: Any) -> Images:
    try:
        if not isinstance(images, np.ndarray):
            images = images.detach().cpu().numpy()
        if is_array(labels) and not isinstance(labels, np.ndarray):
            labels = labels.detach().cpu().numpy()
    except Exception as error:
        raise UserError(f"the tensor cannot become an array ({error}); give uint8, or floats in [0, 1].") from None
    return open_array(images, labels, "the array")


def _is_picture(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return sniff(file.read(16)) is not None
    except OSError:
        return False
