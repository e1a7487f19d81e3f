"""The raw-input baseline: what the protocols give on samples that no network has seen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from unlabeled.errors import Unreadable, UserError
from unlabeled.evaluation.features import Features
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
