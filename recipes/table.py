"""docs/results.md from the rows in results/: mean and deviation over seeds, and the command behind each table."""

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from studies import heat_map_of, rows_of, study

ROOT = Path(__file__).parent.parent
HEAD = """# Results

Every row is a file in `results/`, made by the command above its table (`make tables` rewrites this page from them).
Figures are means over seeds, with the standard deviation where there are several. The random encoder is the same
network before training, the raw input the pictures at 16 x 16; both are classified by the same protocol on the same
split. Test labels are used once, for the figure; the linear probe's penalty is chosen on a tenth of the training
samples. Minutes are those of training; the shortest is that of a machine with nothing else to do, the longest of
one that shared its cores with other work.
"""


def rows() -> dict[str, list[dict[str, Any]]]:
    """Results by recipe, seeds in order."""
    found = defaultdict(list)
    for path in sorted((ROOT / "results").glob("*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        found[row["recipe"]].append(row)
    return {recipe: sorted(found[recipe], key=lambda row: row["seed"]) for recipe in sorted(found)}


def spread(values: list[float]) -> str:
    """Mean, and deviation over seeds."""
    mean = statistics.mean(values)
    return f"{mean:.3f} ± {statistics.stdev(values):.3f}" if len(values) > 1 else f"{mean:.3f}"


def table(recipe: str, seeds: list[dict[str, Any]]) -> str:
    """One recipe: a row a protocol."""
    about = yaml.safe_load((ROOT / "recipes" / f"{recipe}.yaml").read_text(encoding="utf-8"))["about"]
    first = seeds[0]
    trained = [row["pretrain"]["seconds"] / 60 for row in seeds]
    minutes = " to ".join(dict.fromkeys(f"{each:.1f}" for each in (min(trained), max(trained))))
    threads = first["environment"]["threads"]
    numbers = [str(row["seed"]) for row in seeds]
    lines = [
        f"## {about}",
        "",
        f"    python recipes/run.py recipes/{recipe}.yaml --seed N      # N = {', '.join(numbers)}",
        "",
        f"{first['pretrain']['steps']:,} steps on {first['pretrain']['samples']:,} samples, {minutes} minutes on "
        f"{threads} {'thread' if threads == 1 else 'threads'} of "
        f"{' and '.join(first['environment']['devices'])}; torch {first['environment']['packages']['torch']}.",
        "",
    ]
    judged = value_table(seeds)
    lines += judged
    health = [row["evaluate"]["health"]["figures"] for row in seeds if "health" in row["evaluate"]]
    if health:
        of_encoder = [figures | {"rankme": figures.get("rankme_encoder", figures["rankme"])} for figures in health]
        names = ("rankme", "alpha", "alignment", "uniformity", "mean_cosine")
        said = (f"{n.replace('_', ' ')} {spread([h[n] for h in of_encoder])}" for n in names if n in health[0])
        lines += ["", f"Without labels, of the encoder's output: {', '.join(said)}."]
    if "finetune" in first["evaluate"]:
        lines += [*([""] if judged else []), *share_table([row["evaluate"]["finetune"] for row in seeds])]
    return "\n".join(lines) + "\n"


def value_table(seeds: list[dict[str, Any]]) -> list[str]:
    """A row a protocol that has one value: the run, every baseline that any of them has, and the gain over random."""
    found = {
        name: [row["evaluate"][name] for row in seeds]
        for name, result in seeds[0]["evaluate"].items()
        if "value" in result and name not in ("health", "finetune")
    }
    if not found:
        return []
    columns = list(dict.fromkeys(name for results in found.values() for name in results[0]["baselines"]))
    lines = [
        f"| protocol | {seeds[0]['pretrain']['method']} | {' | '.join(columns)} | above random | test samples |",
        "| --- | --- | --- | --- |" + " --- |" * len(columns),
    ]
    lines[0] = lines[0].replace("_", " ")
    for protocol, results in found.items():
        ours = [result["value"] for result in results]
        others = {name: [result["baselines"].get(name) for result in results] for name in columns}
        gain = [100 * (one - other) for one, other in zip(ours, others["random_encoder"], strict=True)]
        points = f"{statistics.mean(gain):+.1f} points" + (f" ± {statistics.stdev(gain):.1f}" if len(gain) > 1 else "")
        beside = ["–" if None in values else spread(values) for values in others.values()]
        metric = results[0]["metric"].replace("_", " ")
        named = protocol if metric == "accuracy" else f"{protocol} ({metric})"
        lines.append("| " + " | ".join([named, spread(ours), *beside, points, f"{results[0]['n_test']:,}"]) + " |")
    return lines


def share_table(results: list[dict[str, Any]]) -> list[str]:
    """Label efficiency, a row a share: means over seeds of the means over draws."""
    ways = {"fine-tuned": "trained", "from scratch": "from_scratch", "frozen": "frozen"}
    ways |= {"random encoder, frozen": "random_encoder", "raw input": "raw_input"}
    lines = [
        f"| labels | samples | {' | '.join(ways)} | above from scratch |",
        f"| --- | --- | {'--- | ' * len(ways)}--- |",
    ]
    for number, share in enumerate(results[0]["details"]["shares"]):
        found = {
            name: [
                (result["details"] if way == "trained" else result["baseline_details"][way])["shares"][number]
                for result in results
            ]
            for name, way in ways.items()
        }
        values = {name: [each["accuracy"]["mean"] for each in records] for name, records in found.items()}
        gain = [100 * (a - b) for a, b in zip(values["fine-tuned"], values["from scratch"], strict=True)]
        points = f"{statistics.mean(gain):+.1f} points" + (f" ± {statistics.stdev(gain):.1f}" if len(gain) > 1 else "")
        cells = [f"{100 * share['share']:g} %", f"{share['samples']:,}", *map(spread, values.values()), points]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def studies() -> list[str]:
    """Every study of which a cell is done, its first protocol drawn where it has two axes."""
    sections = []
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        recipe, stem, results = yaml.safe_load(path.read_text(encoding="utf-8")), path.stem, ROOT / "results"
        done = [row for cell in rows_of(stem, recipe, results).values() for row in cell] if "grid" in recipe else []
        if not done:
            continue
        text = study(stem, recipe, results)
        if len(recipe["grid"]) == 2:
            protocol = next(name for name, found in done[0]["evaluate"].items() if "value" in found)
            figure = ROOT / "docs" / "figures" / f"{stem}.svg"
            figure.parent.mkdir(exist_ok=True)
            figure.write_text(heat_map_of(stem, recipe, results, protocol), encoding="utf-8")
            text += f"\n![{recipe['about']}: {protocol}](figures/{stem}.svg)\n"
        sections.append(text)
    return sections


def not_run() -> list[str]:
    """The recipes without a row, with their commands: what is still to be measured."""
    waiting = []
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        results = ROOT / "results"
        if not [*results.glob(f"{path.stem}-seed*.json"), *(results / path.stem).glob("*.json")]:
            about = yaml.safe_load(path.read_text(encoding="utf-8"))["about"]
            waiting.append(f"- {about}: `python recipes/run.py recipes/{path.name} --seed 0`")
    return ["## Not run yet\n", *waiting, ""] if waiting else []


def main() -> None:
    """Rewrite docs/results.md and the figures of its studies."""
    page = "\n".join([HEAD, *(table(recipe, seeds) for recipe, seeds in rows().items()), *studies(), *not_run()])
    (ROOT / "docs" / "results.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
