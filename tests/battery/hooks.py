"""Small methods of the battery's own, one for each hook of the loop."""

from collections.abc import Iterable, Sized
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.training.method import Batch, Plan, Update
from unlabeled.training.schedules import cosine


class Plain(nn.Module):
    """The two functions that every method has: pull the two views of a sample together."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, 4)

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.head(self.encoder(batch.views)).chunk(2)
        return (first - second).square().mean() + (first.std(0) - 1).square().mean()

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        return Plan(torch.optim.SGD(self.parameters(), lr=0.005, momentum=0.9), cosine(steps))


class Prepared(Plain):
    """`prepare`: a table as long as the data, learnt with everything else."""

    def prepare(self, samples: Sized) -> None:
        self.table = nn.Parameter(torch.zeros(len(samples), 4))

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.head(self.encoder(batch.views)).chunk(2)
        return (first - self.table[batch.index] - 1).square().mean() + (second - 1).square().mean()


class Momentum(Plain):
    """`before_step`: a momentum copy of the head follows before every step, and the steps are counted."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.copy = nn.Linear(encoder.width, 4).requires_grad_(False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def before_step(self, step: int) -> None:
        assert int(self.seen) == step, f"before_step({step}) after {int(self.seen)} calls"
        self.seen += 1
        with torch.no_grad():
            for slow, fast in zip(self.copy.parameters(), self.head.parameters(), strict=True):
                slow.lerp_(fast, 0.1)

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.encoder(batch.views).chunk(2)
        return (self.head(first) - self.copy(second) - 1).square().mean()


class Alternating(Plain):
    """`step`: the head alone, then the encoder alone, each with an update of its own."""

    def step(self, batch: Batch, update: Update) -> Tensor:
        update(self.loss(batch), self.head.parameters())
        loss = self.loss(batch)
        update(loss, self.encoder.parameters())
        return loss


class Dropping(Plain):
    """Model chance: dropout, which must be the same after a resume."""

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.head(torch.dropout(self.encoder(batch.views), 0.5, True)).chunk(2)
        return (first - second).square().mean() + (first.std(0) - 1).square().mean()


class Representing(Plain):
    """`represent`: what is kept is the head's output."""

    def represent(self, batch: Any) -> Tensor:
        return self.head(self.encoder(batch))


class Penalised(nn.Module):
    """An encoder with a `penalty` of its own."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.inner, self.width = encoder, encoder.width
        self.scale = nn.Parameter(torch.full((), 3.0))

    def forward(self, batch: Any) -> Tensor:
        return self.inner(batch)

    def penalty(self) -> Tensor:
        return self.scale.square()


class WithPenalty(Plain):
    """A method whose encoder has a penalty: nothing but the penalty moves `scale`."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(Penalised(encoder))


class Clipped(Plain):
    """A plan with a clip so small that no weight moves further than it in a step."""

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        return Plan(torch.optim.SGD(self.parameters(), lr=1.0), lambda step: 1.0, clip=1e-3)


def moved(before: Iterable[Tensor], after: Iterable[Tensor]) -> float:
    """How far parameters moved, their joint norm."""
    parts = [(b - a).double().square().sum() for b, a in zip(before, after, strict=True)]
    return torch.stack(parts).sum().sqrt().item()
