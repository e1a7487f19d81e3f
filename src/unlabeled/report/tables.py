"""Results as tables that a person reads, on standard error."""

import sys
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.table import Table

MOST = 20
"""Records of a list that are shown."""


def show(result: Any) -> None:
    """Print a verb's result: one row a field, lists of records as tables of their own.

    Args:
        result: a dataclass.
    """
    console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 110)
    if hasattr(result, "baseline_details"):
        console.print(evaluation_table(result))
        return
    if hasattr(result, "warnings"):
        console.print(health_table(result))
        console.print("\n".join(result.warnings), end="\n" if result.warnings else "")
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


def evaluation_table(result: Any) -> Table:
    """The encoder and its baselines, a row each, with 95 % intervals.

    Args:
        result: an `Evaluated`.
    """
    title = f"{result.protocol} on {result.n_test:,} test samples ({result.split}), learnt from {result.n_train:,}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", result.metric, "95 % interval", "mean per class", "top 5"):
        table.add_column(column)
    ours = {**result.details, "value": result.value, "interval": result.interval}
    for name, row in {str(result.run): ours, **result.baseline_details}.items():
        low, high = row["interval"]
        cells = (f"{row['value']:.4f}", f"{low:.4f} to {high:.4f}", f"{row['per_class']:.4f}", f"{row['top5']:.4f}")
        table.add_row(name.replace("_", " "), *cells)
    table.add_row("largest class", f"{result.details['majority']:.4f}", "", "", "")
    shown = ("k", "temperature", "cost", "selected_on", "converged", "seed")
    table.caption = ", ".join(
        f"{name.replace('_', ' ')} {result.details[name]}" for name in shown if name in result.details
    )
    table.caption_justify = "left"
    return table


def health_table(result: Any) -> Table:
    """Label-free figures, a row each, of the encoder and of the random one.

    Args:
        result: a `Healthy`.
    """
    table = Table(title=f"health of {result.n:,} samples, no labels", title_justify="left", box=None)
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
    """Numbers with four digits after the point, dicts and tuples on one line."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dict):
        return "  ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
