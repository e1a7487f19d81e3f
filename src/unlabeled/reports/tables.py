"""Results as tables that a person reads, on standard error."""

import sys
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.table import Table

from unlabeled.reports.cluster_tables import labels_tables

MOST = 20
"""Records of a list that are shown."""
FIGURES = {
    "per_class": "mean per class",
    "top5": "top 5",
    "mean_average_precision": "mAP",
    "mean_reciprocal_rank": "MRR",
    "median_rank": "median rank",
}
"""Figures of protocols that have a column of their own beside the value, and their headings."""


def show(result: Any) -> None:
    """Print a verb's result: one row a field, lists of records as tables of their own.

    Args:
        result: a dataclass.
    """
    console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 110)
    if hasattr(result, "baseline_details"):
        console.print(heading(result), style="italic")
        console.print(evaluation_table(result))
        console.print(settings(result), style="italic")
        for line in sanity_lines(result):
            console.print(line, style="italic")
        for table in detail_tables(result):
            console.print(table)
        return
    for mark, tables in BY_FIELD.items():
        if hasattr(result, mark):
            console.print(*tables(result), sep="\n")
            return
    if hasattr(result, "warnings"):
        at = f", layer {result.layer} of the projector" if result.layer else ""
        console.print(f"health of {result.n:,} samples, no labels{at}", style="italic")
        console.print(health_table(result))
        for line in (text(result.details), *sanity_lines(result), *result.warnings):
            console.print(line)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    lists: list[tuple[str, list[Any]]] = []
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, list) and value and not isinstance(value[0], str):
            lists.append((field.name, value))
        elif value not in (None, {}, []):
            table.add_row(field.name.replace("_", " "), text(value))
    console.print(table)
    for name, records in lists:
        rest = f" (the first {MOST} of {len(records)})" if len(records) > MOST else ""
        console.print(f"\n{name}{rest}")
        console.print(records_table(records))


def heading(result: Any) -> str:
    """What was learnt from and tested on, in a line.

    Args:
        result: an `Evaluated`.
    """
    at = f", layer {result.layer} of the projector" if result.layer else ""
    return f"{result.protocol} on {result.n_test:,} test samples ({result.split}), learnt from {result.n_train:,}{at}"


def evaluation_table(result: Any) -> Table:
    """The encoder and its baselines, a row each, with 95 % intervals.

    Args:
        result: an `Evaluated`.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    figures = [name for name in FIGURES if name in result.details]
    for column in ("", _words(result.metric), "95 % interval", *(FIGURES[name] for name in figures)):
        table.add_column(column)
    for name, row in _rows(result).items():
        low, high = row["interval"]
        cells = (f"{row['value']:.4f}", f"{low:.4f} to {high:.4f}", *(text(row[figure]) for figure in figures))
        table.add_row(_words(name), *cells)
    if "majority" in result.details:
        table.add_row("largest class", text(result.details["majority"]))
    return table


def settings(result: Any) -> str:
    """What the figures depend on, on one line.

    Args:
        result: an `Evaluated`.
    """
    given = {name: value for name, value in result.details.items() if isinstance(value, str | int | float)}
    shown = [name for name in given if name not in FIGURES and name != "majority"]
    return ", ".join(f"{_words(name)} {given[name]}" for name in shown)


def sanity_lines(result: Any) -> list[str]:
    """The embeddings at a glance, a line for each set of them that the result tells of.

    Args:
        result: an `Evaluated` or a `Healthy`.
    """
    sets = {"data": result.sanity, "test samples": getattr(result, "test_sanity", None)}
    lines = []
    for name, sane in sets.items():
        if sane is None:
            continue
        said = [f"{name}: {sane.n:,} x {sane.width:,}", f"{sane.nonfinite:.2%} not finite"]
        if sane.mean_norm is not None:
            least, _, median, _, largest = sane.deviation_quantiles
            said += [f"norm {sane.mean_norm:.3g} ± {sane.norm_deviation:.2g}"]
            said += [f"deviations {least:.2g} to {largest:.2g}, median {median:.2g}"]
        said += [] if sane.mean_cosine is None else [f"mean cosine {sane.mean_cosine:.3f}"]
        said += [f"{sane.duplicates:,} duplicates"]
        said += [] if sane.majority_share is None else [f"largest class {sane.majority_share:.1%}"]
        lines.append(", ".join(said))
    return lines


def detail_tables(result: Any) -> list[Table]:
    """A table for each list of records in the details: one row for each record of each encoder.

    Args:
        result: an `Evaluated`.
    """
    tables = []
    for name in [name for name, value in result.details.items() if _records(value)]:
        if name in OWN_FORM:
            tables.append(OWN_FORM[name](result))
            continue
        table = Table(title=f"\n{_words(name)}", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for column in ("", *result.details[name][0]):
            table.add_column(_words(column))
        for which, row in _rows(result).items():
            for number, record in enumerate(row[name]):
                table.add_row("" if number else _words(which), *(_cell(*entry) for entry in record.items()))
        tables.append(table)
    return tables


def source_table(result: Any) -> Table:
    """The encoder on each source, a row each: both accuracies, and beside every other encoder's what the test says.

    Args:
        result: an `Evaluated` of `transfer`.
    """
    others = result.baseline_details
    title = "\nsources: ours is better, worse, or a tie (p)"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "train", "test", "accuracy", "mean per class", *map(_words, others)):
        table.add_column(column)
    for number, ours in enumerate(result.details["sources"]):
        cells = [ours["source"], text(ours["n_train"]), text(ours["n_test"])]
        cells += [text(ours["accuracy"]), text(ours["per_class"])]
        for beside in (each["sources"][number] for each in others.values()):
            told = beside["against"]
            cells.append(f"{beside['value']:.4f} {told['verdict']} ({told['p_value']:.2g})")
        table.add_row(*cells)
    return table


def share_table(result: Any) -> Table:
    """What each share of the labels gives, a row each: mean accuracy and deviation over draws, of every start.

    Args:
        result: an `Evaluated` of `finetune`.
    """
    rows = _rows(result)
    table = Table(title="\nshares of the labels", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "samples", "draws", *map(_words, rows)):
        table.add_column(column)
    for number, ours in enumerate(result.details["shares"]):
        cells = (_cell("accuracy", row["shares"][number]["accuracy"]) for row in rows.values())
        table.add_row(f"{100 * ours['share']:g} %", text(ours["samples"]), text(ours["draws"]), *cells)
    return table


OWN_FORM = {"sources": source_table, "shares": share_table}
"""A list of records that has a table of its own -> that table."""


def _rows(result: Any) -> dict[str, dict[str, Any]]:
    """The encoder's figures by the run's name, and those of its baselines."""
    ours = {**result.details, "value": result.value, "interval": result.interval}
    return {str(result.run): ours, **result.baseline_details}


def _records(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _words(name: str) -> str:
    return name if "/" in name else name.replace("_", " ")


def _cell(name: str, value: Any) -> str:
    """A record's value: a mean with its deviation, an interval, or any other as `text` has it."""
    if isinstance(value, dict) and set(value) == {"mean", "deviation"}:
        return f"{value['mean']:.3f} ± {value['deviation']:.3f}"
    if name.endswith("interval") and value is not None:
        return f"{value[0]:.4f} to {value[1]:.4f}"
    return text(value)


