"""When all samples are labelled anew, which heads take part, and how their labels are found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import linear

from unlabeled.distributed import total
from unlabeled.metrics.contingency import contingency
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.neighbours import normalise
from unlabeled.objectives import BalancedAssignment, balanced_assignment

# --- when -----------------------------------------------------------------------------------------------------------

RelabelSchedule = Literal["quadratic", "linear"]
RelabelHeads = Literal["all", "round-robin"]


def quadratic(count: int, epochs: float) -> list[float]:
    """Often at first, then ever more seldom: (epochs + 0.01) (j / (count - 1))^2, j from 0 (official, ImageNet).

    Args:
        count: of relabellings; the last one lies just past the end of training, so that one less takes place.
        epochs: of training, also a part of one.

    Returns:
        Times in epochs, rising from 0.
    """
    return [(epochs + 0.01) * (j / max(count - 1, 1)) ** 2 for j in range(count)]


def evenly(count: int, epochs: float) -> list[float]:
    """At equal distances: (epochs + 0.0001) j / (count - 1), j from 0 (official, CIFAR).

    Args and returns are those of `quadratic`.
    """
    return [(epochs + 0.0001) * j / max(count - 1, 1) for j in range(count)]


RELABEL_SCHEDULES: dict[str, Callable[[int, float], list[float]]] = {"quadratic": quadratic, "linear": evenly}
"""(relabellings, epochs) -> times in epochs."""

RELABEL_HEADS: dict[str, Callable[[int, int], Sequence[int]]] = {
    "all": lambda number, heads: range(heads),
    "round-robin": lambda number, heads: [number % heads],
}
"""(number of the relabelling, heads) -> the heads that are labelled anew."""


def steps_of(times: Sequence[float], per_epoch: int, steps: int) -> dict[int, int]:
    """The steps before which samples are labelled anew: each the first one that its time has come at.

    Of times that lie closer together than steps, one is taken a step and the others wait.

    Args:
        times: in epochs, rising.
        per_epoch: steps of an epoch.
        steps: of the whole run.

    Returns:
        Step (from 0) to the number of the relabelling (from 0); times past the end are left out.
    """
    found: dict[int, int] = {}
    following = 0
    for number, time in enumerate(times):
        step = max(ceil(time * per_epoch), following)
        if step >= steps:
            break
        found[step], following = number, step + 1
    return found


# --- how ------------------------------------------------------------------------------------------------------------

Assignment = Literal["transport", "kmeans", "argmax"]

ENTRIES = 2**27
"""Of a head's logits that are held at once, and as many exponentials (half a gigabyte each); more logits are made anew
from the features in each pass."""


@dataclass(frozen=True)
class HeadLogits:
    """The logits of a linear head, some rows at a time, made anew as often as they are asked for.

    Args:
        features: (N, D), on any device.
        weight: (K, D), on the device and of the type to compute in.
        bias: (K,).
    """

    features: Tensor
    weight: Tensor
    bias: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        rows = max(1, ENTRIES // 8 // len(self.weight))
        for start in range(0, len(self.features), rows):
            features = self.features[start : start + rows].to(self.weight)
            yield linear(features, self.weight, self.bias)  # (rows, K)

    def held(self) -> "Tensor | HeadLogits":
        """All at once, (N, K), where they are few enough."""
        if len(self.features) * len(self.weight) > ENTRIES:
            return self
        return torch.cat(list(self))


@dataclass(frozen=True)
class Task:
    """The samples of this process, to be labelled anew for one head.

    Args:
        logits: of the head, (N, K).
        places: of the samples in the data, int64 (N,).
        before: their labels so far, int64 (N,).
        strength: lambda of the transport.
        marginals: shares of the clusters, (K,), or None for equal ones.
        tolerance: largest relative error of a share.
        start: the bias of the last time, (K,).
        rng: the same on every process.
    """

    logits: HeadLogits
    places: Tensor
    before: Tensor
    strength: float
    marginals: Tensor | None
    tolerance: float
    start: Tensor
    rng: np.random.Generator


def transport(task: Task) -> BalancedAssignment:
    """Labels that fill given shares: `balanced_assignment`, beginning with the bias of the last time."""
    logits, memory = task.logits.held(), 4 * ENTRIES
    return balanced_assignment(logits, task.strength, task.marginals, task.tolerance, task.start, kernel_memory=memory)


def by_kmeans(task: Task) -> BalancedAssignment:
    """Clusters of the representations themselves, by spherical k-means: what the paper compares the transport with.

    A cluster takes the name with which most labels stay as they were (Hungarian assignment), so that the head, which
    is not made anew, goes on.
    """
    clusters = len(task.start)
    rows, places = normalise(task.logits.features.cpu().numpy()), task.places.cpu().numpy()
    found = kmeans(rows, places, clusters, task.rng, restarts=1).nearest(rows)
    table = contingency(found, task.before.cpu().numpy(), clusters, clusters)
    _, names = linear_sum_assignment(table, maximize=True)
    return _unbalanced(torch.from_numpy(names[found]), task)


def argmax(task: Task) -> BalancedAssignment:
    """The head's own prediction, without any constraint: what collapses."""
    return _unbalanced(torch.cat([each.argmax(1).cpu() for each in task.logits]), task)


def _unbalanced(labels: Tensor, task: Task) -> BalancedAssignment:
    """Labels that nothing balances; their error is that of the clusters' sizes."""
    sizes = total(torch.bincount(labels, minlength=len(task.start))).double()
    asked = torch.ones(len(task.start)) if task.marginals is None else task.marginals
    error = (sizes / sizes.sum() / (asked / asked.sum()) - 1).abs().max()
    return BalancedAssignment(labels, torch.zeros_like(task.start), float(error), 1)


ASSIGNMENTS: dict[Assignment, Callable[[Task], BalancedAssignment]] = {
    "transport": transport,
    "kmeans": by_kmeans,
    "argmax": argmax,
}


def sizes_entropy(labels: Tensor, clusters: int) -> tuple[float, int]:
    """How evenly clusters are filled, entropy of their shares / log K (1 evenly, 0 all in one), and how many are used.

    Args:
        labels: int64 (N,).
        clusters: K.
    """
    sizes = torch.bincount(labels, minlength=clusters).double()
    shares = sizes[sizes > 0] / len(labels)
    entropy = float(-(shares * shares.log()).sum())
    return (max(entropy, 0.0) / torch.tensor(float(clusters)).log().item() if clusters > 1 else 1.0), len(shares)


def random_balanced(count: int, clusters: int, heads: int) -> Tensor:
    """A random permutation of 0, ..., K - 1, 0, ... of length N for each head, by torch's generator: int64 (T, N)."""
    return torch.stack([torch.randperm(count) % clusters for _ in range(heads)])
