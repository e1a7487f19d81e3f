"""Run a recipe: train, evaluate, and keep the figures as one small file in results/.

    python recipes/run.py recipes/simclr-cifar10.yaml --seed 0
    python recipes/run.py recipes/compositions.yaml --seed 0 --share 0 2     # every second cell of its grid

A recipe is a YAML file with the flags of `unlabeled pretrain` under `pretrain` and the evaluations under
`evaluate`, each the arguments of an evaluation, which is the key's unless `evaluation` says another.
`${UNLABELED_DATA}` stands for the folder of data sets that the environment variable of that name gives; a
recipe whose data is absent says so and exits with 2. `${SEED}` is the seed, for evaluations that train from scratch;
what the others evaluate was trained by it. A finished run is one row: results/RECIPE-seedN.json. A row that is there
is not made again.

A recipe with a `make` has the script of that name beside it make its data: `make(data, scratch)`.

A recipe with a `run` evaluates the run of another recipe, which is trained first where it is not there yet.

A recipe with a `grid` (see recipes/grid.py) is a study of many runs, each a row of its own:
results/RECIPE/CELL-seedN.json. So it can be stopped and gone on with, and shared out: two calls with
`--share 0 2` and `--share 1 2` do half of it each. Its runs share their cached features, and each is
deleted once its row is written, unless `--keep`.
"""

import argparse
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from grid import Cell, cells, filled
from studies import study

import unlabeled
from unlabeled.run import Run, environment
from unlabeled.training.checkpoints import write_atomically
from unlabeled.training.progress import duration

ROOT = Path(__file__).parent.parent


def unpacked(archive: Path, scratch: Path) -> None:
    """The members of an archive below `scratch`, once; members that point outside are refused by tarfile's filter."""
    done = scratch / ".unpacked"
    if not done.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        print(f"unpacking {archive.name} to {scratch}", file=sys.stderr)
        with tarfile.open(archive) as file:
            file.extractall(scratch, filter="data")
        done.touch()


def opened(asked: argparse.Namespace) -> dict[str, Any]:
    """The recipe with its data in place: the folder of data sets, an archive unpacked, or `--data` and `--test`."""
    recipe: dict[str, Any] = yaml.safe_load(asked.recipe.read_text(encoding="utf-8"))
    if "run" in recipe:  # its data and its flags are those of the recipe that trains it
        trained = asked.recipe.with_name(f"{recipe['run']}.yaml")
        recipe = yaml.safe_load(trained.read_text(encoding="utf-8")) | recipe
    if asked.data is not None:
        recipe.pop("unpack", None)
        recipe["pretrain"]["data"] = asked.data
        for protocol, options in recipe["evaluate"].items():
            kept = {name: value for name, value in (options or {}).items() if name != "test"}
            labelled = protocol != "health" and asked.test is not None
            recipe["evaluate"][protocol] = kept | ({"test": asked.test} if labelled else {})
    data = os.environ.get("UNLABELED_DATA", "")
    if "${UNLABELED_DATA}" in json.dumps(recipe) and not Path(data or "nowhere").is_dir():
        print("this recipe needs the data sets: set UNLABELED_DATA to their folder.", file=sys.stderr)
        sys.exit(2)
    recipe = filled(recipe, {"UNLABELED_DATA": data, "SEED": asked.seed})
    if "make" in recipe:
        scratch = asked.runs / "data" / recipe["make"]
        import_module(recipe["make"]).make(Path(data), scratch)
        recipe = filled(recipe, {"UNPACKED": str(scratch)})
    if "unpack" in recipe:
        archive = Path(recipe["unpack"])
        scratch = asked.runs / "data" / archive.name.partition(".")[0]
        unpacked(archive, scratch)
        recipe = filled(recipe, {"UNPACKED": str(scratch)})
    return recipe


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one recipe at one seed: all its cells that have no row yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where the run folders go")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where the rows go")
    parser.add_argument("--data", help="another image source to train on; give --results too")
    parser.add_argument("--test", help="its labelled test samples; else a fifth of the data")
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1), metavar=("K", "N"), help="cells K, K + N, ...")
    parser.add_argument("--keep", action="store_true", help="keep the run folders of a grid's cells")
    asked = parser.parse_args(arguments)
    if asked.data is not None and asked.results == ROOT / "results":
        parser.error("rows on --data are no rows of this recipe; say where they go with --results.")
    if not 0 <= asked.share[0] < asked.share[1]:
        parser.error(f"--share takes K of 0 to N - 1, got {asked.share[0]} of {asked.share[1]}.")
    recipe, stem = opened(asked), asked.recipe.stem
    mine = cells(recipe)[asked.share[0] :: asked.share[1]]
    waiting = [cell for cell in mine if not row_of(asked, stem, cell).exists()]
    if not waiting:
        there = row_of(asked, stem, mine[0])
        print(f"{there if len(mine) == 1 else there.parent} is there already; delete it to run again.", file=sys.stderr)
    began = time.monotonic()
    for number, cell in enumerate(waiting):
        run(asked, stem, cell)
        left = (time.monotonic() - began) / (number + 1) * (len(waiting) - number - 1)
        if "grid" in recipe:
            print(f"{cell.name}: {number + 1} of {len(waiting)}, {duration(left)} left", file=sys.stderr)
    if "grid" in recipe:
        print(study(stem, recipe, asked.results))


