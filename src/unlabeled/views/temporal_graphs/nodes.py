"""The one view of a node: its number; the graph around it is the encoder's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Nodes:
    """Reads a node as its number."""

    size: int
    count: int = 1

    def read(self, samples: Any, place: int) -> int:
        """The node."""
        return place

    def view(self, sample: int, generator: np.random.Generator | None) -> int:
        """The same."""
        return sample

    def join(self, views: Sequence[Sequence[int]]) -> Tensor:
        """int64 (B,)."""
        return torch.tensor([node for view in views for node in view], dtype=torch.int64)


def activity_bars(activity: np.ndarray, side: int) -> np.ndarray:
    """What a person is shown of a node: a bar a snapshot, as high as its activity there is of its highest.

    Args:
        activity: at least 0, (T,).
        side: in pixels.

    Returns:
        uint8 (side, side, 3), dark on white.
    """
    place = np.arange(side) * len(activity) // side
    height = activity[place] / max(float(activity.max()), 1e-9) * side  # (side,)
    dark = np.arange(side)[:, None] >= side - height
    return np.where(dark[..., None], np.uint8(70), np.uint8(255)).repeat(3, axis=2)


def nodes(size: int) -> Nodes:
    """Nodes by number."""
    return Nodes(size)
