"""The ten crops that older protocols of linear classifiers average over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from unlabeled.views.images.operations import Picture, resize, to_float

MARGIN = 8 / 7
"""The shorter side is made so many times the side of a crop: 256 for 224."""


@dataclass(frozen=True)
class TenCrops:
    """The four corners, the centre, and these five mirrored (Krizhevsky et al. 2012, section 4.1).

    One "view" of a sample is all ten, float32 (10, size, size, 3) in [0, 1], so that they stay together.

    Args:
        size: side of a crop in pixels.
    """

    size: int
    count: int = 1

    def read(self, samples: Any, place: int) -> np.ndarray:
        """One picture, decoded no larger than the crops need: uint8 (H, W, 3)."""
        image: np.ndarray = samples.read(place, self.margined)
        return image

    @property
    def margined(self) -> int:
        """What the shorter side is resized to."""
        return round(self.size * MARGIN)

    def view(self, image: np.ndarray, rng: Generator) -> Picture:
        """uint8 (H, W, 3) to (10, size, size, 3): top left, top right, bottom left, bottom right, centre; mirrored."""
        height, width = image.shape[:2]
        scale = self.margined / min(height, width)
        image = resize(image, max(self.margined, round(height * scale)), max(self.margined, round(width * scale)))
        down, right = image.shape[0] - self.size, image.shape[1] - self.size
        corners = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
        crops = [to_float(image[top : top + self.size, left : left + self.size]) for top, left in corners]
        return np.stack([*crops, *(cv2.flip(crop, 1) for crop in crops)])

    def join(self, views: Sequence[Sequence[Picture]]) -> Tensor:
        """The crops of B pictures to float32 (10 B, 3, size, size), picture by picture, channels last in memory."""
        (crops,) = views
        return torch.from_numpy(np.concatenate(crops)).permute(0, 3, 1, 2)
