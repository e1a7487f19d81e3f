"""Every method passes every check, and so do the small methods that use each hook; broken ones do not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from battery import hooks
from battery import methods as battery
from battery.methods import CHECKS, all_methods
from battery.processes import run_in_processes
from battery.small import session
from unlabeled import methods
from unlabeled.distributed import rank, world_size
from unlabeled.training import loader, loop
from unlabeled.training.method import Batch

HOOKS = (
    hooks.Plain, hooks.Prepared, hooks.Momentum, hooks.Alternating, hooks.Dropping, hooks.Representing,
)  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", all_methods())
def test_method(name: str, check: Any, tmp_path: Path) -> None:
    check(methods.find(name), tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", HOOKS, ids=lambda method: method.__name__)
def test_hook(method: Any, check: Any, tmp_path: Path) -> None:
    check(method, tmp_path)


class SimCLROnGraphs(methods.find("simclr")):
    """The same class, untouched, in the small world of graphs."""

    modalities = ("graphs",)


class SeLaOnGraphs(methods.find("sela")):
    modalities = ("graphs",)


class SupervisedOnGraphs(methods.find("supervised")):
    modalities = ("graphs",)


class DySATWithHead(methods.find("dysat")):
    """Two layers between embeddings and loss, and idle nodes among the negatives."""

    def __init__(self, encoder: nn.Module, projection_layers: int = 2, idle_negatives: bool = True) -> None:
        super().__init__(encoder, projection_layers=projection_layers, idle_negatives=idle_negatives)


VARIANTS = (SimCLROnGraphs, SeLaOnGraphs, SupervisedOnGraphs, DySATWithHead)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", VARIANTS, ids=lambda method: method.__name__)
def test_variant(method: Any, check: Any, tmp_path: Path) -> None:
    check(method, tmp_path)


@pytest.mark.parametrize("name", all_methods())
def test_help(name: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "unlabeled", "pretrain", name, "--help"], capture_output=True, text=True, check=True
    )
    assert methods.summary(name)[:40] in shown.stdout and "--learning-rate" in shown.stdout


# --- what each hook is for ------------------------------------------------------------------------------------------


def test_step_moves_only_the_parameters_it_names(tmp_path: Path) -> None:
    one = session(hooks.Alternating, tmp_path / "run", steps=1)
    method = one.loop.method
    before = [p.detach().clone() for p in method.parameters()]
    method.step = lambda batch, update: (loss := method.loss(batch), update(loss, method.head.parameters()))[0]
    one.train()
    after = dict(method.named_parameters())
    still = [name for (name, p), old in zip(after.items(), before, strict=True) if torch.equal(p, old)]
    assert "head.weight" not in still
    assert {name for name in after if name.startswith("encoder")} <= set(still)


def test_penalty_of_the_encoder_is_added(tmp_path: Path) -> None:
    one = session(hooks.WithPenalty, tmp_path / "run", steps=3)
    one.train()
    assert one.loop.method.encoder.scale.item() < 3.0


def test_clip_bounds_the_step(tmp_path: Path) -> None:
    one = session(hooks.Clipped, tmp_path / "run", steps=1)
    before = [p.detach().clone() for p in one.loop.module.parameters()]
    one.train()
    assert hooks.moved(before, one.loop.module.parameters()) == pytest.approx(1e-3, rel=1e-3)


# --- over processes -------------------------------------------------------------------------------------------------


class ForgetsBatchNorm(hooks.Plain):
    """Broken: a batch norm that the replacement cannot find, so that each process keeps its own statistics."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.hidden = nn.BatchNorm1d(encoder.width, track_running_stats=False)

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.head(self.hidden(self.encoder(batch.views))).chunk(2)
        return (first - second).square().mean()


def shards_of_all() -> dict[str, dict[str, Tensor]]:
    """Every method, and a broken one, on this process's share."""
    every = {name: methods.find(name) for name in methods.names()} | {"broken": ForgetsBatchNorm}
    every |= {method.__name__: method for method in VARIANTS}
    return {name: battery.gradients(method, rank(), world_size()) for name, method in every.items()}


@pytest.fixture(scope="module")
def shards() -> list[dict[str, dict[str, Tensor]]]:
    return run_in_processes(shards_of_all, 2)


