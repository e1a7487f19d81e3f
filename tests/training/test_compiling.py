"""`--compile` changes results by rounding alone, and nothing of what is saved."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from battery.methods import same_state
from battery.small import session
from unlabeled.methods.simclr import SimCLR
from unlabeled.training.compiling import compile_in_place

ARGUMENTS = {"optimizer": "sgd", "learning_rate": 0.1, "warmup": 0.0}


@pytest.mark.slow
def test_values_gradients_and_chance_are_those_without() -> None:
    """Dropout too: the compiled network draws what the other draws."""
    made = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 4))
    names = list(made.state_dict())
    rows = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    found = []
    for compiled in (False, True):
        if compiled:
            compile_in_place(made)
        torch.manual_seed(1)
        made.zero_grad()
        out = made(rows)
        out.square().sum().backward()
        found.append([out.detach(), *(p.grad.clone() for p in made.parameters())])
    for eager, other in zip(*found, strict=True):
        torch.testing.assert_close(other, eager, rtol=1e-4, atol=1e-5)
    assert list(made.state_dict()) == names
    assert made._compiled_call_impl is not None, "nothing was compiled"


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "largest"), [("32-true", 1e-4), ("64-true", 1e-12)])
def test_a_step_has_the_gradients_of_one_that_is_not_compiled(precision: str, largest: float, tmp_path: Path) -> None:
    """Each parameter's gradient, by the length of the difference; the wider the numbers, the less is left of it."""
    found = []
    for compiled in (False, True):
        one = session(SimCLR, tmp_path / str(compiled), steps=1, compile=compiled, precision=precision, **ARGUMENTS)
        one.train()
        found.append((one.loop.watch.last_loss, [p.grad for p in one.loop.module.parameters()]))
    assert found[1][0] == pytest.approx(found[0][0], rel=largest)
    for eager, other in zip(found[0][1], found[1][1], strict=True):
        assert (other - eager).norm() <= largest * eager.norm() > 0


@pytest.mark.slow
def test_a_compiled_run_equals_one_that_is_not_and_resumes(tmp_path: Path) -> None:
    """In float64, because training lets every rounding grow."""
    flags: dict[str, Any] = {"steps": 4, "precision": "64-true", **ARGUMENTS}
    eager, compiled = (session(SimCLR, tmp_path / str(number), compile=number > 0, **flags) for number in (0, 1))
    for one in (eager, compiled):
        one.train()
    expected, found = eager.run.weights(), compiled.run.weights()
    assert expected.keys() == found.keys() and not any("_orig_mod" in name for name in found)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-8, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")
    session(SimCLR, tmp_path / "again", compile=True, max_time=0.0, **flags).train()
    resumed = session(SimCLR, tmp_path / "again", compile=True, resume=True, **flags)
    assert resumed.loop.done == 1
    resumed.train()
    same_state(compiled.loop.checkpoint("").method, resumed.loop.checkpoint("").method)
    assert session(SimCLR, tmp_path / "again", resume=True, **flags).loop.done == 4, "it goes on without a compiler"


def test_no_compiler_is_one_sentence(tmp_path: Path) -> None:
    words = ["pretrain", "simclr", "--compile", "--out", str(tmp_path / "run"), "--batch-size", "16"]
    environment = {**os.environ, "CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    shown = subprocess.run(
        [sys.executable, "-m", "unlabeled", *words, "--max-steps", "1", "--workers", "0"],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert shown.returncode == 2, shown.stderr
    assert "install a C++ compiler" in shown.stderr.splitlines()[-1] and "Traceback" not in shown.stderr
