"""What `unlabeled labels` found, for people: the clusters' sizes as a histogram."""

from typing import Any

from rich.table import Table

LISTED, RANGES, BAR = 20, 10, 30
"""Samples without a label that are named, ranges of the histogram, and letters of its longest bar."""


def labels_tables(result: Any) -> list[Any]:
    """What was written, and a histogram of the clusters' sizes.

    Args:
        result: a `Labelled` of `unlabeled labels`.
    """
    said = [
        f"{result.file}: {result.samples:,} samples of {result.data}, head {result.head} of {result.heads}",
        f"{result.used:,} of {result.clusters:,} clusters used; mean confidence {result.confidence:.3f}",
    ]
    if result.sheets:
        rest = f", the largest of {result.used:,}" if result.shown < result.used else ""
        said.append(f"contact sheets of {result.shown:,} clusters{rest}: {result.sheets}")
    said += [f"{each['path']} cannot be read: {each['reason']}" for each in result.skipped[:LISTED]]
    return [*said, histogram(result.sizes)]


def histogram(sizes: list[int]) -> Table:
    """How many clusters there are of which size, in at most `RANGES` ranges of equal width."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("samples", "clusters", ""):
        table.add_column(column)
    least, span = min(sizes), max(sizes) - min(sizes) + 1
    width = -(-span // RANGES)
    counts = [0] * -(-span // width)
    for size in sizes:
        counts[(size - least) // width] += 1
    for number, count in enumerate(counts):
        low, high = least + number * width, min(least + (number + 1) * width - 1, max(sizes))
        bar = "█" * -(-BAR * count // max(counts))
        table.add_row(f"{low:,}" if low == high else f"{low:,} to {high:,}", f"{count:,}", bar)
    return table
