"""The protocols on 50,000 x 512 training and 10,000 x 512 test features, each beside the products that it cannot avoid."""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from unlabeled.evaluation.clustering import clustering
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.health import health
from unlabeled.evaluation.knn import knn
from unlabeled.evaluation.linear import linear
from unlabeled.metrics.logistic import COSTS

TRAIN, TEST, WIDTH = 50_000, 10_000, 512
EVALUATIONS = 30
"""Of the linear probe's loss and gradient, for each of the penalties: what its limit counts."""


def mixture(classes: int, seed: int = 0) -> tuple[Features, Features]:
    """Rows of a Gaussian mixture whose classes overlap, a decaying spectrum, about half of them in doubt."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, TRAIN + TEST)
    spectrum = np.arange(1, WIDTH + 1) ** -0.5
    middles = rng.standard_normal((classes, WIDTH)) * spectrum
    rows = (middles[labels] + 1.5 * rng.standard_normal((TRAIN + TEST, WIDTH)) * spectrum + 0.3).astype(np.float32)
    ids = np.arange(TRAIN + TEST)
    train, test = (Features(rows[s], ids[s], labels[s]) for s in (slice(0, TRAIN), slice(TRAIN, None)))
    return train, test


def limits(train: Features, test: Features, classes: int) -> dict[str, Callable[[], Any]]:
    """The bare matrix products of each protocol, in its precision."""
    rows, queries = train.embeddings, test.embeddings
    wide = rows[: 2**13].astype(np.float64)
    weight = np.zeros((WIDTH, classes))

    def pairs() -> None:
        for start in range(0, TEST, 500):
            queries[start : start + 500] @ rows.T

    def gradients() -> float:
        scores = wide @ weight  # (N, C), and back
        return float((wide.T @ scores).sum())

    def seconds_of_gradients() -> float:
        gradients()
        began = time.perf_counter()
        gradients()
        return (time.perf_counter() - began) * TRAIN / len(wide) * EVALUATIONS

    return {"knn": pairs, "linear": seconds_of_gradients}


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
