"""Fitting by SGD on views of labelled samples: heads on a frozen encoder, or an encoder and its head together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlabeled import chance
from unlabeled.distributed import average_gradients, lost_process_told, rank, world_size
from unlabeled.errors import UserError
from unlabeled.training.loader import Samples, Steps, Views, batches
from unlabeled.training.memory import out_of_memory_told
from unlabeled.training.method import Batch
from unlabeled.training.optimizers import sgd
from unlabeled.training.progress import Progress
from unlabeled.training.schedules import Schedule, cosine


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum 0.9 and no warm-up: how long, in what batches, how the learning rate falls.

    Args:
        epochs: at least 1.
        batch_size: over all processes, at least 1; all samples where there are fewer.
        weight_decay: not on biases or batch norm, at least 0.
        drops: epochs after which the learning rate is a tenth of what it was; where there are none it falls by half a
            cosine to 0, a step at a time.
        max_steps: at most so many steps, at least 1, or None.
        seed: of the order of the samples and of their views.
        workers: processes that make views, which changes nothing but the time.
        nesterov: whether the momentum is Nesterov's.

    Raises:
        UserError: a number outside its range.
    """

    epochs: int = 90
    batch_size: int = 256
    weight_decay: float = 0.0
    drops: tuple[float, ...] = ()
    max_steps: int | None = None
    seed: int = 0
    workers: int = 0
    nesterov: bool = True

    def __post_init__(self) -> None:
        least = {
            "epochs": (self.epochs, 1),
            "batch-size": (self.batch_size, 1),
            "weight-decay": (self.weight_decay, 0),
            "drops": (min(self.drops, default=0), 0),
            "max-steps": (self.max_steps, 1),
            "seed": (self.seed, 0),
            "workers": (self.workers, 0),
        }
        for name, (value, low) in least.items():
            if value is not None and not value >= low:
                raise UserError(f"--{name} takes a number of at least {low}, got {value}.")

    def batch(self, count: int) -> int:
        """Samples of a step, of `count`: `batch_size`, or all of them where there are fewer.

        Raises:
            UserError: fewer samples than processes.
        """
        size = min(self.batch_size, count) // world_size() * world_size()
        if not size:
            raise UserError(f"{count} samples cannot be shared by {world_size()} processes; use fewer processes.")
        return size

    def steps(self, count: int) -> int:
        """Steps in all: as many as take `epochs` times `count` samples, though no epoch need be whole."""
        whole = max(1, round(self.epochs * count / self.batch(count)))
        return whole if self.max_steps is None else min(whole, self.max_steps)

    def schedule(self, count: int) -> Schedule:
        """Step to the factor on the learning rate."""
        if not self.drops:
            return cosine(self.steps(count))
        share = self.batch(count) / count
        return lambda step: 0.1 ** sum(step * share >= epoch for epoch in self.drops)


def descend(
    loss: Callable[[Batch], Tensor],
    modules: Sequence[tuple[nn.Module, float]],
    samples: Samples,
    views: Views,
    recipe: Recipe,
    what: str,
) -> None:
    """Move modules down the gradient of a loss by SGD, in place.

    Every process passes the same and takes its share of each batch; the gradients are averaged, so that all end
    with the same weights. Where the batch divides by the number of processes, these are those of one process.

    Args:
        loss: this process's part of a batch, views in the encoder's form, to its mean, a scalar.
        modules: what is moved, each with its learning rate for a batch of 256 over all processes.
        samples: learnt from.
        views: what the batches are made of.
        recipe: how.
        what: named in the line of progress.

    Raises:
        UserError: no memory, or no readable sample.
    """
    count, size = len(samples), recipe.batch(len(samples))
    stop, schedule = recipe.steps(count), recipe.schedule(count)
    optimizers = [sgd(module, rate * size / 256, recipe.weight_decay) for module, rate in modules]
    groups = [(group, group["lr"]) for each in optimizers for group in each.param_groups]
    parameters = [each for group, _ in groups for each in group["params"]]
    for group, _ in groups:
        group["nesterov"] = recipe.nesterov
    steps = Steps(samples, views, recipe.seed, size, rank(), world_size())
    advice = f"out of memory with batches of {size} samples; lower --batch-size."
    progress = Progress(what, stop, "samples", weight=size)
    with progress, lost_process_told(), out_of_memory_told(lambda: advice):
        for step, loaded in enumerate(batches(steps, 0, stop, recipe.workers)):
            chance.seed_torch(recipe.seed, chance.MODEL, step, rank())
            for group, rate in groups:
                group["lr"] = rate * schedule(step)
            for each in optimizers:
                each.zero_grad()
            loss(loaded.batch).backward()  # type: ignore[no-untyped-call]
            if world_size() > 1:
                average_gradients(parameters)
            for each in optimizers:
                each.step()
            progress.update(step + 1)


