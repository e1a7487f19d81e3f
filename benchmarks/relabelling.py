"""A relabelling of SeLa against an epoch of its training: what share of a run the published schedules spend on it."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric

from timing import interleaved, table
from unlabeled.data.photographs import photographs
from unlabeled.encoders.images import image_encoder
from unlabeled.methods.sela import SeLa
from unlabeled.training.loader import Steps, batches
from unlabeled.training.passes import Passes
from unlabeled.training.relabelling import evenly, quadratic, steps_of
from unlabeled.views import images

EPOCH = "limit: an epoch of training"
BATCH, WORKERS = 250, 1
"""Whole batches make up the samples, so that an epoch and a pass look at equally many, as on a large set."""
PUBLISHED = {
    "ImageNet, 100 times in 401 epochs": (len(steps_of(quadratic(100, 401), 12, 401 * 12)), False),
    "CIFAR, about once an epoch, one head in turn": (len(steps_of(evenly(400, 401), 12, 401 * 12)), True),
}
"""Schedule to how many relabellings it makes, and whether each is of one head alone."""


@dataclass(frozen=True)
class Case:
    """What is trained: an encoder on so many pictures of 32 pixels, with T heads; timed in so many rounds."""

    encoder: str
    pictures: int
    heads: int
    rounds: int


CASES = (Case("small_resnet", 3000, 1, 3), Case("small_resnet", 3000, 10, 3), Case("resnet18", 500, 1, 2))


def candidates(case: Case) -> dict[str, Callable[[], object]]:
    """An epoch of training with its views; a pass over the samples; a relabelling of all heads, pass included."""
    samples = photographs(32)[0].subset(np.arange(case.pictures))
    torch.manual_seed(0)
    method = SeLa(image_encoder(case.encoder, 32), clusters=128, heads=case.heads, strength=10.0)
    method.prepare(samples)
    views, fabric = images.sela(32), Fabric(accelerator="cpu", devices=1)
    method.look_through(Passes(samples, views, images.plain(32), 0, BATCH, WORKERS, fabric))
    steps, optimizer = Steps(samples, views, 0, BATCH), method.optimizer(BATCH, 1000).optimizer
    number = iter(range(10**6))

    def epoch() -> None:
        for loaded in batches(steps, 0, steps.per_epoch, WORKERS):
            loss = method.loss(loaded.batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return {
        EPOCH: epoch,
        "a pass over all samples": lambda: method.passes.rows(method.encoder, next(number), False, "looking"),
        f"a relabelling, T = {case.heads}": lambda: method.relabel(next(number)),
    }


def share(seconds: dict[str, list[float]], relabellings: int, of_heads: float) -> float:
    """Of the time of 401 epochs and their relabellings, each of a share of the heads, what the latter take."""
    epoch, looked, labelled = (statistics.median(times) for times in seconds.values())
    spent = relabellings * (looked + max(labelled - looked, 0.0) * of_heads)
    return spent / (spent + 401 * epoch)


def run() -> list[str]:
    lines = [f"## Relabelling of SeLa, {torch.get_num_threads()} threads", ""]
    lines += [f"Pictures of 32 pixels, K = 128, batch {BATCH}, {WORKERS} worker making views. A pass has the views of"]
    lines += ["an epoch and about a third of its arithmetic.", ""]
    for case in CASES:
        seconds = interleaved(candidates(case), case.rounds)
        title = f"{case.encoder}, {case.pictures:,} pictures, T = {case.heads}"
        lines += table(title, seconds, EPOCH, case.pictures, "samples")
        for schedule, (count, in_turn) in PUBLISHED.items():
            found = share(seconds, count, 1 / case.heads if in_turn else 1.0)
            lines.append(f"- {schedule}: {found:.1%} of the time is relabelling.")
        lines.append("")
    return lines
