"""`Course`: the optimiser of a method and its rate over the run, checked and made in one place."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from unlabeled.training.method import Plan
from unlabeled.training.optimizers import SCALINGS
from unlabeled.training.schedules import Schedule, cosine


@dataclass(frozen=True)
class Course:
    """How a method's weights move over a run.

    Args:
        optimizer: (module, learning rate, weight decay) -> an optimiser.
        learning_rate: at its highest, at least 0.
        weight_decay: at least 0.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
        schedule: (steps, steps of warm-up) -> the factor on the rate by step.
        clip: largest norm of the gradient, above 0; None leaves it.

    Raises:
        ValueError: a number outside its range.
    """

    optimizer: Callable[..., torch.optim.Optimizer]
    learning_rate: float
    weight_decay: float = 0.0
    warmup: float = 0.0
    schedule: Callable[[int, int], Schedule] = cosine
    clip: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup takes a share within 0 and 1, got {self.warmup}")
        for name, value in {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}.items():
            if not value >= 0:
                raise ValueError(f"{name} takes a number no less than 0, got {value}")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip takes a number above 0, got {self.clip}")

    def plan(self, module: nn.Module, steps: int, batch_size: int | None = None) -> Plan:
        """The plan of a run.

        Args:
            module: whose weights move.
            steps: of the run.
            batch_size: the rate is one for 256 and scaled linearly to this; None takes it as it is.
        """
        rate = self.learning_rate if batch_size is None else SCALINGS["linear"](self.learning_rate, batch_size)
        optimizer = self.optimizer(module, rate, self.weight_decay)
        return Plan(optimizer, self.schedule(steps, round(self.warmup * steps)), self.clip)
