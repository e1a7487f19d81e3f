"""Results as tables that a person reads, on standard error."""

import sys
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.table import Table

from unlabeled.reports.cells import text
from unlabeled.reports.cluster_tables import labels_tables
from unlabeled.reports.evaluation_tables import (
    detail_tables,
    evaluation_table,
    heading,
    health_table,
    sanity_lines,
    settings,
)
from unlabeled.reports.stream_tables import stream_tables
from unlabeled.reports.use_tables import comparison_tables, export_tables, search_tables

MOST = 20
"""Records of a list that are shown."""


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


def records_table(records: list[Any]) -> Table:
    """The first `MOST` of a list of dicts or dataclasses, one row each."""
    rows = [record if isinstance(record, dict) else vars(record) for record in records[:MOST]]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(text(value) for value in row.values()))
    return table


BY_FIELD = {
    "queries": search_tables,
    "correlation": comparison_tables,
    "largest_difference": export_tables,
    "clusters": labels_tables,
    "per_class_over_time": stream_tables,
}
"""A field that only one verb's result has -> what is printed of that result."""
