"""A small world for methods: real data of the modality that they are for, a small network, a run of a few steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from unlabeled.data.temporal_graphs import southern_women
from unlabeled.training.pretraining import Session
from unlabeled.training.settings import MEMORY, Execution, Settings


def digits(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Real digits, uint8 (N, 8, 8), and their labels."""
    found = load_digits()
    return (found.images[:count] * 15.9375).round().astype(np.uint8), found.target[:count]


@dataclass(frozen=True)
class World:
    """What a method is tried on.

    Args:
        modality: the name of its data.
        data: all of it.
        few: sixteen samples of it, or all that make sense together.
        encoder: a name.
        network: arguments of the encoder, without chance.
        sizes: arguments of the encoder that the data decides.
    """

    modality: str
    data: Callable[[], Any]
    few: Callable[[], Any]
    encoder: str
    network: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)


IMAGES = World("images", digits, lambda: tuple(part[:16] for part in digits()), "small_resnet")
TEMPORAL_GRAPHS = World(
    "temporal_graphs",
    southern_women,
    southern_women,
    "self_attention",
    {"structural_dropout": 0.0, "temporal_dropout": 0.0, "structural_widths": (16,), "structural_heads": (4,),
     "temporal_widths": (16,), "temporal_heads": (4,)},
    {"nodes": 18, "snapshots": 13},
)  # fmt: skip


def world(method: Callable[..., Any]) -> World:
    """That of the modality which a method is for."""
    worlds = {each.modality: each for each in (IMAGES, TEMPORAL_GRAPHS)}
    return worlds[getattr(method, "modality", "images")]


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
    """A session of any method class, in `methods/` or not, on the data of its world."""
    there = world(method)
    settings = Settings(
        "simclr",
        MEMORY,
        batch_size=batch_size,
        accumulate=accumulate,
        max_steps=steps,
        encoder=there.encoder,
        seed=seed,
        precision=precision,
        network=there.network,
        arguments=arguments,
    )
    execution = Execution(
        workers=0,
        max_time=max_time,
        checkpoint_seconds=checkpoint_seconds,
        compile=compile,
        tensorboard=tensorboard,
    )
    return Session(method, settings, execution, out, resume, there.data() if data is None else data, there.modality)
