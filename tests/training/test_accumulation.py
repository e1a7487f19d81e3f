"""`--accumulate`: N parts of B / N with the mean of their gradients, and what that equals."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

import unlabeled
from battery import hooks
from battery.small import digits, session
from unlabeled.errors import UserError
from unlabeled.methods.simclr import SimCLR
from unlabeled.training.method import Batch, Plan


class MeanOverRows(nn.Module):
    """No batch norm, and a loss that is a mean over samples."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 6), nn.Tanh(), nn.Linear(6, 6))
        self.encoder.width = 6

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.encoder(batch.views).chunk(2)
        return (first - second - batch.index[:, None] / 64).square().mean()

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        return Plan(torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9), lambda step: 1.0)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_a_mean_over_samples_is_that_of_the_whole_batch(parts: int, tmp_path: Path) -> None:
    ends = []
    for number in (1, parts):
        one = session(MeanOverRows, tmp_path / str(number), accumulate=number, precision="64-true")
        before = [p.detach().clone() for p in one.loop.module.parameters()]
        one.train()
        ends.append([p.detach().clone() for p in one.loop.module.parameters()])
        assert hooks.moved(before, ends[-1]) > 1e-3
        ends[-1].append(torch.tensor([line["loss"] for line in one.run.metrics()]))
    for whole, in_parts in zip(*ends, strict=True):
        torch.testing.assert_close(in_parts, whole, rtol=1e-12, atol=1e-12)


def test_negatives_are_those_of_the_part(tmp_path: Path) -> None:
    """SimCLR at its start, when all rows are about alike: the loss is log(2B - 1), of the part's B."""
    losses = {}
    for parts in (1, 4):
        one = session(SimCLR, tmp_path / str(parts), steps=1, accumulate=parts, temperature=100.0)
        one.train()
        losses[parts] = one.loop.watch.last_loss
    assert losses[1] == pytest.approx(torch.log(torch.tensor(31.0)).item(), abs=0.02)
    assert losses[4] == pytest.approx(torch.log(torch.tensor(7.0)).item(), abs=0.02)


def test_the_setting_is_kept_and_resumed(tmp_path: Path) -> None:
    flags = {"data": digits()[0], "out": tmp_path / "run", "workers": 0}
    unlabeled.pretrain("simclr", **flags, batch_size=16, accumulate=2, max_steps=2)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["accumulate"] == 2
    assert unlabeled.pretrain("simclr", **flags, resume=True).finished
    with pytest.raises(UserError, match="made with accumulate 2, not 4"):
        unlabeled.pretrain("simclr", **flags, resume=True, accumulate=4)


def test_a_run_from_before_the_setting_goes_on(tmp_path: Path) -> None:
    flags = {"data": digits()[0], "out": tmp_path / "run", "workers": 0}
    unlabeled.pretrain("simclr", **flags, batch_size=16, max_steps=2)
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("accumulate: 1\n", ""))
    assert unlabeled.pretrain("simclr", **flags, resume=True).finished
