"""What the verbs that use a run found: search, compare and export."""

from typing import Any

from rich.table import Table

from unlabeled.reports.cells import text

MOST = 20
"""Neighbours of one query, and samples that cannot be read, that are shown."""


def search_tables(result: Any) -> list[Any]:
    """The neighbours, a row each: all of one query, the first three of each of several.

    Args:
        result: a `Searched`.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    several, seen, shown = result.queries > 1, "", 0
    for column in (*(("query",) if several else ()), "similarity", "path" if result.kind == "sample" else result.kind):
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
    return [f"nearest of {result.samples:,} {result.kind}s of {result.data}", table, *said]


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
        f"largest difference from the run's encoder on {result.samples} samples: {result.largest_difference:.1e} "
        f"(refused above {result.tolerance:.1e})",
        f"load it with: {result.usage}",
    ]
