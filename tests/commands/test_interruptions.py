"""Kills, signals and several processes: the run ends with the bits it would have had."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from unlabeled.training.claim import Claim

STEPS = 40
FLAGS = ["--max-steps", STEPS, "--batch-size", 64, "--optimizer", "adamw", "--checkpoint-seconds", 0.3, "--json"]


def words(out: Path, *more: object) -> list[str]:
    return [sys.executable, "-m", "unlabeled", "pretrain", "simclr", "--out", str(out), *map(str, [*FLAGS, *more])]


def start(out: Path, *more: object) -> subprocess.Popen[str]:
    """A run on the built-in sample, on one thread, so that others may run beside it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words(out, *more), stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    )


def finish(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out)


def weights(out: Path) -> bytes:
    return (out / "encoder.safetensors").read_bytes()


def wait_for_step(out: Path, step: int) -> None:
    """Until metrics.jsonl has that step."""
    for _ in range(1200):
        path = out / "metrics.jsonl"
        if path.exists() and len(path.read_text().splitlines()) >= step:
            return
        time.sleep(0.05)
    pytest.fail(f"no step {step} within a minute")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert finish(start(out))["finished"]
    return out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_leaves_a_usable_run_that_resumes_to_the_same_bits(
    number: signal.Signals, whole: Path, tmp_path: Path
) -> None:
    """Sent to the whole process group, workers included, as a terminal's Ctrl-C and SLURM do."""
    out = tmp_path / "run"
    process = start(out, "--workers", 2)
    wait_for_step(out, 5)
    os.killpg(process.pid, number)
    said = finish(process)
    assert not said["finished"] and 5 <= said["steps"] < STEPS
    assert weights(out) != weights(whole)
    assert finish(start(out, "--resume"))["steps"] == STEPS
    assert weights(out) == weights(whole)
    assert steps(out) == steps(whole)


def test_one_process_trains_in_a_folder_and_a_killed_one_leaves_it_free(tmp_path: Path) -> None:
    """Free at once: the workers of the killed one, which notice only after seconds, do not hold it."""
    out = tmp_path / "run"
    process = start(out, "--workers", 2)
    wait_for_step(out, 1)
    os.kill(process.pid, signal.SIGSTOP)
    other = start(out, "--resume")
    assert other.communicate(timeout=300)[1] == (
        f"unlabeled: another process trains in {out}; wait for its end, or give another --out.\n"
    )
    assert other.returncode == 2
    process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    process.stderr.close()  # type: ignore[union-attr]
    Claim(out).release()


def steps(out: Path) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["learning_rate"]) for line in lines]


def test_max_time_stops_early_and_workers_change_nothing(whole: Path, tmp_path: Path) -> None:
    said = finish(start(tmp_path / "run", "--max-time", 1.0, "--workers", 0))
    assert not said["finished"] and 1 <= said["steps"] < STEPS
    assert finish(start(tmp_path / "run", "--resume", "--workers", 1))["finished"]
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.slow
def test_five_kills_at_random_moments(whole: Path, tmp_path: Path) -> None:
    """`kill -9`, whatever the run is doing: importing, training, or writing."""
    seed = random.randrange(10**6)
    print(f"seed of the moments: {seed}")
    chance, out, killed = random.Random(seed), tmp_path / "run", 0
    while killed < 5:
        process = start(out, *(["--resume"] if (out / "config.yaml").exists() else []))
        time.sleep(chance.uniform(2.0, 9.0))
        if process.poll() is None:
            process.kill()
            killed += 1
        elif process.returncode == 0:
            break  # it finished before all kills came: the last resume finds nothing left to do
        process.communicate()
    assert finish(start(out, "--resume"))["finished"]
    assert weights(out) == weights(whole)
    assert steps(out) == steps(whole)


@pytest.mark.slow
def test_two_devices_train_as_one(tmp_path: Path) -> None:
    """`--devices 2` in float64: the weights after ten steps are those of one process."""
    for devices in (1, 2):
        more = ("--devices", devices, "--precision", "64-true", "--max-steps", 10)
        said = finish(start(tmp_path / str(devices), *more))
        assert said["finished"] and said["samples"] == 3000
    one, two = (load_file(tmp_path / str(devices) / "encoder.safetensors") for devices in (1, 2))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


def test_a_kill_before_the_run_was_made_does_not_block_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".config.yaml.123.part").write_text("half")
    said = finish(start(out, "--max-steps", 1))
    assert said["steps"] == 1 and yaml.safe_load((out / "config.yaml").read_text())["max_steps"] == 1