def fit_heads(
    encode: Callable[[Any], Sequence[Tensor]],
    widths: Sequence[int],
    learning_rates: Sequence[float],
    samples: Samples,
    labels: np.ndarray,
    classes: int,
    views: Views,
    recipe: Recipe,
    what: str,
) -> list[list[nn.Linear]]:
    """Linear classifiers on frozen representations, all of them in one pass over the data.

        minimise over W, b, from 0:   mean of CE(W f_s(view) + b, y)        for each representation s and learning rate

    The encoder is called without gradient, so it must be in evaluation mode: it ends as it began. The classifiers
    do not see each other: each is what it would be alone.

    Args:
        encode: views in the encoder's form to S representations, (B, D_s) each: one, or one a stage.
        widths: D_s.
        learning_rates: L of them, for a batch of 256, each above 0 and at most 1e6.
        samples: learnt from.
        labels: int64 (N,), 0 to `classes` - 1, of `samples`.
        classes: how many.
        views: one view of each sample.
        recipe: how.
        what: named in the line of progress.

    Returns:
        `heads[s][l]`; one whose learning rate was too high for it holds weights that are not finite.

    Raises:
        UserError: as `descend`, a learning rate that is none, or all of them too high.
    """
    check_learning_rates(learning_rates)
    heads = [[zero_head(width, classes) for _ in learning_rates] for width in widths]
    answers = torch.from_numpy(labels)

    def loss(batch: Batch) -> Tensor:
        with torch.no_grad():
            seen = [each.to(heads[0][0].weight) for each in encode(batch.views)]
        answer = answers[batch.index].to(seen[0].device)
        parts = [cross_entropy(head(each), answer) for each, row in zip(seen, heads, strict=True) for head in row]
        return torch.stack(parts).sum()

    modules = [(head, rate) for row in heads for head, rate in zip(row, learning_rates, strict=True)]
    descend(loss, modules, samples, views, recipe, what)
    if not all(any(is_finite(head) for head in row) for row in heads):
        raise not_finite(what)
    return heads


def zero_head(width: int, classes: int) -> nn.Linear:
    """A linear classifier whose weights and biases are 0, (B, width) to (B, classes), on the fastest device here."""
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head.to("cuda" if torch.cuda.is_available() else "cpu")


def scores_of(head: nn.Linear, embeddings: np.ndarray) -> np.ndarray:
    """What a classifier answers to rows (N, D): float64 (N, C), minus infinity where it has no number."""
    weight, bias = (each.detach().cpu().numpy().astype(np.float64) for each in (head.weight, head.bias))
    scores = np.asarray(embeddings, np.float64) @ weight.T + bias
    return np.where(np.isfinite(scores), scores, -np.inf)


def is_finite(module: nn.Module) -> bool:
    """Whether all weights are finite numbers."""
    return all(bool(torch.isfinite(each).all()) for each in module.parameters())


def not_finite(what: str) -> UserError:
    """What to say of weights that are no finite numbers any more."""
    return UserError(f"{what} ended with weights that are not finite numbers; lower --learning-rate.")


def check_learning_rates(rates: Sequence[float]) -> None:
    """Refuse learning rates that are none.

    Raises:
        UserError: no number, or one that is not above 0.
    """
    if not rates or not all(0 < rate <= 1e6 for rate in rates):
        given = ", ".join(map(str, rates)) or "none"
        raise UserError(f"--learning-rate takes numbers above 0 and up to a million, got {given}.")
