"""What a recipe with a grid found, as text: a matrix of two axes as the paper prints its own, else a row a cell."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from grid import cells

from unlabeled.reports.heat_map import heat_map

Row = dict[str, Any]


def rows_of(stem: str, recipe: dict[str, Any], results: Path) -> dict[tuple[str, ...], list[Row]]:
    """The rows of every cell of the grid, seeds in order; a cell that has none yet has an empty list."""
    found: dict[tuple[str, ...], list[Row]] = {tuple(cell.values.values()): [] for cell in cells(recipe)}
    for path in sorted((results / stem).glob("*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(tuple(row["cell"].values()), []).append(row)
    return {cell: sorted(rows, key=lambda row: row["seed"]) for cell, rows in found.items()}


def study(stem: str, recipe: dict[str, Any], results: Path) -> str:
    """Markdown: what was run, the baselines, a table of every protocol with a value; empty where nothing is done."""
    grid, rows = recipe["grid"], rows_of(stem, recipe, results)
    done = [row for cell in rows.values() for row in cell]
    if not done:
        return ""
    seeds = sorted({row["seed"] for row in done})
    minutes = sum(row["pretrain"]["seconds"] for row in done) / 60
    finished = sum(bool(cell) for cell in rows.values())
    threads = done[0]["environment"]["threads"]
    parts = [
        f"## {recipe['about']}",
        f"    python recipes/run.py recipes/{stem}.yaml --seed N      # N = {', '.join(map(str, seeds))}",
        f"{finished} of {len(rows)} cells, {done[0]['pretrain']['steps']:,} steps each on "
        f"{done[0]['pretrain']['samples']:,} samples, {minutes:.0f} minutes of training in all on "
        f"{threads} {'thread' if threads == 1 else 'threads'} of {' and '.join(done[0]['environment']['devices'])}. "
        f"Figures in percent{', mean and deviation over seeds' if len(seeds) > 1 else ''}.",
    ]
    protocols = list(dict.fromkeys(name for row in done for name, found in row["evaluate"].items() if "value" in found))
    if len(grid) == 2:
        parts += [part for protocol in protocols for part in (_said(protocol, done), _matrix(grid, rows, protocol))]
    else:
        parts += [_said(protocols[0], done) if len(protocols) == 1 else _tested(protocols, done)]
        parts += [_list(grid, rows, protocols)]
    return "\n\n".join(parts) + "\n"


def heat_map_of(stem: str, recipe: dict[str, Any], results: Path, protocol: str) -> str:
    """The matrix of a study of two axes as an SVG picture."""
    rows, columns, values = _values(recipe["grid"], rows_of(stem, recipe, results), protocol)
    about = f"{recipe['about']}: accuracy of {protocol} in percent"
    return heat_map(about, rows, columns, values, list(recipe["grid"]))


def _values(
    grid: dict[str, Any], rows: dict[tuple[str, ...], list[Row]], protocol: str
) -> tuple[list[str], list[str], list[list[float | None]]]:
    """First axis, second axis, and the mean over seeds of every cell in percent, None where there is none."""
    down, across = (list(dict.fromkeys(cell[axis] for cell in rows)) for axis in (0, 1))
    values = [[_mean(rows.get((one, other), []), protocol) for other in across] for one in down]
    return down, across, values


def _mean(rows: list[Row], protocol: str) -> float | None:
    values = [row["evaluate"][protocol]["value"] for row in rows if protocol in row["evaluate"]]
    return 100 * statistics.mean(values) if values else None


def _matrix(grid: dict[str, Any], rows: dict[tuple[str, ...], list[Row]], protocol: str) -> str:
    """Rows the first axis, columns the second, and the mean of each row's cells."""
    down, across, values = _values(grid, rows, protocol)
    first, second = grid
    lines = [f"| {first} \\ {second} | {' | '.join(across)} | mean |", "| --- " * (len(across) + 2) + "|"]
    for name, row in zip(down, values, strict=True):
        there = [value for value in row if value is not None]
        cells = [_shown(rows.get((name, other), []), protocol) for other in across]
        lines.append(f"| {name} | {' | '.join(cells)} | {f'{statistics.mean(there):.1f}' if there else '–'} |")
    return "\n".join(lines)


FIGURES = {
    "contrastive_accuracy": ("contrastive accuracy", 100),
    "contrastive_entropy": ("entropy", 1),
    "clusters_used": ("clusters used", 1),
    "size_entropy": ("evenness", 100),
}
"""Figures of the last step that a table shows where there are any (SimCLR's Table 5; SeLa): headings and scales."""


