"""What a person waits for before anything happens: help, the first step, embedding a hundred pictures."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from unlabeled.cli import VERBS
from unlabeled.data.photographs import photographs

COMMAND = [sys.executable, "-m", "unlabeled"]


def seconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([*COMMAND, *words], capture_output=True, check=True)
    return time.perf_counter() - began


def first_step(folder: Path) -> float:
    """From the command to the first line of metrics.jsonl."""
    out = folder / "first"
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "pretrain", "simclr", "--out", str(out), "--max-steps", "200"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (out / "metrics.jsonl").exists():
            time.sleep(0.01)
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()


def run() -> list[str]:
    lines = ["## Start-up, seconds, median of five", "", "| | s | limit |", "| --- | --- | --- |"]
    verbs = [["--help"], *([verb, "--help"] for verb in VERBS)]
    for words in verbs:
        taken = statistics.median(seconds(*words) for _ in range(5))
        lines.append(f"| `unlabeled {' '.join(words)}` | {taken:.2f} | 0.5 |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines.append(f"| from `pretrain` to the first step | {first_step(folder):.1f} | 12 |")
        samples = photographs()[0]
        (folder / "hundred").mkdir()
        for place in range(100):
            Image.fromarray(samples.read(place)).resize((256, 256)).save(folder / "hundred" / f"{place}.jpg")
        seconds("pretrain", "simclr", "--out", str(folder / "run"), "--max-steps", "1")
        taken = seconds("embed", str(folder / "run"), "--data", str(folder / "hundred"), "--out", str(folder / "e.npy"))
        lines.append(f"| `embed` of 100 pictures of 256 pixels | {taken:.1f} | 8 |")
    return [*lines, ""]
