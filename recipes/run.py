"""Run a recipe: train, evaluate, and keep the figures as one small file in results/.

    python recipes/run.py recipes/simclr-cifar10.yaml --seed 0

A recipe is a YAML file with the flags of `unlabeled pretrain` under `pretrain` and the evaluations under
`evaluate`, each the arguments of a protocol. `${UNLABELED_DATA}` stands for the folder of data sets that
the environment variable of that name gives; a recipe whose data is absent says so and exits with 2. A
finished run is one row: results/RECIPE-seedN.json. A row that is there is not made again.
"""

import argparse
import json
import os
import sys
import tarfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

import unlabeled
from unlabeled.run import environment
from unlabeled.training.checkpoints import write_atomically

ROOT = Path(__file__).parent.parent


def filled(value: Any, data: str) -> Any:
    """`value` with `${UNLABELED_DATA}` replaced, all the way down."""
    if isinstance(value, dict):
        return {key: filled(item, data) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, data) for item in value]
    return value.replace("${UNLABELED_DATA}", data) if isinstance(value, str) else value


def unpacked(archive: Path, scratch: Path) -> None:
    """The members of an archive below `scratch`, once; members that point outside are refused by tarfile's filter."""
    done = scratch / ".unpacked"
    if not done.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        print(f"unpacking {archive.name} to {scratch}", file=sys.stderr)
        with tarfile.open(archive) as file:
            file.extractall(scratch, filter="data")
        done.touch()


def main() -> None:
    """Run one recipe at one seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where the run folders go")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where the row goes")
    asked = parser.parse_args()
    name = f"{asked.recipe.stem}-seed{asked.seed}"
    row = asked.results / f"{name}.json"
    if row.exists():
        print(f"{row} is there already; delete it to run the recipe again.", file=sys.stderr)
        return
    recipe = yaml.safe_load(asked.recipe.read_text(encoding="utf-8"))
    data = os.environ.get("UNLABELED_DATA", "")
    if "${UNLABELED_DATA}" in json.dumps(recipe) and not Path(data or "nowhere").is_dir():
        sys.exit("this recipe needs the data sets: set UNLABELED_DATA to their folder.")
    if "unpack" in recipe:
        archive = Path(filled(recipe["unpack"], data))
        scratch = asked.runs / "data" / archive.name.partition(".")[0]
        unpacked(archive, scratch)
        recipe = json.loads(json.dumps(recipe).replace("${UNPACKED}", str(scratch)))
    recipe = filled(recipe, data)
    made = train(recipe["pretrain"], asked.runs / name, asked.seed)
    figures = {"recipe": asked.recipe.stem, "seed": asked.seed, "pretrain": asdict(made), "evaluate": {}}
    for protocol, options in recipe["evaluate"].items():
        began = time.monotonic()
        result = asdict(unlabeled.evaluate(protocol, made, **(options or {})))
        figures["evaluate"][protocol] = {**result, "seconds": round(time.monotonic() - began, 1)}
    write_row(row, figures)


def train(flags: dict[str, Any], out: Path, seed: int) -> Any:
    """Train, going on where an earlier call was stopped."""
    resume = (out / "config.yaml").exists()
    return unlabeled.pretrain(**flags, out=out, seed=seed, resume=resume)


def write_row(row: Path, figures: dict[str, Any]) -> None:
    """Keep the figures without anything that tells of this machine's folders."""
    figures["environment"] = environment() | {"threads": torch.get_num_threads()}
    figures["pretrain"].pop("run")
    for result in figures["evaluate"].values():
        result.pop("run")
    text = json.dumps(figures, indent=1, default=float) + "\n"
    row.parent.mkdir(exist_ok=True)
    write_atomically(row, lambda beside: beside.write_text(text, encoding="utf-8") and None)
    print(text)


if __name__ == "__main__":
    main()
