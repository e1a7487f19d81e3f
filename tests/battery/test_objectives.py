"""Every objective passes every check; every check fails on an objective that is broken in its way."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from battery import objectives as battery
from battery.objectives import CASES, CHECKS, Case
from battery.processes import run_in_processes
from unlabeled import objectives
from unlabeled.distributed import rank, world_size


def test_every_objective_is_in_the_battery() -> None:
    """What gives labels and not a loss has its own checks, in tests/objectives."""
    labelling = {"Assignment", "BalancedAssignment", "assign", "balanced_assignment"}
    assert {name.partition(" ")[0] for name in CASES} == set(objectives.__all__) - labelling


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_objective(name: str, check: Any) -> None:
    check(CASES[name])


def detached_keys(first: Tensor, second: Tensor) -> Tensor:
    """The commonest fault of the field: other processes' rows are negatives without a gradient."""
    rows = normalize(torch.cat([first, second]), dim=1)
    keys = [torch.empty_like(rows) for _ in range(world_size())]
    if world_size() > 1:
        torch.distributed.all_gather(keys, rows.detach())
    keys[rank()] = rows
    own = torch.arange(len(rows)) + rank() * len(rows)
    logits = (rows @ torch.cat(keys).T / 0.1).scatter(1, own[:, None], float("-inf"))
    return torch.nn.functional.cross_entropy(logits, own.roll(len(first)))


def local_negatives(first: Tensor, second: Tensor) -> Tensor:
    """A loss that never looks beyond its own process."""
    rows = normalize(torch.cat([first, second]), dim=1)
    logits = (rows @ rows.T / 0.1).fill_diagonal_(float("-inf"))
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(rows)).roll(len(first)))


BROKEN_OVER_PROCESSES = {"detached_keys": Case(detached_keys), "local_negatives": Case(local_negatives)}


def shards_of_all(process: int = 0) -> dict[str, tuple[float, list[Tensor]]]:
    """Every objective, the broken ones too, on this process's share."""
    every = CASES | BROKEN_OVER_PROCESSES
    return {name: battery.loss_and_gradients(case, rank(), world_size(), batch=12) for name, case in every.items()}


@pytest.fixture(scope="module")
def shards() -> dict[int, list[dict[str, tuple[float, list[Tensor]]]]]:
    return {count: run_in_processes(shards_of_all, count) for count in (2, 3)}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_processes_equal_one(name: str, count: int, shards: Any) -> None:
    whole = battery.loss_and_gradients(CASES[name], 0, 1, batch=12)
    battery.is_the_same_over_processes([shard[name] for shard in shards[count]], whole)


@pytest.mark.parametrize("name", BROKEN_OVER_PROCESSES)
def test_the_check_over_processes_fails_on_broken(name: str, shards: Any) -> None:
    whole = battery.loss_and_gradients(BROKEN_OVER_PROCESSES[name], 0, 1, batch=12)
    with pytest.raises(AssertionError):
        battery.is_the_same_over_processes([shard[name] for shard in shards[2]], whole)


BROKEN = {
    "is_a_finite_scalar": lambda a, b: (a * b).exp().sum(),
    "has_the_gradient_of_finite_differences": lambda a, b: (a.detach() * b).sum() + 0 * a.sum(),
    "ignores_the_order_of_the_batch": lambda a, b: (a[0] * b[1]).sum(),
    "pairs_the_views": lambda a, b: objectives.nt_xent(a, a),
    "agrees_in_float32": lambda a, b: (a + 1e7).mean() - 1e7 + b.mean(),
    "takes_half_precision": lambda a, b: (a * b).sum(),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_check_fails_on_broken(check: Any) -> None:
    with pytest.raises(AssertionError):
        check(Case(BROKEN[check.__name__]))
