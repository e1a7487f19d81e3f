"""Results of `evaluate`, as it has kept them, to what a page shows."""

from typing import Any

from unlabeled.report.markup import counted
from unlabeled.report.material import Comparison, LabelFree, Row


def comparison(kept: dict[str, Any]) -> Comparison:
    """A labelled protocol's result: a row for the run, for each baseline, and for the largest class where it is told."""
    details, baselines = kept.get("details", {}), kept.get("baseline_details", {})
    rows = [Row("this run", kept["value"], _interval(kept))]
    for name, value in kept.get("baselines", {}).items():
        rows.append(Row(name, value, _interval(baselines.get(name, {}))))
    if "majority" in details:
        rows.append(Row("largest class", details["majority"], None))
    note = f"{counted(kept['n_test'], 'test sample', 'test samples')} ({kept['split']}), "
    note += f"learnt from {kept['n_train']:,}"
    chosen = [f"{name.replace('_', ' ')} {details[name]}" for name in ("k", "temperature", "cost") if name in details]
    return Comparison(kept["protocol"], kept["metric"], rows, ", ".join([note, *chosen]))


def label_free(kept: dict[str, Any]) -> LabelFree:
    """A label-free protocol's result."""
    return LabelFree(
        kept["protocol"], kept["n"], kept["figures"], kept.get("baselines", {}), list(kept.get("warnings", ()))
    )


def _interval(kept: dict[str, Any]) -> tuple[float, float] | None:
    found = kept.get("interval")
    return (float(found[0]), float(found[1])) if found else None
