"""One SimCLR step, views included, against the bare backbone's forward and backward."""

import itertools

import torch

from timing import interleaved, table
from unlabeled.data.photographs import photographs
from unlabeled.encoders.images import image_encoder
from unlabeled.methods.simclr import SimCLR
from unlabeled.training.loader import Steps, batches
from unlabeled.views import images


def candidates(name: str, size: int, batch: int) -> dict[str, object]:
    samples = photographs(size)[0]
    method = SimCLR(image_encoder(name, size), optimizer="adamw")
    optimizer = method.optimizer(batch, 1000).optimizer
    steps = Steps(samples, images.simclr(size), 0, batch)
    ready = steps[0].batch
    alone, helped = (itertools.chain(batches(steps, 0, 10**6, workers)) for workers in (0, 2))

    def limit() -> None:
        method.zero_grad()
        method.encoder(ready.views).sum().backward()

    def step(one) -> None:
        loss = method.loss(one)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return {
        "limit: backbone alone": limit,
        "head, loss, AdamW (views ready)": lambda: step(ready),
        "the whole step, no worker": lambda: step(next(alone).batch),
        "the whole step, two workers": lambda: step(next(helped).batch),
    }


def run() -> list[str]:
    lines = [f"## A SimCLR step, two views, {torch.get_num_threads()} threads", ""]
    lines += ["Limit: forward and backward of the bare backbone on the 2B views.", ""]
    for name, size, batch in (("small_resnet", 32, 256), ("resnet10t", 96, 32)):
        seconds = interleaved(candidates(name, size, batch), rounds=5)
        lines += table(f"{name} at {size} pixels, B = {batch}", seconds, "limit: backbone alone", batch, "samples")
    return lines
