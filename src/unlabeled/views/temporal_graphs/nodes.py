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


def nodes(size: int) -> Nodes:
    """Nodes by number."""
    return Nodes(size)
