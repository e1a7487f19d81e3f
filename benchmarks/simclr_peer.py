"""Our SimCLR against lightly's: one network from the same weights, the same files, batch, optimiser and schedule.

    python benchmarks/simclr_peer.py recipes/simclr-cifar10.yaml --train DIR --test DIR --seed 0
    python benchmarks/simclr_peer.py --page        # writes the rows to their section of docs/performance.md

Three contenders a seed: ours and lightly's (its own views, head, loss and loop) for the recipe's steps, and ours for as
many steps as fit into lightly's time, by rates measured in turn beforehand. Both are judged by our evaluation on the
test pictures, and by NT-Xent on one set of views of test pictures that neither was trained on, half of them drawn by
our operations and half by lightly's. Each call goes on for `--minutes` from where the last one stopped and says what is
left (exit code 3); a finished contender is one row, results/peers/RECIPE-CONTENDER-seedN.json. Needs lightly.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from contenders import Files, Lightly, Ours, Task, transform
from peer_page import CONTENDERS, write_page
from safetensors.torch import load_file
from torch import Tensor

from timing import steady
from unlabeled import chance
from unlabeled.data.images import open_images
from unlabeled.evaluation.extraction import encode_with, extract
from unlabeled.evaluation.knn import knn
from unlabeled.evaluation.linear import linear
from unlabeled.evaluation.split import matched
from unlabeled.modalities import image_size
from unlabeled.objectives import nt_xent
from unlabeled.run import environment
from unlabeled.training.checkpoints import Checkpoint, load, save, write_atomically
from unlabeled.views import images

ROOT = Path(__file__).parent.parent
HELD_OUT, GROUP = 2048, 256  # pictures of the loss on held-out views, and how many are each other's negatives
OPTIONS = ("temperature", "optimizer", "learning_rate", "weight_decay")


@torch.inference_mode()
def held_out(task: Task) -> list[tuple[Tensor, Tensor]]:
    """Pairs of views in [0, 1] of groups of test pictures, by our operations and by lightly's in turn."""
    places = np.linspace(0, len(task.test) - 1, min(HELD_OUT, len(task.test))).astype(np.int64)
    ours, theirs = images.simclr(task.size), Files(task.test, transform(task.size, normalize=None))
    chance.seed_torch(0, chance.VIEWS)
    groups = []
    for number, start in enumerate(range(0, len(places), GROUP)):
        group = places[start : start + GROUP].tolist()
        if number % 2:
            first, second = (torch.stack(views) for views in zip(*(theirs[place] for place in group), strict=True))
        else:
            read = [ours.read(task.test, place) for place in group]
            drawn = [
                [
                    ours.view(each, chance.generator(0, chance.VIEWS, 0, place, view))
                    for each, place in zip(read, group, strict=True)
                ]
                for view in range(2)
            ]
            first, second = ours.join(drawn).chunk(2)
        groups.append((first, second))
    return groups


@torch.inference_mode()
def curve(contender: Ours | Lightly, task: Task) -> list[tuple[int, float, float]]:
    """Step, seconds and loss on the held-out views of every snapshot; batch norm by the group, as in training."""
    groups, points = held_out(task), []
    contender.module.train()
    for path in sorted(contender.folder.glob("*.safetensors")):
        step, seconds = path.stem.split("-")
        contender.module.load_state_dict(load_file(path))
        losses = [
            nt_xent(*contender.project(torch.cat(pair)).chunk(2), task.options["temperature"]).item() for pair in groups
        ]
        points.append((int(step), float(seconds), statistics.mean(losses)))
    return points


def evaluated(contender: Ours | Lightly, task: Task) -> dict[str, Any]:
    """k-NN and linear probe on the test pictures, by our protocols, in the plain view."""
    encode = encode_with(contender.module, contender.represent)
    plain, test = images.plain(task.size), matched(task.train, task.test)
    pair = [extract(encode, each, plain).features().of(each) for each in (task.train, test)]
    return {"knn": asdict(knn(*pair)), "linear": asdict(linear(*pair, seed=task.seed))}


