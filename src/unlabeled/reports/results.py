"""Results of `evaluate`, as it has kept them, to what a page shows."""

from typing import Any

from unlabeled.reports.markup import counted
from unlabeled.reports.material import Comparison, LabelFree, Row

SETTINGS = ("k", "temperature", "cost")
"""Details that are told beside the number of samples."""

USUAL = ("uniform", "product", "frozen", "fair")
"""What goes without saying in a name."""


def comparison(kept: dict[str, Any]) -> Comparison:
    """A labelled protocol's result: a row for the run, each baseline, and the largest class where that is told."""
    details, baselines = kept.get("details", {}), kept.get("baseline_details", {})
    rows = [Row("this run", kept["value"], _interval(kept))]
    for name, value in kept.get("baselines", {}).items():
        rows.append(Row(name, value, _interval(baselines.get(name, {}))))
    if "majority" in details:
        rows.append(Row("largest class", details["majority"], None))
    note = f"{counted(kept['n_test'], 'test sample', 'test samples')} ({kept['split']}), "
    note += f"learnt from {kept['n_train']:,}"
    chosen = [f"{name} {details[name]}" for name in SETTINGS if isinstance(details.get(name), int | float)]
    found = [leaves(details), *(leaves(baselines.get(row.name, {})) for row in rows[1:])]
    further = {name: [each.get(name) for each in found] for name in found[0]}
    return Comparison(_named(kept), kept["metric"], rows, ", ".join([note, *chosen]), further)


def label_free(kept: dict[str, Any]) -> LabelFree:
    """A label-free protocol's result."""
    return LabelFree(
        _named(kept), kept["n"], kept["figures"], kept.get("baselines", {}), list(kept.get("warnings", ()))
    )


def _named(kept: dict[str, Any]) -> str:
    """The protocol, and what sets one asking of it apart from another: its task, how it trained, the layer."""
    apart = [str(kept[name]) for name in ("task", "negatives", "features", "training", "folding") if name in kept]
    apart = [each for each in apart if each not in USUAL]
    apart += [name for name in ("past", "incremental") if kept.get(name)]
    layer = kept.get("layer")
    name = str(kept["protocol"]) + (f" ({', '.join(apart)})" if apart else "")
    return f"{name}, layer {layer} of the projector" if layer else name


def leaves(details: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """All numbers in nested details, by the words that lead to them.

    `{"top5": 0.9, "agreement": [{"clusters": 10, "nmi": {"mean": 0.5}}]}` becomes
    `{"top5": 0.9, "agreement, clusters 10: nmi mean": 0.5}`: a record in a list goes by its first entry.
    """
    found: dict[str, float] = {}
    for name, value in details.items():
        words = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            found |= leaves(value, f"{words} ")
        elif isinstance(value, list):
            for record in (each for each in value if isinstance(each, dict) and each):
                (first, place), *rest = record.items()
                found |= leaves(dict(rest), f"{words}, {first.replace('_', ' ')} {place}: ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[words] = value
    return found


def _interval(kept: dict[str, Any]) -> tuple[float, float] | None:
    found = kept.get("interval")
    return (float(found[0]), float(found[1])) if found else None
