"""A stream's figures as tables on a terminal."""

from typing import Any

from rich.table import Table

LAST = 12
"""Times that are shown."""


def stream_tables(result: Any) -> list[Any]:
    """The value beside its baselines, and accuracy per class over time."""
    table = Table(box=None, padding=(0, 2, 0, 0), title=f"stream of {result.n_test:,} test samples ({result.split})")
    for name in ("", "cluster accuracy", *(f"{k}-NN error" for k in result.knn_error)):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row("this run", f"{result.value:.3f}", *(f"{each:.3f}" for each in result.knn_error.values()))
    for name, value in result.baselines.items():
        errors = result.baseline_knn_error.get(name, {})
        table.add_row(f"{name.replace('_', ' ')}, k-means", f"{value:.3f}", *(f"{e:.3f}" for e in errors.values()))
    told = (
        f"{result.components} components, {result.components_used} used; Hungarian accuracy "
        f"{result.hungarian_accuracy:.3f}; bound {result.bound['bound']:.2f} nats"
    )
    if result.class_incremental is not None:
        told += f"; class-incremental {result.class_incremental:.3f}, task-incremental {result.task_incremental:.3f}"
    over = Table(box=None, padding=(0, 2, 0, 0), title="accuracy per class over time")
    for name in ("step", "K", "all", *result.classes[:LAST]):
        over.add_column(name, justify="right")
    rows = zip(result.steps, result.components_over_time, result.accuracy_over_time, result.per_class_over_time)  # noqa: B905
    for step, components, whole, each in list(rows)[-LAST:]:
        over.add_row(f"{step:,}", str(components), f"{whole:.2f}", *(f"{value:.2f}" for value in each[:LAST]))
    return [table, told, *([over] if result.steps else [])]
