"""A relabelling of SeLa against an epoch of its training: what share of a run the published schedules spend on it."""

import statistics
from collections.abc import Callable

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
BATCH, WORKERS = 256, 1


def candidates(heads: int) -> dict[str, Callable[[], object]]:
    """An epoch of training with its views; a pass over the samples; a relabelling of all heads, pass included."""
    samples = photographs(32)[0]
    method = SeLa(image_encoder("small_resnet", 32), clusters=128, heads=heads, strength=10.0)
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
        f"a relabelling, T = {heads}": lambda: method.relabel(next(number)),
    }


def share(seconds: dict[str, list[float]], name: str, relabellings: int, heads_at_a_time: float) -> float:
    """Of the time of 401 epochs and their relabellings, what the latter take."""
    median = {each: statistics.median(times) for each, times in seconds.items()}
    looked = median["a pass over all samples"]
    one = looked + (median[name] - looked) * heads_at_a_time
    return relabellings * one / (relabellings * one + 401 * median[EPOCH])


def run() -> list[str]:
    lines = [f"## Relabelling of SeLa, {torch.get_num_threads()} threads", ""]
    lines += [f"3,000 pictures of 32 pixels, small_resnet, K = 128, batch {BATCH}, {WORKERS} worker making views.", ""]
    published = {
        "ImageNet, 100 times in 401 epochs": (len(steps_of(quadratic(100, 401), 11, 401 * 11)), 1.0),
        "CIFAR, about once an epoch, one head in turn": (len(steps_of(evenly(400, 401), 11, 401 * 11)), 0.1),
    }
    for heads in (1, 10):
        name = f"a relabelling, T = {heads}"
        seconds = interleaved(candidates(heads), 3)
        lines += table(f"T = {heads}", seconds, EPOCH, 3000, "samples")
        for schedule, (count, part) in published.items():
            at_a_time = part if heads == 10 else 1.0
            lines.append(f"- {schedule}: {share(seconds, name, count, at_a_time):.1%} of the time is relabelling.")
        lines.append("")
    return lines
