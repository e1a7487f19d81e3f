"""The raw-input baseline: what the protocols give on samples that no network has seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled.errors import Unreadable, UserError
from unlabeled.evaluation.features import Features
from unlabeled.training.loader import Views
from unlabeled.training.progress import Progress


def raw_features(samples: Any, raw: Callable[[Any], np.ndarray]) -> Features:
    """The raw input of every sample that can be read.

    Args:
        samples: with a `read(place, at_least)`.
        raw: one sample to float32 (D,).

    Raises:
        UserError: no sample can be read.
    """
    rows, ids = [], []
    with Progress("raw input", len(samples), "samples") as progress:
        for place in range(len(samples)):
            progress.update(place)
            try:
                rows.append(raw(samples.read(place, None)))
            except Unreadable:
                continue
            ids.append(place)
    if not ids:
        raise UserError(f"none of the {len(samples)} samples can be read; check that the folder is still there.")
    return Features(np.stack(rows), np.asarray(ids, np.int64)).of(samples)


@dataclass(frozen=True)
class RawViews:
    """Views that no network sees: the raw input of each, joined to float32 (views x B, D).

    Args:
        views: of a modality.
        raw: one view to float32 (D,).
    """

    views: Views
    raw: Callable[[Any], np.ndarray]

    @property
    def count(self) -> int:
        """Views of each sample."""
        return self.views.count

    def view(self, sample: Any, rng: np.random.Generator) -> np.ndarray:
        """The raw input of one view, float32 (D,)."""
        return self.raw(self.views.view(sample, rng))

    def read(self, samples: Any, place: int) -> Any:
        """One sample; raises `Unreadable`."""
        return self.views.read(samples, place)

    def join(self, views: Sequence[Sequence[np.ndarray]]) -> Tensor:
        """`views[v][i]` to (views x B, D), view by view."""
        return torch.from_numpy(np.stack([each for one in views for each in one]))
