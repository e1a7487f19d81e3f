"""A fresh model on a prefix of the snapshots, looked at after every epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from unlabeled.errors import UserError
from unlabeled.evaluation.link_prediction.question import PAST
from unlabeled.modalities import modality
from unlabeled.training.budget import Budget
from unlabeled.training.building import build, resolve
from unlabeled.training.loader import Steps
from unlabeled.training.loop import Loop
from unlabeled.training.settings import Settings, called


@dataclass(frozen=True)
class Epoch:
    """What there is after an epoch, or before the first.

    Args:
        number: from 0, where nothing is trained yet.
        loss: mean over its steps; NaN for 0.
        recent: float32 (P, N, F), of every node in the last snapshots, the last of all at the end.
        history: what an incremental training of the next snapshot takes, (N, T, F), or None.
    """

    number: int
    loss: float
    recent: np.ndarray
    history: Tensor | None = None


def epochs(
    method: Callable[..., Any], settings: Settings, samples: Any, name: str, fabric: Fabric, history: bool = False
) -> Iterator[Epoch]:
    """Train a fresh model as a run does, epoch by epoch.

    Args:
        method: the class.
        settings: of the run; what the data decides (sizes, the batch) is decided anew.
        samples: snapshots to train on.
        name: of the modality.
        fabric: launched.
        history: whether epochs keep theirs.

    Raises:
        UserError: what is learnt is no longer a finite number.
    """
    kind = modality(name)
    preset = getattr(method, "views", {}).get(name, kind.views)
    form = kind.size(samples)
    settings = resolve(method, preset, kind, settings, samples, form)
    views = called(preset, "--views.", settings.views, size=form)
    steps = Steps(samples, views, settings.seed, settings.batch_size, parts=settings.accumulate)
    total = settings.epochs * steps.per_epoch
    total = total if settings.max_steps is None else min(total, settings.max_steps)
    loop = Loop(fabric, build(method, kind, settings, samples, form), settings.batch_size, Budget(total), settings.seed)
    yield _epoch(0, float("nan"), loop, history)
    while loop.done < total:
        loop.module.train()
        losses = [
            float(loop.step(steps[step].parts)) for step in range(loop.done, min(total, loop.done + steps.per_epoch))
        ]
        number = -(-loop.done // steps.per_epoch)
        yield _epoch(number, sum(losses) / len(losses), loop, history)


@torch.inference_mode()
def _epoch(number: int, loss: float, loop: Loop, history: bool) -> Epoch:
    encoder: Any = loop.method.encoder
    encoder.eval()
    graph: Any = loop.method.graph
    graph = graph.to(next(encoder.parameters()).device)
    recent = encoder(graph, last=PAST + 1).transpose(0, 1).float().cpu().numpy()
    if not np.isfinite(recent).all():
        raise UserError(
            f"training on {graph.snapshots} snapshots: embeddings are no finite numbers after epoch {number}; "
            "pretrain with a lower --learning-rate."
        )
    return Epoch(number, loss, recent, encoder.history(graph).clone() if history else None)