def rates(task: Task, folder: Path) -> dict[str, float]:
    """Steps a second of both loops, in turn, in their steady state; measured once a seed."""
    kept = folder / "rates.json"
    if not kept.exists():
        loops = {"ours": lambda: Ours(task, folder).stepping(), "lightly": lambda: Lightly(task, folder).stepping()}
        seconds = steady(loops, rounds=3, warmup=5, steps=8)
        found = {name: 1 / statistics.median(times) for name, times in seconds.items()}
        write_atomically(kept, lambda beside: beside.write_text(json.dumps(found)) and None)
    return json.loads(kept.read_text(encoding="utf-8"))


def trained(contender: Ours | Lightly, task: Task, until: float) -> Checkpoint:
    """Train from where it stopped, at most until a time, and keep where it stands."""
    kept = contender.folder / "last.pt"
    checkpoint = load(kept)
    if checkpoint is None or checkpoint.step < task.steps:
        checkpoint = contender.train(checkpoint, until - time.monotonic())
        save(kept, checkpoint)
    contender.module.load_state_dict(checkpoint.method)
    return checkpoint


def compete(name: str, task: Task, recipe: str, work: Path, row: Path, until: float) -> str | None:
    """One contender's row, or what is left of it when the time is up."""
    if time.monotonic() >= until:
        return f"{name}: not begun"
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    found = rates(task, work)
    if name == "ours-equal-seconds":
        task = replace(task, steps=round(task.steps * found["ours"] / found["lightly"]))
    contender = (Lightly if name == "lightly" else Ours)(task, folder)
    checkpoint = trained(contender, task, until)
    if checkpoint.step < task.steps:
        return f"{name}: {checkpoint.step} of {task.steps} steps are done"
    if time.monotonic() >= until:
        return f"{name}: trained, not evaluated"
    figures = {
        "recipe": recipe,
        "contender": name,
        "seed": task.seed,
        "steps": task.steps,
        "batch_size": task.batch,
        "seconds": checkpoint.seconds,
        "steps_per_second": found,
        "evaluate": evaluated(contender, task),
        "held_out_loss": curve(contender, task),
        "environment": environment() | {"lightly": version("lightly")},
    }
    row.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=1, default=float) + "\n"
    write_atomically(row, lambda beside: beside.write_text(text, encoding="utf-8") and None)
    shutil.rmtree(folder)
    print(f"{row} is written", file=sys.stderr)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, nargs="?")
    parser.add_argument("--train", type=Path, help="a folder of picture files, one sub-folder a class")
    parser.add_argument("--test", type=Path, help="the same, for testing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--minutes", type=float, default=5, help="of training in this call; evaluation is on top")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "peers", help="where unfinished work is kept")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "peers")
    parser.add_argument("--page", action="store_true", help="write the rows to docs/performance.md, and no more")
    asked = parser.parse_args()
    until = time.monotonic() + 60 * asked.minutes
    if asked.page:
        write_page(asked.results)
        return
    if not (asked.recipe and asked.train and asked.test):
        parser.error("give a recipe, --train and --test, or --page")
    flags, name = yaml.safe_load(asked.recipe.read_text(encoding="utf-8"))["pretrain"], asked.recipe.stem
    rows = {each: asked.results / f"{name}-{each}-seed{asked.seed}.json" for each in CONTENDERS}
    missing = {each: row for each, row in rows.items() if not row.exists()}
    if not missing:
        return
    train, test = open_images(asked.train), open_images(asked.test)
    batch = flags["batch_size"]
    steps = asked.steps or flags.get("max_steps") or flags["epochs"] * (len(train) // batch)
    options = {option: flags[option] for option in OPTIONS}
    task = Task(train, test, flags.get("image_size") or image_size(train), steps, batch, asked.seed, options)
    work = asked.work / f"{name}-seed{asked.seed}"
    left = [compete(each, task, name, work, row, until) for each, row in missing.items()]
    if any(left):
        print("left: " + "; ".join(filter(None, left)), file=sys.stderr)
        sys.exit(3)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
