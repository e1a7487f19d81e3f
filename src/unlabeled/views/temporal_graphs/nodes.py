"""The one view of a node: its number; the graph around it is the encoder's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Nodes:
    """Reads a node; an encoder takes its number."""

    size: Any
    count: int = 1

    def read(self, samples: Any, place: int) -> Any:
        """The node, a `data.temporal_graphs.snapshots.Node`."""
        return samples.read(place)

    def view(self, sample: Any, generator: np.random.Generator | None) -> Any:
        """The same."""
        return sample

    def join(self, views: Sequence[Sequence[Any]]) -> Tensor:
        """int64 (B,)."""
        return torch.tensor([node.number for view in views for node in view], dtype=torch.int64)

    def of_places(self, places: np.ndarray) -> Tensor:
        """int64 (B,): a node's number is its place."""
        return torch.from_numpy(places.copy())


def activity_bars(node: Any, side: int) -> np.ndarray:
    """What a person is shown of a node: a bar a snapshot, as high as its activity there is of its highest.

    Args:
        node: with its `activity`, at least 0, (T,).
        side: in pixels.

    Returns:
        uint8 (side, side, 3), dark on white.
    """
    activity = node.activity
    place = np.arange(side) * len(activity) // side
    height = activity[place] / max(float(activity.max()), 1e-9) * side  # (side,)
    dark = np.arange(side)[:, None] >= side - height
    return np.where(dark[..., None], np.uint8(70), np.uint8(255)).repeat(3, axis=2)


def nodes(size: Any) -> Nodes:
    """Nodes as they are."""
    return Nodes(size)
