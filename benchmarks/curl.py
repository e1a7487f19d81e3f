"""A step of CURL with 30 components: stacked, one component after the other, and the products it is made of; memory."""

import multiprocessing
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

import unlabeled
from timing import interleaved, resident, table
from unlabeled.encoders.images import image_encoder
from unlabeled.methods.curl import CURL
from unlabeled.training.method import Batch

BATCH, COMPONENTS, ROUNDS = 100, 30, 7
LIMIT = "limit: the products alone, forward and backward"
STACKED, APART = "a step, all components stacked", "a step, one component after the other"
ENCODER, DECODER = (784, 1200, 600, 300, 150), (32, 500, 500, 784)
"""Widths of the published network."""


def one_after_the_other(method: CURL, pictures: Tensor) -> Tensor:
    """The loss as one would write it first: a loop over components, torch's own distributions and cross-entropy."""
    mixture, hidden = method.mixture, method.hidden(pictures)
    posterior, active, pixels = mixture.posterior, int(mixture.active), pictures.flatten(1)
    log_share = log_softmax(posterior.logits(hidden, active), 1)
    share = log_share.exp()
    bound = -(share * (log_share + np.log(active))).sum(1)
    means, variances = mixture.prior(active)
    for k in range(active):
        both = torch.nn.functional.linear(hidden, posterior.weight[k], posterior.bias[k])
        q = Normal(both[:, : mixture.latent], torch.nn.functional.softplus(both[:, mixture.latent :]).sqrt())
        logits = mixture.decoder.of(q.rsample(), torch.zeros(0))
        r = -binary_cross_entropy_with_logits(logits, pixels, reduction="none").sum(1)
        bound = bound + share[:, k] * (r - kl_divergence(q, Normal(means[k], variances[k].sqrt())).sum(1))
    return -bound.mean()


def products(components: int) -> Callable[[], None]:
    """The matrix products of a step and nothing else: forward, and backward by input and by weight."""
    shapes = [(BATCH, a, b) for a, b in pairwise(ENCODER)]
    shapes += [(BATCH, ENCODER[-1], components * 2 * DECODER[0])]
    shapes += [(BATCH * components, a, b) for a, b in pairwise(DECODER)]
    operands = [(torch.randn(rows, a), torch.randn(a, b), torch.randn(rows, b)) for rows, a, b in shapes]

    def run() -> None:
        for x, weight, gradient in operands:
            x @ weight
            gradient @ weight.T
            x.T @ gradient

    return run


def made(active: int, **arguments: object) -> tuple[CURL, Callable[..., None]]:
    """The published network with so many active components, and its update."""
    torch.manual_seed(0)
    method = CURL(image_encoder("mlp", 28), start=active, expansion=False, **arguments)  # type: ignore[arg-type]
    optimizer = method.optimizer(BATCH, 1000).optimizer

    def update(loss: Tensor, parameters: object = None) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return method, update


def candidates() -> dict[str, Callable[[], object]]:
    """Steps of all kinds at K = 30."""
    batch = Batch(torch.rand(BATCH, 3, 28, 28).round(), torch.arange(BATCH) % COMPONENTS)
    method, update = made(COMPONENTS, replay="none")
    plain, update_plain = made(COMPONENTS, replay="none")
    labelled, update_labelled = made(COMPONENTS, replay="none", supervised=True)
    labelled.labels = batch.index
    rehearsing, update_rehearsing = made(COMPONENTS, supervised_replay=True)
    rehearsing.replay.after(batch.views, torch.full((BATCH, COMPONENTS), 1 / COMPONENTS), rehearsing.draws)
    rehearsing.replay.take(rehearsing.mixture)  # type: ignore[attr-defined]
    rehearsing.before_step(1)
    single, update_single = made(1, replay="none")
    return {
        LIMIT: products(COMPONENTS),
        STACKED: lambda: method.step(batch, update),
        APART: lambda: update_plain(one_after_the_other(plain, plain.pictures(batch.views))),
        "a step with labels": lambda: labelled.step(batch, update_labelled),
        "a rehearsal with components (SMGR)": lambda: rehearsing.step(batch, update_rehearsing),
        "a step of one component": lambda: single.step(batch, update_single),
    }


def stream(out: Path, early: int, late: int) -> tuple[float, float]:
    """Peak memory of a learner of 8 x 8 digits after so many steps and after many more, in MiB."""
    pixels = (load_digits().images / 16).astype(np.float32)
    with unlabeled.learner(
        "curl", out=out, image_size=8, batch_size=16, components=8, latent=4, decoder_widths=(32,), threshold=-26.0,
        network={"widths": (32, 16)},
    ) as learner:  # fmt: skip
        found = []
        for steps in (early, late):
            while learner.loop.done < steps:
                start = 16 * learner.batches % (len(pixels) - 16)
                learner.observe(pixels[start : start + 16])
            found.append(resident("VmHWM"))
    return found[0], found[1]


def memory(early: int = 5_000, late: int = 50_000) -> tuple[float, float]:
    """`stream` in a process of its own, whose peak is not that of what ran before."""
    with TemporaryDirectory() as folder, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(stream, Path(folder) / "run", early, late).result()


def run() -> list[str]:
    seconds = interleaved(candidates(), ROUNDS)
    lines = [f"## A step of CURL, {torch.get_num_threads()} threads", ""]
    title = f"{BATCH} digits, K = {COMPONENTS}, the published network"
    lines += table(title, seconds, LIMIT, BATCH, "digits")
    times = statistics.median(a / s for a, s in zip(seconds[APART], seconds[STACKED], strict=True))
    early, late = memory()
    return [
        *lines,
        f"Stacked is {times:.1f} times as fast as one component after the other. Peak memory of a learner",
        f"of small digits, libraries, growth, rehearsals and checkpoints included: {early:.0f} MiB after 5,000 steps,",
        f"{late:.0f} MiB after 50,000 ({late / early - 1:+.1%}).",
        "",
    ]
