"""Batch norm over processes against torch's own on the whole batch (float64)."""

from typing import Any

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from battery.processes import run_in_processes
from unlabeled.distributed import rank, world_size
from unlabeled.training.batch_norm import BatchNorm, over_processes

LAYERS = {
    "1d": lambda: nn.BatchNorm1d(5),
    "2d": lambda: nn.BatchNorm2d(5),
    "3d": lambda: nn.BatchNorm3d(5),
    "no affine": lambda: nn.BatchNorm2d(5, affine=False),
    "cumulative": lambda: nn.BatchNorm2d(5, momentum=None),
    "with activation": lambda: BatchNormAct2d(5),
}
SHAPES = {"1d": (12, 5), "3d": (12, 5, 2, 3, 2)}


def shard(_: int = 0) -> dict[str, dict[str, Tensor]]:
    """Output, input gradient, parameter gradients and statistics of this process's rows, for every layer."""
    found = {}
    for name, make in LAYERS.items():
        torch.manual_seed(0)
        rows = torch.randn(SHAPES.get(name, (12, 5, 3, 2)), dtype=torch.float64) * 3 + 100
        weights = torch.randn(rows.shape, dtype=torch.float64)
        layer = make().double()
        if layer.affine:
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
        layer = over_processes(layer)
        mine, asked = rows.chunk(world_size())[rank()].requires_grad_(), weights.chunk(world_size())[rank()]
        for _ in range(2):  # twice, for the running statistics
            output = layer(mine)
        (output * asked).sum().backward()
        found[name] = {"output": output.detach(), "input": mine.grad}
        found[name] |= {n: p.grad for n, p in layer.named_parameters()}
        found[name] |= {n: b.clone() for n, b in layer.named_buffers()}
        layer.eval()
        found[name]["inference"] = layer(mine).detach()
    return found


@pytest.fixture(scope="module")
def shards() -> Any:
    return run_in_processes(shard, 2)


@pytest.mark.parametrize("name", LAYERS)
def test_two_processes_equal_torch_on_the_whole_batch(name: str, shards: Any) -> None:
    whole = shard()[name]
    first, second = (each[name] for each in shards)
    assert first.keys() == whole.keys()
    for key in whole:
        if key in ("output", "input", "inference"):
            found = torch.cat([first[key], second[key]])
        elif key in ("weight", "bias"):
            found = first[key] + second[key]
        else:
            found = first[key]
            assert torch.equal(first[key], second[key])
        torch.testing.assert_close(found, whole[key], rtol=1e-9, atol=1e-9, msg=lambda m, k=key: f"{k}: {m}")


def test_one_process_keeps_torchs_layer() -> None:
    layer = nn.Sequential(nn.BatchNorm2d(3))
    assert over_processes(layer)[0] is layer[0] and type(layer[0]) is nn.BatchNorm2d


def test_state_has_the_names_of_torchs_layer() -> None:
    layer = nn.BatchNorm2d(3)
    ours = BatchNorm(layer)
    assert ours.state_dict().keys() == layer.state_dict().keys()
    assert ours.weight is layer.weight