def health_table(result: Any) -> Table:
    """Label-free figures, a row each, of the encoder and of the random one.

    Args:
        result: a `Healthy`.
    """
    table = Table(box=None)
    for column in ("", str(result.run), *(name.replace("_", " ") for name in result.baselines)):
        table.add_column(column)
    for name, value in result.figures.items():
        others = (text(figures.get(name)) for figures in result.baselines.values())
        table.add_row(name.replace("_", " "), text(value), *others)
    return table


def records_table(records: list[Any]) -> Table:
    """The first `MOST` of a list of dicts or dataclasses, one row each."""
    rows = [record if isinstance(record, dict) else vars(record) for record in records[:MOST]]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(text(value) for value in row.values()))
    return table


def text(value: Any) -> str:
    """Numbers with four digits after the point, very small and large ones with a power; dicts and tuples in a line."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"
    if isinstance(value, dict):
        return "  ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def search_tables(result: Any) -> list[Any]:
    """The neighbours, a row each: all of one query, the first three of each of several.

    Args:
        result: a `Searched`.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    several, seen, shown = result.queries > 1, "", 0
    for column in ("query", "similarity", "path") if several else ("similarity", "path"):
        table.add_column(column)
    for each in result.results:
        shown = shown + 1 if each.query == seen else 1
        if shown <= (3 if several else MOST) and table.row_count < 3 * MOST:
            name = [each.query if each.query != seen else ""] if several else []
            table.add_row(*name, f"{each.similarity:.4f}", each.path)
        seen = each.query
    rest = len(result.results) - table.row_count
    said = [f"and {rest:,} more: --json has all"] if rest else []
    said += [f"contact sheet: {result.sheet}"] if result.sheet else []
    said += [f"{each['path']} cannot be read: {each['reason']}" for each in result.skipped[:MOST]]
    return [f"nearest of {result.samples:,} samples of {result.data}", table, *said]


def comparison_tables(result: Any) -> list[Any]:
    """The runs, a row each, value and place of the main figures; how these agree with the labels; what to bear in mind.

    Args:
        result: a `Comparison`.
    """
    names = [each for each in ("knn", "rankme", "alpha", "alignment", "uniformity", "spread") if each in result.better]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", *names):
        table.add_column(column if not column else f"{column}\n{result.better[column]}")
    for run in sorted(result.runs, key=lambda each: each.rank.get(names[0], len(result.runs))):
        values = run.health | ({} if run.labelled is None else {run.labelled["protocol"]: run.labelled["value"]})
        cells = (f"{text(values.get(name))}" + (f" ({run.rank[name]})" if name in run.rank else "") for name in names)
        table.add_row(run.run, *cells)
    shown: list[Any] = [f"{len(result.runs)} runs on {result.data}: value (place)", table]
    if result.correlation is not None:
        agreement = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("", "Kendall's tau-b", "p", "Spearman's rho", "p", "runs"):
            agreement.add_column(column)
        for name, found in result.correlation.items():
            agreement.add_row(name.replace("_", " "), *(text(value) for value in found.values()))
        shown += ["\nagreement with the labels over these runs: 1 the same order, -1 the reverse", agreement]
    return [*shown, *result.notes]


def export_tables(result: Any) -> list[Any]:
    """What was written, how closely it was seen to agree, and the line that loads it.

    Args:
        result: an `Exported`.
    """
    return [
        f"{result.file} ({result.format}), {result.megabytes:.1f} MB",
        f"largest difference from the run's encoder on {result.samples} pictures: {result.largest_difference:.1e} "
        f"(refused above {result.tolerance:.1e})",
        f"load it with: {result.usage}",
    ]


BY_FIELD = {
    "queries": search_tables,
    "correlation": comparison_tables,
    "largest_difference": export_tables,
    "clusters": labels_tables,
}
"""A field that only one verb's result has -> what is printed of that result."""
