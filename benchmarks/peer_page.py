"""The rows of `simclr_peer` as a section of docs/performance.md."""

import json
import statistics
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from run import keep

CONTENDERS = {"ours": "ours", "lightly": "lightly", "ours-equal-seconds": "ours, lightly's time"}
"""Their names in rows, and on the page."""


def steps_to(loss: float, points: list[list[float]]) -> float:
    """When a curve of (step, seconds, loss) first came down to a loss, in steps, between points by a straight line."""
    if points[0][2] <= loss:
        return points[0][0]
    for (before, _, above), (after, _, below) in pairwise(points):
        if below <= loss:
            return before + (after - before) * (above - loss) / (above - below)
    return points[-1][0]


def rate(row: dict[str, Any]) -> float:
    """Images a second of a row's contender, measured in turn with the other's before the training."""
    return row["steps_per_second"]["lightly" if row["contender"] == "lightly" else "ours"] * row["batch_size"]


def section(rows: list[dict[str, Any]]) -> list[str]:
    """The rows of one recipe as a table, and the time to an equal loss."""

    def spread(values: list[float], digits: int = 3) -> str:
        deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):,.{digits}f}{deviation}"

    by_name = {name: [row for row in rows if row["contender"] == name] for name in CONTENDERS}
    about = rows[0]
    lines = [
        f"### {about['recipe']}: batch {about['batch_size']}, seeds {sorted({row['seed'] for row in rows})}, lightly "
        f"{about['environment']['lightly']}, {about['environment']['threads']} threads, torch "
        f"{about['environment']['packages']['torch']}",
        "",
        "| | steps | images/s, in turn | k-NN | linear | loss on held-out views |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, several in ((name, several) for name, several in by_name.items() if several):
        cells = [
            CONTENDERS[name],
            spread([row["steps"] for row in several], 0),
            spread([rate(row) for row in several], 0),
            *(spread([row["evaluate"][one]["value"] for row in several]) for one in ("knn", "linear")),
            spread([row["held_out_loss"][-1][2] for row in several]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    both = {row["seed"]: row for row in by_name["ours"]}, {row["seed"]: row for row in by_name["lightly"]}
    seeds = sorted(both[0].keys() & both[1].keys())
    return [*lines, "", *(equal_loss(both[0][seed], both[1][seed]) for seed in seeds), ""]


def equal_loss(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Time to the loss that both reach at the rates measured in turn: training itself may have shared the machine."""
    loss = max(row["held_out_loss"][-1][2] for row in (ours, theirs))
    images = [steps_to(loss, row["held_out_loss"]) * row["batch_size"] for row in (ours, theirs)]
    times = [count / rate(row) for count, row in zip(images, (ours, theirs), strict=True)]
    return (
        f"- Seed {ours['seed']}, to an equal loss of {loss:.3f}: ours {images[0]:,.0f} images, lightly "
        f"{images[1]:,.0f}; at these rates {times[0]:.0f} s and {times[1]:.0f} s, "
        f"{times[1] / times[0]:.2f} times as long."
    )


def write_page(results: Path) -> None:
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    if not rows:
        sys.exit(f"there are no rows in {results}.")
    recipes = sorted({row["recipe"] for row in rows})
    lines = [line for recipe in recipes for line in section([row for row in rows if row["recipe"] == recipe])]
    above = "One network from the same weights, the same files, batch, optimiser and schedule; views, head, loss and "
    above += "loop are each one's own. Rows in `results/peers/`; `benchmarks/simclr_peer.py` says how they are made."
    keep("SimCLR beside lightly's", "\n".join([above, "", *lines]).strip("\n"))
