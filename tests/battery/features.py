"""Embeddings with labels for tests of the protocols: real digits, and small ones written down."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from unlabeled.evaluation.features import Features


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    rows, labels = load_digits(return_X_y=True)
    return (rows / 16).astype(np.float32), labels.astype(np.int64)


def digit_features(split: int = 1200, stop: int = 1797) -> tuple[Features, Features]:
    """Pixels of real digits as training rows (up to `split`) and test rows (up to `stop`)."""
    (rows, labels), ids = _digits(), np.arange(1797)
    train, test = (Features(rows[s], ids[s], labels[s]) for s in (slice(0, split), slice(split, stop)))
    return train, test


def four_rows(**change: object) -> Features:
    """Four rows of two classes, with parts changed."""
    parts = {"embeddings": np.eye(4, dtype=np.float32), "ids": np.arange(4), "labels": np.array([0, 1, 0, 1])}
    return Features(**(parts | change))  # type: ignore[arg-type]


def mixture(count: int, width: int, classes: int, apart: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a Gaussian mixture, float32 (N, D), and which part each is of, int64 (N,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    rows = apart * rng.standard_normal((classes, width))[labels] + rng.standard_normal((count, width))
    return rows.astype(np.float32), labels
