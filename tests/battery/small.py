"""A small world for methods: real digits, a small network, a run of a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from unlabeled.training.pretraining import Session
from unlabeled.training.settings import MEMORY, Execution, Settings


def digits(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Real digits, uint8 (N, 8, 8), and their labels."""
    found = load_digits()
    return (found.images[:count] * 15.9375).round().astype(np.uint8), found.target[:count]


def session(
    method: Callable[..., Any],
    out: Path,
    *,
    steps: int = 6,
    resume: bool = False,
    data: Any = None,
    batch_size: int = 16,
    checkpoint_seconds: float = 0.0,
    seed: int = 0,
    precision: str = "32-true",
    accumulate: int = 1,
    compile: bool = False,
    tensorboard: bool = False,
    max_time: float | None = None,
    **arguments: Any,
) -> Session:
    """A session of any method class, in `methods/` or not, on digits."""
    settings = Settings(
        "simclr",
        MEMORY,
        batch_size=batch_size,
        accumulate=accumulate,
        max_steps=steps,
        encoder="small_resnet",
        seed=seed,
        precision=precision,
        arguments=arguments,
    )
    execution = Execution(
        workers=0,
        max_time=max_time,
        checkpoint_seconds=checkpoint_seconds,
        compile=compile,
        tensorboard=tensorboard,
    )
    return Session(method, settings, execution, out, resume, digits() if data is None else data, "images")
