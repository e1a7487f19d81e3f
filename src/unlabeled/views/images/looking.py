"""How a method looks at a picture: which views it makes, how a picture is read for them, and how they are joined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from unlabeled.views.images.operations import Picture


@dataclass(frozen=True)
class ImageViews:
    """How a method looks at a picture.

    Args:
        size: side of a view in pixels.
        count: views of each sample.
        view: uint8 (H, W, 3) and a generator to float32 (size, size, 3) in [0, 1].
        at_least: pictures may be decoded at a reduced size while their shorter side stays at least this.
    """

    size: int
    count: int
    view: Callable[[np.ndarray, Generator], Picture]
    at_least: int

    def read(self, samples: Any, place: int) -> np.ndarray:
        """One picture, decoded no larger than the views need: uint8 (H, W, 3)."""
        image: np.ndarray = samples.read(place, self.at_least)
        return image

    def join(self, views: Sequence[Sequence[Picture]]) -> Tensor:
        """`views[v][i]`, view v of picture i, to float32 (views x B, 3, size, size), channels last in memory."""
        batch = np.empty((len(views) * len(views[0]), self.size, self.size, 3), np.float32)
        for place, picture in enumerate(picture for one in views for picture in one):
            batch[place] = picture
        return torch.from_numpy(batch).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class ViewsTogether(ImageViews):
    """Views that depend on each other, so that all of a picture are made at once.

    Args:
        together: uint8 (H, W, 3) and a generator for each view to all views; `view` makes the first alone.
    """

    together: Callable[[np.ndarray, Sequence[Generator]], list[Picture]]


def needed(size: int, smallest_area: float) -> int:
    """The shorter side that a picture must keep so that the smallest crop still has `size` pixels a side."""
    return int(np.ceil(size / np.sqrt(smallest_area)))
