"""When a mixture grows: samples that no component explains are collected until they make a component of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.distributed import collect_rows
from unlabeled.objectives.mixture_elbo import gaussian_log_likelihood

SHOWN = 16
"""Of the poor samples that made a component, so many are kept to be looked at."""
NATS = -200 / 784
"""The published threshold, for a pixel."""


@dataclass(frozen=True)
class Patience:
    """How poor samples must be, and how many of them after how long, for a component of their own (CURL, section 3.4).

    Args:
        threshold: c_new: samples whose bound on log p(x) is below it, strictly, are poor; in nats.
        size: poor samples that make a component, at least 1.
        wait: steps on real data since the last component, at least 0.
        burn_in: steps in all before the first, at least 0.

    Raises:
        ValueError: a number outside its range.
    """

    threshold: float
    size: int = 100
    wait: int = 100
    burn_in: int = 100

    def __post_init__(self) -> None:
        if self.size < 1 or min(self.wait, self.burn_in) < 0:
            raise ValueError(
                f"buffer takes at least 1, wait and burn_in 0, got {self.size}, {self.wait}, {self.burn_in}"
            )


@dataclass
class Growth:
    """Collects poor samples of all processes, the same on every one of them.

    Args:
        patience: the numbers.
    """

    patience: Patience
    waited: int = 0
    eligible: bool = False
    poor: list[Tensor] = field(default_factory=list)
    bounds: list[Tensor] = field(default_factory=list)

    def after(self, step: int, pictures: Tensor, bounds: Tensor, room: bool) -> tuple[Tensor, Tensor] | None:
        """Take in a step on real data.

        Args:
            step: its number, from 0.
            pictures: this process's, (B, C, S, S).
            bounds: ll of each, (B,), from the step's own forward pass.
            room: whether there is a component left to make.

        Returns:
            Once there are enough, all poor samples and their bounds, in order of arrival (process after process within
            a step); then waiting begins anew. Else None.
        """
        if self.waited >= self.patience.wait and step >= self.patience.burn_in and room:
            self.eligible = True
        self.waited += 1
        if not self.eligible:
            return None
        chosen = bounds.detach() < self.patience.threshold
        self.poor += [part for part in collect_rows(pictures[chosen]) if len(part)]
        self.bounds += [part for part in collect_rows(bounds.detach()[chosen]) if len(part)]
        if sum(map(len, self.poor)) < self.patience.size:
            return None
        full = torch.cat(self.poor), torch.cat(self.bounds)
        self.poor, self.bounds, self.eligible, self.waited = [], [], False, 0
        return full

    def memory(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"waited": self.waited, "eligible": self.eligible, "poor": self.poor, "bounds": self.bounds}

    def remember(self, memory: dict[str, Any], device: torch.device) -> None:
        """Go on from a checkpoint."""
        self.waited, self.eligible = memory["waited"], memory["eligible"]
        self.poor, self.bounds = ([part.to(device) for part in memory[name]] for name in ("poor", "bounds"))


def default_threshold(pixels: int, deviation: float | None) -> float:
    """c_new of so many pixels: -200 of 784 bits in proportion; of Gaussian ones where all are off by 1.2 deviations."""
    if deviation is None:
        return NATS * pixels
    off = torch.full((1, 1, pixels), 1.2 * deviation, dtype=torch.float64)
    return float(gaussian_log_likelihood(off, torch.zeros(1, pixels, dtype=torch.float64), deviation))


def birth(
    component: int, step: int, source: int, share: float, poor: Tensor, bounds: Tensor
) -> dict[str, float | Tensor]:
    """What is remembered of a component's beginning: plain numbers, and the last of the samples that caused it.

    Args:
        component: its number.
        step: after which it was made.
        source: that it was copied from.
        share: of the poor samples that the source explained.
        poor: the samples, (n, C, S, S) in [0, 1].
        bounds: ll of each, (n,).
    """
    pictures = poor[-SHOWN:].clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
    return {
        "component": component, "step": step, "source": source, "share": share, "poor": len(poor),
        "bound": float(bounds.mean()), "pictures": pictures,
    }  # fmt: skip


def chunks(rows: Tensor, size: int) -> list[Tensor]:
    """Rows (N, ...), `size` at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@contextmanager
def still(encoder: nn.Module, decoder: nn.Module) -> Iterator[None]:
    """Both as they are: no gradient, and no batch norm that follows."""
    was = encoder.training
    needed = [p for part in (encoder, decoder) for p in part.parameters() if p.requires_grad]
    encoder.eval()
    for parameter in needed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        encoder.train(was)
        for parameter in needed:
            parameter.requires_grad_(True)