STREAM: dict[str, tuple[float, Callable[[Row], float]]] = {
    "components": (1, lambda found: found["components"]),
    "Hungarian": (100, lambda found: found["hungarian_accuracy"]),
    "10-NN error": (100, lambda found: found["knn_error"]["10"]),
    "first class": (100, lambda found: first_class(found)[0]),
    "its precision": (100, lambda found: first_class(found)[1]),
    "class-incremental": (100, lambda found: found["class_incremental"]),
    "task-incremental": (100, lambda found: found["task_incremental"]),
}
"""What the stream protocol says beside its value, with what it is multiplied by: columns where there are any."""


def first_class(found: Row) -> tuple[float, float]:
    """Of the class that the stream showed first the share that is recognised, and the share of it in what is named so.

    Where two components are left, one of them is named after the largest of the many classes it holds, be it the first:
    all of the class is then recognised, and next to nothing of what is named after it is of it.
    """
    number = found["classes"].index(found["order"][0][0]) if found.get("order") else 0
    table = np.array(found["confusion"])  # (C, K)
    named = table[:, table.argmax(0) == number]
    return found["per_class"][number], float(named[number].sum() / max(1, named.sum()))


def _stream(rows: dict[tuple[str, ...], list[Row]]) -> dict[str, list[str]]:
    """The columns of `STREAM`, a cell a row of the table."""
    columns = {}
    for name, (scale, of) in STREAM.items():
        found = [
            [of(row["evaluate"]["stream"]) for row in some if "stream" in row["evaluate"]] for some in rows.values()
        ]
        values = [[scale * each for each in some if each is not None] for some in found]
        if any(values):
            columns[name] = [_spread(some) for some in values]
    return columns


def _list(grid: dict[str, Any], rows: dict[tuple[str, ...], list[Row]], protocols: list[str]) -> str:
    """A row a cell: its values, every protocol, and the last step's figures; of several protocols the baselines too."""
    logged = [name for name in FIGURES if any(name in row["last_step"] for found in rows.values() for row in found)]
    stream = _stream(rows)
    names = [*grid, *protocols, *stream, *(FIGURES[name][0] for name in logged)]
    lines = [f"| {' | '.join(names)} |", "| --- " * len(names) + "|"]
    for number, (cell, found) in enumerate(rows.items()):
        shown = [_shown(found, protocol) for protocol in protocols] + [column[number] for column in stream.values()]
        for name in logged:
            values = [FIGURES[name][1] * row["last_step"][name] for row in found if name in row["last_step"]]
            shown.append(f"{statistics.mean(values):.1f}" if values else "–")
        lines.append(f"| {' | '.join([*cell, *shown])} |")
    if len(protocols) > 1:
        levels = [_levels(protocol, [row for found in rows.values() for row in found]) for protocol in protocols]
        for name in dict.fromkeys(name for each in levels for name in each):
            shown = ["–"] * (len(grid) - 1) + [each.get(name, "–") for each in levels]
            shown += ["–"] * (len(names) - len(grid) - len(protocols))
            lines.append(f"| {' | '.join([f'*{name}*', *shown])} |")
    return "\n".join(lines)


def _shown(rows: list[Row], protocol: str) -> str:
    return _spread([100 * row["evaluate"][protocol]["value"] for row in rows if protocol in row["evaluate"]])


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def _levels(protocol: str, done: list[Row]) -> dict[str, str]:
    """What a protocol gives the baselines, by name: from the least to the most over the cells where they differ."""
    found = [row["evaluate"][protocol] for row in done if protocol in row["evaluate"]]
    levels = {}
    for name in found[0]["baselines"]:
        values = sorted(f"{100 * each['baselines'][name]:4.1f}" for each in found)
        levels[name.replace("_", " ")] = " to ".join(dict.fromkeys((values[0].strip(), values[-1].strip())))
    return levels


def _size(protocol: str, done: list[Row]) -> str:
    """How many samples a protocol tests on."""
    return f"{next(row['evaluate'][protocol]['n_test'] for row in done if protocol in row['evaluate']):,}"


def _said(protocol: str, done: list[Row]) -> str:
    """The protocol, and its baselines."""
    levels = ", ".join(f"{name} {level}" for name, level in _levels(protocol, done).items())
    return f"**{protocol}** on {_size(protocol, done)} test samples; {levels}:"


def _tested(protocols: list[str], done: list[Row]) -> str:
    """How many test samples each of several protocols has, in a sentence."""
    sizes = [f"**{protocol}** {_size(protocol, done)}" for protocol in protocols]
    return f"Test samples: {', '.join(sizes)}. Below the cells are the baselines of each."
