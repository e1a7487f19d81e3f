"""Verbs by several processes, started by the command itself or by torchrun: one result, printed once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from unlabeled import cli
from unlabeled.errors import UserError
from unlabeled.training.launching import join, processes

TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node"]
FLAGS = ["--batch-size", 64, "--optimizer", "adamw", "--precision", "64-true"]


def said(*words: object, torchrun: int = 0) -> tuple[int, Any, str]:
    """Exit code, the one JSON object of all processes together, and what went to standard error."""
    front = [*TORCHRUN, torchrun] if torchrun else []
    line = [sys.executable, *front, "-m", "unlabeled", *words, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    shown = subprocess.run(list(map(str, line)), capture_output=True, text=True, env=environment)
    assert shown.stdout.count("\n") == 1, f"not one line: {shown.stdout!r}, {shown.stderr}"
    return shown.returncode, json.loads(shown.stdout), shown.stderr


def agree(one: Path, other: Path) -> None:
    expected, found = (load_file(path / "encoder.safetensors") for path in (one, other))
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By one process, each step in two parts."""
    out = tmp_path_factory.mktemp("one") / "run"
    assert said("pretrain", "simclr", "--out", out, "--max-steps", 6, "--accumulate", 2, *FLAGS)[0] == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize("way", ["--devices 2", "torchrun"])
def test_two_processes_train_in_parts_as_one(way: str, run: Path, tmp_path: Path) -> None:
    """Both ways, `--devices` being left out under torchrun, and a resume in the middle by one process."""
    words = ["pretrain", "simclr", "--out", tmp_path / "run", "--max-steps", 6, "--accumulate", 2, *FLAGS]
    more = {"torchrun": 2} if way == "torchrun" else {}
    code, found, errors = said(*words, *([] if more else ["--devices", 2]), **more)
    assert code == 0 and found["finished"] and found["steps"] == 6, errors
    assert "in 2 parts by 2 processes" in errors and "Warning" not in errors
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["accumulate"] == 2
    agree(run, tmp_path / "run")


@pytest.mark.slow
def test_embed_writes_the_same_file_whoever_started_it(run: Path, tmp_path: Path) -> None:
    files = []
    for name, words, torchrun in (("one", [], 0), ("devices", ["--devices", 2], 0), ("torchrun", [], 3)):
        for kept in run.glob("features/*"):
            kept.unlink()
        files.append(tmp_path / f"{name}.parquet")
        code, found, errors = said("embed", run, "--out", files[-1], *words, torchrun=torchrun)
        assert (code, found["samples"], found["file"]) == (0, 3000, str(files[-1])), errors
    assert len({file.read_bytes() for file in files}) == 1
    code, found, errors = said("embed", run, "--out", files[0], torchrun=2)
    assert code != 0 and "is there already" in found["error"]


def near(value: Any, relative: float) -> Any:
    """What equals a figure up to rounding, None itself."""
    return None if value is None else pytest.approx(value, rel=relative)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "words", "torchrun"), [("knn", [], 2), ("health", [], 2), ("knn", ["--layer", 1], 0)]
)
def test_evaluate_by_two_processes_says_what_one_process_says(
    protocol: str, words: list[object], torchrun: int, run: Path
) -> None:
    alone = said("evaluate", protocol, run, *words)
    for kept in run.glob("features/*"):
        kept.unlink()
    found = [alone, said("evaluate", protocol, run, *words, *([] if torchrun else ["--devices", 2]), torchrun=torchrun)]
    assert [code for code, _, _ in found] == [0, 0]
    for which in ("sanity", "test_sanity"):
        glances = [each.pop(which, None) or {} for _, each, _ in found]
        for name, value in glances[0].items():  # sums of floats come in another order
            assert glances[1][name] == near(value, 1e-9), name
    if protocol == "knn":
        assert found[0][1] == found[1][1]
    else:
        one, two = (each["figures"] for _, each, _ in found)
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert two[name] == near(value, 1e-5), name


@pytest.mark.slow
def test_a_failure_of_one_process_is_no_traceback_of_the_others(tmp_path: Path) -> None:
    words = ["pretrain", "simclr", "--out", tmp_path / "run", "--max-steps", 400, "--batch-size", 16, "--devices", 2]
    code, found, errors = said(*words, "--optimizer", "sgd", "--learning-rate", 1e30, "--warmup", 0)
    assert code == 2 and "not a finite number" in found["error"]
    assert "Traceback" not in errors, errors


# --- in this process --------------------------------------------------------------------------------------------------


def torchrun(monkeypatch: pytest.MonkeyPatch, here: int, machines: int) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    monkeypatch.setenv("WORLD_SIZE", str(here * machines))


def test_torchrun_decides_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes(3, 2) == (3, 2)
    torchrun(monkeypatch, 4, 2)
    assert processes(1, 1) == processes(4, 1) == processes(4, 2) == (4, 2)
    for devices, machines in ((2, 1), (8, 1), (1, 3)):
        with pytest.raises(UserError, match="leave both out"):
            processes(devices, machines)


def test_a_batch_is_shared_by_the_processes_that_torchrun_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Any
) -> None:
    torchrun(monkeypatch, 3, 1)
    with pytest.raises(SystemExit):
        cli.main(["pretrain", "simclr", "--batch-size", "64", "--out", str(tmp_path / "run")])
    assert "shared equally by 3 processes" in capfd.readouterr().err


def test_join_of_one_process_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlabeled.training.launching.launch", lambda *rest: pytest.fail("started"))
    join(1)
    with pytest.raises(UserError, match="at least 1, got 0"):
        join(0)


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"])
def test_only_the_first_process_speaks(name: str, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("unlabeled.cli.time.sleep", lambda seconds: None)
    for number, lines in (("0", 1), ("1", 0)):
        monkeypatch.setenv(name, number)
        with pytest.raises(SystemExit):
            cli.main(["nothing", "--json"])
        assert capfd.readouterr().out.count("\n") == lines
        cli.main(["methods", "--json"])
        assert capfd.readouterr().out.count("\n") == lines
