"""A fresh model on a prefix of the snapshots, looked at after every epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from unlabeled.modalities import modality
from unlabeled.training.budget import Budget
from unlabeled.training.loader import Steps
from unlabeled.training.loop import Loop
from unlabeled.training.pretraining import build, resolve
from unlabeled.training.settings import Settings, called


@dataclass(frozen=True)
class Epoch:
    """What there is after an epoch, or before the first.

    Args:
        number: from 0, where nothing is trained yet.
        loss: mean over its steps; NaN for 0.
        embeddings: float32 (N, F), of every node in the last snapshot.
    """

    number: int
    loss: float
    embeddings: np.ndarray


def epochs(method: Callable[..., Any], settings: Settings, samples: Any, name: str, fabric: Fabric) -> Iterator[Epoch]:
    """Train a fresh model as a run does, epoch by epoch.

    Args:
        method: the class.
        settings: of the run; what the data decides (sizes, the batch) is decided anew.
        samples: snapshots to train on.
        name: of the modality.
        fabric: launched.
    """
    kind = modality(name)
    assert kind.whole is not None
    preset = getattr(method, "views", {}).get(name, kind.views)
    form = kind.size(samples)
    settings = resolve(method, preset, kind, settings, samples, form)
    views = called(preset, "--views.", settings.views, size=form)
    steps = Steps(samples, views, settings.seed, settings.batch_size)
    total = settings.epochs * steps.per_epoch
    total = total if settings.max_steps is None else min(total, settings.max_steps)
    loop = Loop(fabric, build(method, kind, settings, samples, form), settings.batch_size, Budget(total), settings.seed)
    yield Epoch(0, float("nan"), _embedded(loop, samples, kind.whole))
    while loop.done < total:
        loop.module.train()
        losses = [
            float(loop.step(steps[step].parts)) for step in range(loop.done, min(total, loop.done + steps.per_epoch))
        ]
        number = -(-loop.done // steps.per_epoch)
        yield Epoch(number, sum(losses) / len(losses), _embedded(loop, samples, kind.whole))


def _embedded(loop: Loop, samples: Any, whole: Callable[..., Any]) -> np.ndarray:
    table = whole(loop.method.encoder, samples)
    out: np.ndarray = table.embeddings[table.current]
    return out
