"""The loop's own promises that no method's check covers."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from battery import hooks
from battery.small import session
from unlabeled.training.method import Batch


@pytest.mark.parametrize(("precision", "inside"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_the_loss_is_computed_in_the_precision_asked_for(precision: str, inside: torch.dtype, tmp_path: Path) -> None:
    seen: list[torch.dtype] = []

    class Looks(hooks.Plain):
        def loss(self, batch: Batch) -> Tensor:
            seen.append(self.head(self.encoder(batch.views)).dtype)
            return super().loss(batch)

    session(Looks, tmp_path / "run", steps=1, precision=precision).train()
    assert seen == [inside]


def test_a_method_that_steps_itself_has_the_precision_asked_for(tmp_path: Path) -> None:
    one = session(hooks.Alternating, tmp_path / "run", steps=2, precision="64-true")
    one.train()
    assert {each.dtype for each in one.loop.module.parameters()} == {torch.float64}
    assert all(line["loss"] > 0 for line in one.run.metrics())


def test_the_learning_rate_follows_the_schedule(tmp_path: Path) -> None:
    """SGD without momentum moves by rate times gradient: the step is measured, not the number that is logged."""
    moved: list[float] = []

    class Follows(hooks.Plain):
        def optimizer(self, batch_size: int, steps: int) -> Any:
            plan = super().optimizer(batch_size, steps)
            plan.optimizer = torch.optim.SGD(self.parameters(), lr=0.5)
            plan.schedule = lambda step: (0.0, 1.0, 0.25)[step]
            return plan

        def loss(self, batch: Batch) -> Tensor:
            moved.append(self.head.bias.detach().sum().item())
            return self.head.bias.sum() + 0 * self.encoder(batch.views).sum() + 0 * self.head.weight.sum()

    one = session(Follows, tmp_path / "run", steps=3)
    one.train()
    moved.append(one.loop.method.head.bias.detach().sum().item())
    steps = [round(before - after, 5) for before, after in pairwise(moved)]
    assert steps == [0.0, 4 * 0.5, 4 * 0.125]
    assert [line["learning_rate"] for line in one.run.metrics()] == [0.0, 0.5, 0.125]