def row_of(asked: argparse.Namespace, stem: str, cell: Cell) -> Path:
    """Where the row of a cell is kept."""
    results: Path = asked.results
    name = f"{stem}/{cell.name}" if cell.values else stem
    return results / f"{name}-seed{asked.seed}.json"


def run(asked: argparse.Namespace, stem: str, cell: Cell) -> None:
    """Train and evaluate one cell and write its row."""
    row = row_of(asked, stem, cell)
    out = asked.runs / row.relative_to(asked.results).with_suffix("")
    known = None
    if "run" in cell.recipe:
        of = f"{cell.recipe['run']}-seed{asked.seed}"
        out, known = asked.runs / of, asked.results / f"{of}.json"
    if known and known.exists() and (out / "encoder.safetensors").exists():
        made = json.loads(known.read_text(encoding="utf-8"))["pretrain"]  # trained and measured before
    else:
        made = asdict(train(cell.recipe["pretrain"], out, asked.seed))
    if not made["finished"]:
        print(f"stopped at step {made['steps']} of {row.stem}; the same command goes on.", file=sys.stderr)
        sys.exit(130)
    if cell.values and not (out / "features").exists():
        shared = out.parent / "features"
        shared.mkdir(exist_ok=True)
        (out / "features").symlink_to(shared.absolute())
    figures: dict[str, Any] = {"recipe": stem, "seed": asked.seed, "pretrain": made, "evaluate": {}}
    if cell.values:
        figures |= {"cell": cell.values, "last_step": Run.open(out).metrics()[-1]}
    for name, options in cell.recipe["evaluate"].items():
        began = time.monotonic()
        arguments = dict(options or {})
        result = asdict(unlabeled.evaluate(arguments.pop("evaluation", name), out, **arguments))
        figures["evaluate"][name] = {**result, "seconds": round(time.monotonic() - began, 1)}
    write_row(row, figures)
    if cell.values and not asked.keep:
        shutil.rmtree(out)


def train(flags: dict[str, Any], out: Path, seed: int) -> Any:
    """Train, going on where an earlier call was stopped."""
    resume = (out / "config.yaml").exists()
    return unlabeled.pretrain(**flags, out=out, seed=seed, resume=resume)


STEP = ("time", "trained_on", "test_links", "auc", "deviation")
"""What a row keeps of each step of link prediction; its baselines' means are in the row already."""


def write_row(row: Path, figures: dict[str, Any]) -> None:
    """Keep the figures without anything that tells of this machine's folders."""
    figures["environment"] = environment() | {"threads": torch.get_num_threads()}
    figures["pretrain"].pop("run", None)
    for result in figures["evaluate"].values():
        result.pop("run")
        if result["protocol"] == "link-prediction":
            result["steps"] = [{name: step[name] for name in STEP if name in step} for step in result["steps"]]
    text = json.dumps(figures, indent=1, default=float) + "\n"
    row.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(row, lambda beside: beside.write_text(text, encoding="utf-8") and None)
    if "cell" not in figures:
        print(text)


if __name__ == "__main__":
    try:
        main()
    except unlabeled.UserError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
