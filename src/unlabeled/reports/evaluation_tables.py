"""What an evaluation found: the encoder and its baselines, row beside row."""

from typing import Any

from rich.table import Table

from unlabeled.reports.cells import text
from unlabeled.reports.words import shown_figures

FIGURES = {
    "per_class": "mean per class",
    "top5": "top 5",
    "mean_average_precision": "mAP",
    "mean_reciprocal_rank": "MRR",
    "median_rank": "median rank",
    "micro_auc": "pooled",
    "average_precision": "average precision",
}
"""Figures of protocols that have a column of their own beside the value, and their headings."""


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
    """A table of all means with deviations, and one for each list of records: one row for each record of each encoder.

    Args:
        result: an `Evaluated`.
    """
    tables = [_means_table(result)] if any(_is_mean(value) for value in result.details.values()) else []
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


def _means_table(result: Any) -> Table:
    """Every mean with its deviation that the protocol says beside the value, a column each."""
    table = Table(title="\nfigures", title_justify="left", box=None, padding=(0, 2, 0, 0))
    names = [name for name, value in result.details.items() if _is_mean(value)]
    for column in ("", *names):
        table.add_column(_words(column))
    for which, row in _rows(result).items():
        table.add_row(_words(which), *(_cell(name, row[name]) for name in names))
    return table


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


def _is_mean(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"mean", "deviation"}


def _words(name: str) -> str:
    return name if "/" in name else name.replace("_", " ")


def _cell(name: str, value: Any) -> str:
    """A record's value: a mean with its deviation, an interval, or any other as `text` has it."""
    if _is_mean(value):
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
    for name, value in shown_figures(result.figures).items():
        others = (text(figures.get(name)) for figures in result.baselines.values())
        table.add_row(name.replace("_", " "), text(value), *others)
    return table
