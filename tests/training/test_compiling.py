"""`--compile` changes results by rounding alone, and nothing of what is saved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from battery.methods import same_state
from battery.small import session
from unlabeled.methods.simclr import SimCLR
from unlabeled.run import Run
from unlabeled.training.compiling import compile_in_place

ARGUMENTS = {"optimizer": "sgd", "learning_rate": 0.1}


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
def test_a_compiled_run_equals_one_that_is_not_and_resumes(tmp_path: Path) -> None:
    runs = {}
    for name, compiled in (("eager", False), ("compiled", True)):
        runs[name] = session(SimCLR, tmp_path / name, steps=4, compile=compiled, **ARGUMENTS)
        runs[name].train()
    eager, compiled = (Run.open(tmp_path / name).weights() for name in runs)
    assert eager.keys() == compiled.keys() and not any("_orig_mod" in name for name in compiled)
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    again = session(SimCLR, tmp_path / "again", steps=4, compile=True, max_time=0.0, **ARGUMENTS)
    again.train()
    assert again.loop.done == 1
    resumed = session(SimCLR, tmp_path / "again", steps=4, compile=True, resume=True, **ARGUMENTS)
    resumed.train()
    same_state(runs["compiled"].loop.checkpoint("").method, resumed.loop.checkpoint("").method)
    plain = session(SimCLR, tmp_path / "again", steps=4, resume=True, **ARGUMENTS)
    assert plain.loop.done == 4, "a compiled run goes on without a compiler"


def test_no_compiler_is_one_sentence(tmp_path: Path) -> None:
    words = ["pretrain", "simclr", "--compile", "--out", str(tmp_path / "run"), "--batch-size", "16"]
    environment = {**os.environ, "CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    shown = subprocess.run(
        [sys.executable, "-m", "unlabeled", *words, "--max-steps", "1", "--workers", "0"],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert shown.returncode == 2, shown.stderr
    assert "install a C++ compiler" in shown.stderr.splitlines()[-1] and "Traceback" not in shown.stderr
