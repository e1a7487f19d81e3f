"""Supervised CURL against Avalanche's generative replay: the same split digits, steps and batch, class-incremental.

    python benchmarks/replay_peer.py --seed 0     # one row a contender: results/peers/split-digits-CONTENDER-seedN.json
    python benchmarks/replay_peer.py --page       # writes the rows to their section of docs/performance.md

Five tasks of two digits, one after the other; at the end all test digits are classified among ten. Ours is the cell
`split` of recipes/curl-mnist10k-supervised.yaml. Avalanche's is its GenerativeReplay, a classifier of our encoder's
widths beside its VAE: as it comes (2 latents, rate 0.01), and with as many latents as ours and our rate. Needs
avalanche-lib, and UNLABELED_DATA.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from run import keep
from torch import nn
from torch.utils.data import TensorDataset

import unlabeled
from unlabeled.data.images import open_images
from unlabeled.run import environment

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "curl-mnist10k-supervised.yaml"
CONTENDERS = {
    "ours": "CURL, supervised",
    "avalanche": "Avalanche's GenerativeReplay, as it comes",
    "avalanche-tuned": "the same, latents and rate as ours",
}
TITLE = "Split digits, beside Avalanche's generative replay"


def ours(flags: dict[str, Any], test: str, seed: int) -> tuple[float, float]:
    """Class-incremental accuracy, and the seconds of training."""
    with tempfile.TemporaryDirectory() as out:
        trained = unlabeled.pretrain(**flags, out=Path(out) / "run", seed=seed)
        found: Any = unlabeled.evaluate("stream", Path(out) / "run", test=test)
        return found.class_incremental, trained.seconds


def tensors(place: str) -> TensorDataset:
    """Bits, as ours sees them, normalised as Avalanche's generator gives them."""
    samples = open_images(place)
    pixels = np.stack([samples.read(number)[..., 0] for number in range(len(samples))])
    bits = (torch.from_numpy(pixels)[:, None] > 127).float()
    data = TensorDataset((bits - 0.1307) / 0.3081, torch.as_tensor(samples.labels))
    data.targets = data.tensors[1].tolist()  # type: ignore[attr-defined]
    return data


def avalanche(flags: dict[str, Any], test: str, seed: int, tuned: bool) -> tuple[float, float]:
    """The same of Avalanche's strategy: as many updates a task, its replay as large as the batch."""
    from avalanche.benchmarks import nc_benchmark
    from avalanche.models.generator import MlpVAE, VAE_loss
    from avalanche.training.plugins import GenerativeReplayPlugin
    from avalanche.training.supervised import GenerativeReplay, VAETraining

    torch.manual_seed(seed)
    tasks = nc_benchmark(
        tensors(flags["data"]), tensors(test), 5, task_labels=False, fixed_class_order=list(range(10)), seed=seed
    )
    wide = flags["network"]["widths"]
    solver = nn.Sequential(
        nn.Flatten(), nn.Linear(784, wide[0]), nn.ReLU(), nn.Linear(wide[0], wide[1]), nn.ReLU(), nn.Linear(wide[1], 10)
    )
    batch, steps = flags["batch_size"], flags["max_steps"] // 5
    epochs = round(steps / (len(tasks.train_stream[0].dataset) / batch))
    common = {"train_mb_size": batch, "train_epochs": epochs, "evaluator": None}
    generator = None
    if tuned:
        vae = MlpVAE((1, 28, 28), nhid=32)
        adam = torch.optim.Adam(vae.parameters(), 1e-3)
        plugins = [GenerativeReplayPlugin()]
        generator = VAETraining(model=vae, optimizer=adam, criterion=VAE_loss, plugins=plugins, **common)
    adam = torch.optim.Adam(solver.parameters(), 1e-3)
    strategy = GenerativeReplay(model=solver, optimizer=adam, generator_strategy=generator, **common)
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # a bar an epoch
        for task in tasks.train_stream:
            strategy.train(task)
    seconds = time.perf_counter() - began
    pixels, labels = tensors(test).tensors
    solver.eval()
    with torch.no_grad():
        right = (solver(pixels).argmax(1) == labels).float().mean()
    return float(right), seconds


def row(contender: str, seed: int) -> None:
    """Make a contender's row, where there is none."""
    path = ROOT / "results" / "peers" / f"split-digits-{contender}-seed{seed}.json"
    if path.exists():
        return
    text = os.path.expandvars(RECIPE.read_text(encoding="utf-8"))
    recipe = yaml.safe_load(text)
    flags, test = recipe["pretrain"], recipe["evaluate"]["stream"]["test"]
    if contender == "ours":
        accuracy, seconds = ours(flags, test, seed)
    else:
        flags["data"] = f"{flags['data']}/train-images-idx3-ubyte.gz"
        accuracy, seconds = avalanche(flags, test, seed, contender == "avalanche-tuned")
    about = environment() | {"threads": torch.get_num_threads(), "avalanche": version("avalanche-lib")}
    found = {
        "contender": contender, "seed": seed, "class_incremental": accuracy, "seconds": round(seconds, 1),
        "steps": flags["max_steps"], "environment": about,
    }  # fmt: skip
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{CONTENDERS[contender]}, seed {seed}: {accuracy:.3f} after {seconds:.0f} s")


def page() -> None:
    """The rows as a section of docs/performance.md."""
    lines = ["| | class-incremental | seconds of training | seeds |", "| --- | --- | --- | --- |"]
    about: dict[str, Any] = {}
    for contender, name in CONTENDERS.items():
        paths = sorted((ROOT / "results" / "peers").glob(f"split-digits-{contender}-seed[0-9].json"))
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        if not rows:
            continue
        about = rows[0]
        accuracy = [each["class_incremental"] for each in rows]
        spread = f" ± {statistics.stdev(accuracy):.3f}" if len(rows) > 1 else ""
        seconds = statistics.mean(each["seconds"] for each in rows)
        seeds = ", ".join(str(each["seed"]) for each in rows)
        lines.append(f"| {name} | {statistics.mean(accuracy):.3f}{spread} | {seconds:,.0f} | {seeds} |")
    head = (
        f"`python benchmarks/replay_peer.py --seed N`: five tasks of two digits, {about['steps'] // 5:,} steps of one "
        f"batch each, 2,000 test digits among ten classes; avalanche-lib {about['environment']['avalanche']}, torch "
        f"{about['environment']['packages']['torch']}. Half of our steps rehearse; each of Avalanche's takes a "
        "batch of new digits and one of replayed ones."
    )
    keep(TITLE, "\n".join([head, "", *lines]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="write the rows to docs/performance.md")
    asked = parser.parse_args()
    if asked.page:
        return page()
    warnings.filterwarnings("ignore")
    for contender in CONTENDERS:
        row(contender, asked.seed)
    return None


if __name__ == "__main__":
    main()
