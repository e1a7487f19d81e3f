"""Pictures from a torch `Dataset`, or anything else that has `__len__` and `__getitem__`."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from unlabeled.data.images.arrays import as_uint8, rgb
from unlabeled.data.images.collection import Images
from unlabeled.data.images.labels import UNLABELLED, Labels, number_array
from unlabeled.data.images.pixels import upright_rgb
from unlabeled.errors import Unreadable, UserError

_HASHED = 1000  # items that a fingerprint reads


class Items:
    """The reader of a map-style data set.

    Args:
        dataset: items are a picture, or a tuple or list with one picture and perhaps one whole number, the label.
        count: how many items.
    """

    def __init__(self, dataset: Any, count: int) -> None:
        self.dataset, self.count = dataset, count

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """See `Reader`."""
        return self._item(row)[0]

    def side(self, row: int) -> int:
        """See `Reader`."""
        return int(min(self._item(row)[0].shape[:2]))

    def fingerprint(self, rows: np.ndarray) -> str:
        """See `Reader`: of the number of items and of up to 1,000 of them, evenly spread."""
        digest = hashlib.blake2b(f"items {len(rows)}".encode(), digest_size=16)
        for row in rows[np.linspace(0, len(rows) - 1, min(len(rows), _HASHED)).astype(np.int64)].tolist():
            try:
                pixels = self.read(row, None)
                digest.update(f"{pixels.shape}".encode() + pixels.tobytes())
            except Unreadable:
                digest.update(b"unreadable")
        return digest.hexdigest()

    def labels(self) -> Labels:
        """The labels of all items, found by reading every item once; an unreadable item is unlabelled."""
        return self._labels

    @cached_property
    def _labels(self) -> Labels:
        found = []
        for row in range(self.count):
            try:
                label = self._item(row)[1]
            except Unreadable:
                label = None
            found.append(UNLABELLED if label is None else label)
        return number_array(found, self.count, describe_dataset(self.dataset))

    def _item(self, row: int) -> tuple[np.ndarray, int | None]:
        """The pixels and the label of a row."""
        try:
            item = self.dataset[row]
            parts = item if isinstance(item, tuple | list) else (item,)
            pictures = [part for part in parts if _is_picture(part)]
            if not pictures:
                raise ValueError(
                    f"holds no picture but {', '.join(type(part).__name__ for part in parts) or 'nothing'}"
                )
            label = next((_whole(part) for part in parts if _whole(part) is not None), None)
            return pixels_of(pictures[0]), label
        except Exception as error:  # the data set is the user's: whatever it raises concerns this item only
            text = " ".join(str(error).split())[:120]
            raise Unreadable(
                str(row), text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
            ) from None


def open_dataset(dataset: Any) -> Images:
    """The pictures of a map-style data set.

    Items are a PIL image, an array or a tensor, (H, W), (H, W, C) or (C, H, W) with C of 1 or 3, uint8 or floats in
    [0, 1]; alone, or in a tuple with the label. Labels come from the attribute `targets` where it has one entry an
    item (a `torch.utils.data.Subset` is looked through); else they are found when first asked for, by reading
    every item.

    Raises:
        UserError: no length, no items, or a first item that is no picture.
    """
    place = describe_dataset(dataset)
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise UserError(f"{place} has no length or no items by number; give a map-style data set, arrays or a path.")
    try:
        count = len(dataset)
    except Exception as error:
        raise UserError(f"{place} has no length ({type(error).__name__}); give a map-style data set.") from None
    if count == 0:
        raise UserError(f"{place} is empty; give at least one picture.")
    reader = Items(dataset, count)
    try:
        _, label = reader._item(0)
    except Unreadable as error:
        raise UserError(
            f"the first item of {place} cannot be used, it {error.reason}; give pictures, or (picture, label)."
        ) from None
    names = [str(row) for row in range(count)]
    targets = _targets(dataset)
    if targets is not None and len(targets) == count:
        return Images(place, names, reader, number_array(targets, count, place))
    return Images(place, names, reader, None if label is None else reader.labels)


def describe_dataset(dataset: object) -> str:
    """A data set in words, for messages."""
    return f"the data set {type(dataset).__name__}"


def pixels_of(item: Any) -> np.ndarray:
    """A PIL image, an array or a tensor as uint8 (H, W, 3).

    An array of three dimensions is read as (H, W, C) if its last side is 1 or 3, else as (C, H, W); a tensor is read
    as (C, H, W) if its first side is 1 or 3, else as (H, W, C).

    Raises:
        ValueError: another shape or type, nothing in it, NaN, floats outside [0, 1].
    """
    if isinstance(item, Image.Image):
        return upright_rgb(item)
    tensor = not isinstance(item, np.ndarray)
    values = item.detach().cpu().numpy() if tensor else item
    if values.ndim == 3:
        first, last = values.shape[0] in (1, 3), values.shape[2] in (1, 3)
        if first and (tensor or not last):
            values = values.transpose(1, 2, 0)
        values = values[..., 0] if values.shape[2] == 1 else values
    if values.size == 0 or values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise ValueError(f"has the shape {tuple(item.shape)}, which is not (H, W), (H, W, 3) or (3, H, W)")
    try:
        return rgb(as_uint8(values))
    except ValueError as error:
        raise ValueError(f"has pixels that {error}") from None


def _is_picture(part: Any) -> bool:
    return isinstance(part, Image.Image) or (is_array(part) and part.ndim >= 2)


def is_array(part: object) -> bool:
    """Whether it is an array or a tensor (told by what it can do, so that torch is not imported for it)."""
    return isinstance(part, np.ndarray) or (hasattr(part, "detach") and hasattr(part, "numpy"))


def _whole(part: Any) -> int | None:
    """A whole number, also as an array or tensor of no dimensions; None for anything else."""
    if is_array(part) and part.ndim == 0:
        part = part.item()
    return int(part) if isinstance(part, int | np.integer) else None


def _targets(dataset: Any) -> np.ndarray | None:
    """Whole numbers, one an item, from the attribute `targets`, through any nesting of `Subset`; else None."""
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        inner = _targets(dataset.dataset)
        return None if inner is None else inner[np.asarray(dataset.indices, dtype=np.int64)]
    try:
        targets = np.asarray(dataset.targets)
    except Exception:  # no such attribute, or nothing that is an array
        return None
    return targets if targets.ndim == 1 and targets.dtype.kind in "iu" else None
