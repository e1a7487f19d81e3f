"""When all samples are labelled anew, which heads take part, and how their labels are found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import linear

from unlabeled.distributed import total
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

Assignment = Literal["transport", "argmax"]

ENTRIES = 2**27
"""Of a head's logits that are held at once, and as many exponentials (half a gigabyte each); more logits are made anew
from the features in each pass."""


@dataclass(frozen=True)
class HeadLogits:
    """The logits of a linear head, some rows at a time, made anew as often as they are asked for.

    Args:
        features: (N, D), on any device.
        weight: (K, D), on the device to compute on.
        bias: (K,).
    """

    features: Tensor
    weight: Tensor
    bias: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        rows = max(1, ENTRIES // 8 // len(self.weight))
        for start in range(0, len(self.features), rows):
            features = self.features[start : start + rows].to(self.weight.device)
            yield linear(features, self.weight, self.bias)  # (rows, K)

    def held(self) -> "Tensor | HeadLogits":
        """All at once, (N, K), where they are few enough."""
        if len(self.features) * len(self.weight) > ENTRIES:
            return self
        return torch.cat(list(self))


def transport(
    logits: HeadLogits, strength: float, marginals: Tensor | None, tolerance: float, start: Tensor
) -> BalancedAssignment:
    """Labels that fill given shares: `balanced_assignment`, beginning with the bias of the last time."""
    return balanced_assignment(logits.held(), strength, marginals, tolerance, start, kernel_memory=4 * ENTRIES)


def argmax(
    logits: HeadLogits, strength: float, marginals: Tensor | None, tolerance: float, start: Tensor
) -> BalancedAssignment:
    """The head's own prediction, without any constraint: what collapses. Its error is that of the clusters' sizes."""
    labels = torch.cat([each.argmax(1).cpu() for each in logits])
    sizes = total(torch.bincount(labels, minlength=len(start))).double()
    asked = torch.ones(len(start)) if marginals is None else marginals
    error = (sizes / sizes.sum() / (asked / asked.sum()) - 1).abs().max()
    return BalancedAssignment(labels, torch.zeros_like(start), float(error), 1)


ASSIGNMENTS: dict[str, Callable[[HeadLogits, float, Tensor | None, float, Tensor], BalancedAssignment]] = {
    "transport": transport,
    "argmax": argmax,
}
"""(logits, strength, marginals, tolerance, bias of the last time) -> labels of this process's rows."""


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