@pytest.mark.parametrize("name", all_methods())
def test_two_processes_equal_one(name: str, shards: Any) -> None:
    whole = battery.gradients(methods.find(name), 0, 1)
    battery.is_the_same_over_processes([shard[name] for shard in shards], whole)


@pytest.mark.parametrize("method", VARIANTS, ids=lambda method: method.__name__)
def test_two_processes_equal_one_for_variants(method: Any, shards: Any) -> None:
    whole = battery.gradients(method, 0, 1)
    battery.is_the_same_over_processes([shard[method.__name__] for shard in shards], whole)


def test_the_check_over_processes_fails_on_broken(shards: Any) -> None:
    with pytest.raises(AssertionError):
        battery.is_the_same_over_processes(
            [shard["broken"] for shard in shards], battery.gradients(ForgetsBatchNorm, 0, 1)
        )


# --- each check fails on what it is there to find -------------------------------------------------------------------


class ClimbsTheLoss(hooks.Plain):
    """Broken: goes up the gradient."""

    def optimizer(self, batch_size: int, steps: int) -> Any:
        plan = super().optimizer(batch_size, steps)
        for group in plan.optimizer.param_groups:
            group["maximize"], group["lr"] = True, 1e-5
        return plan


class KeepsSomethingElse(hooks.Plain):
    """Broken: the representation depends on state that is not saved."""

    calls = 0

    def loss(self, batch: Batch) -> Tensor:
        self.calls += 1
        return super().loss(batch)

    def represent(self, batch: Any) -> Tensor:
        return self.head(self.encoder(batch)) + self.calls


class SavesAnotherEncoder(hooks.Representing):
    """Broken: what it saves of its encoder is not what it has trained."""

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        found = super().state_dict(*args, **kwargs)
        return {name: each + name.startswith("encoder.") for name, each in found.items()}


class CountsOutsideItsState(hooks.Plain):
    """Broken: what it does depends on a counter that no checkpoint holds."""

    count = 0

    def loss(self, batch: Batch) -> Tensor:
        self.count += 1
        return super().loss(batch) * self.count


class DrawsFromTheClock(hooks.Plain):
    """Broken: chance that no seed decides."""

    def loss(self, batch: Batch) -> Tensor:
        noise = torch.empty(1).normal_(generator=torch.Generator().manual_seed(torch.seed() % 2**31))
        return super().loss(batch) * (1 + noise.abs().sum())


BROKEN = {
    "loss_falls_on_one_batch": ClimbsTheLoss,
    "saves_and_loads_equal_embeddings": KeepsSomethingElse,
    "gives_its_encoder_to_another_run": SavesAnotherEncoder,
    "resumes_to_the_same_bits": CountsOutsideItsState,
    "steps_in_parts": CountsOutsideItsState,
    "depends_on_its_seed": DrawsFromTheClock,
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_check_fails_on_broken(check: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check(BROKEN[check.__name__], tmp_path)


def test_the_check_of_parts_sees_a_sum_and_a_lost_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients summed and not averaged, or those of one part only."""
    step = loop.Loop.step

    def without_the_last(self: Any, parts: Any) -> Tensor:
        return step(self, parts[:-1] if len(parts) > 1 else parts)

    def summed(self: Any, parts: Any) -> Tensor:
        backward = self.fabric.backward
        self.fabric.backward = lambda loss: backward(loss * len(parts))
        return step(self, parts)

    for number, broken in enumerate((without_the_last, summed)):
        monkeypatch.setattr(loop.Loop, "step", broken)
        with pytest.raises(AssertionError):
            battery.steps_in_parts(hooks.Plain, tmp_path / str(number))


def test_resume_fails_without_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dropout generator not reseeded, or the loader starting anew: the check must see either."""
    monkeypatch.setattr(loop.chance, "seed_torch", lambda *place: None)
    with pytest.raises(AssertionError):
        battery.resumes_to_the_same_bits(hooks.Dropping, tmp_path / "dropout")
    monkeypatch.undo()
    whole = loader.batches
    monkeypatch.setattr(loop, "batches", lambda steps, start, stop, *rest: whole(steps, 0, stop - start, *rest))
    with pytest.raises(AssertionError):
        battery.resumes_to_the_same_bits(hooks.Plain, tmp_path / "loader")
