"""The raw-input baseline: what the protocols give on samples that no network has seen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from unlabeled.errors import Unreadable, UserError
from unlabeled.evaluation.features import Features


def raw_features(samples: Any, raw: Callable[[Any], np.ndarray]) -> Features:
    """The raw input of every sample that can be read.

    Args:
        samples: with a `read(place, at_least)`.
        raw: one sample to float32 (D,).

    Raises:
        UserError: no sample can be read.
    """
    rows, ids = [], []
    for place in range(len(samples)):
        try:
            rows.append(raw(samples.read(place, None)))
        except Unreadable:
            continue
        ids.append(place)
    if not ids:
        raise UserError(f"none of the {len(samples)} samples can be read; check that the folder is still there.")
    return Features(np.stack(rows), np.asarray(ids, np.int64)).of(samples)
