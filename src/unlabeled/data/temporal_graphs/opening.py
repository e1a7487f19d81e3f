"""From a table on disk to snapshots; the built-in sample."""

import csv
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unlabeled.data.temporal_graphs.snapshots import Snapshots, snapshots_of
from unlabeled.data.temporal_graphs.table import Events, read_events
from unlabeled.data.temporal_graphs.windows import Windows
from unlabeled.errors import UserError

DATES = (
    "02-23", "02-25", "03-02", "03-15", "04-07", "04-08", "04-12", "05-19", "06-10", "06-27", "08-03", "09-16",
    "09-26", "11-21",
)  # fmt: skip
"""Days of the fourteen gatherings in their order (Davis, Gardner and Gardner: Deep South, 1941, figure 3)."""

GATHERINGS = ("E11", "E5", "E2", "E7", "E12", "E9", "E3", "E6", "E10", "E1", "E14", "E8", "E4", "E13")
"""The gathering of each of these days."""


def open_snapshots(
    source: Any,
    labels: Any = None,
    window: str | None = None,
    skip_first: str = "0",
    skip_last: str = "0",
    outside: Literal["drop", "merge"] = "drop",
    held_out: int = 1,
    attributes: str | os.PathLike[str] | None = None,
) -> Snapshots:
    """Snapshots of a table of timed links.

    Args:
        source: a CSV or parquet file with the columns source,target and time or snapshot; `Snapshots`; None for the
            built-in sample.
        labels: a CSV file with the columns node,label.
        window: length of a snapshot, such as 10d, 6h, 30m, 2w, or a number in the table's own unit of time; by default
            the column `snapshot` is taken.
        skip_first: time from the first event to the first snapshot.
        skip_last: time before the last event where the last snapshot ends.
        outside: drop the events before and after, or merge them into the first and the last snapshot.
        held_out: last snapshots that are not trained on, at least 0.
        attributes: a CSV file with the column node and others that hold numbers, which an encoder takes in place of the
            nodes' own numbers; a node that is not in it has zeros.

    Raises:
        UserError: the table cannot be read, has no times for the windows, or has too few snapshots.
    """
    if window is None and (str(skip_first), str(skip_last), outside) != ("0", "0", "drop"):
        raise UserError("--skip-first, --skip-last and --outside are of windows of time; give --window too.")
    if source is None:
        if window is not None:
            raise UserError("the built-in sample has its own snapshots; give --data for --window to cut.")
        found = southern_women()
    elif isinstance(source, Snapshots):
        found = source
    else:
        path = Path(os.path.expanduser(source)).absolute()  # noqa: PTH111, as the others do
        windows = None if window is None else Windows(window, skip_first, skip_last, outside)
        found = cut(read_events(path), windows, str(path))
    if held_out < 0 or found.count - held_out < 1:
        raise UserError(
            f"{found.place} has {found.count} snapshots, so that --held-out takes 0 to {found.count - 1}, "
            f"got {held_out}; choose a shorter --window for more."
        )
    found = found if labels is None else labelled(found, labels)
    found = found if attributes is None else described(found, attributes)
    found = found.prefix(found.count - held_out)
    if not len(found):
        raise UserError(f"{found.place} has no link in the {found.count} snapshots that are trained on; choose others.")
    return found


def look_at_events(source: Any, labels: Any = None) -> Snapshots:
    """What a table holds before it is cut: by its column `snapshot`, or as one snapshot where there is none.

    Raises:
        UserError: the table cannot be read.
    """
    if isinstance(source, Snapshots):
        return source
    path = Path(os.path.expanduser(source)).absolute()  # noqa: PTH111, as the others do
    events = read_events(path)
    windows = None
    if events.snapshot is None and events.time is not None:
        windows = Windows(f"{np.ceil(np.ptp(events.time)) + 1:.0f}")
    found = cut(events, windows, str(path))
    return found if labels is None else labelled(found, labels)


def cut(events: Events, windows: Windows | None, place: str) -> Snapshots:
    """Snapshots by windows of time, or by the column `snapshot` where there are no windows.

    Raises:
        UserError: the column that is needed is not there.
    """
    if windows is not None:
        if events.time is None:
            raise UserError(
                f"{place} has no column time, which --window cuts; leave --window out to take its snapshots."
            )
        kept, snapshot, starts = windows.of(events.time, events.dated)
        return snapshots_of(events, snapshot, starts, kept, place)
    if events.snapshot is None:
        raise UserError(f"{place} has no column snapshot; say how long a snapshot is, such as --window 10d.")
    values, snapshot = np.unique(events.snapshot, return_inverse=True)
    starts = values.astype(np.float64)
    if events.time is not None:
        starts = np.full(len(values), np.inf)
        np.minimum.at(starts, snapshot, events.time)
    return snapshots_of(events, snapshot, starts, None, place)


def labelled(snapshots: Snapshots, path: str | os.PathLike[str]) -> Snapshots:
    """With the labels that a CSV file with the columns node,label gives to nodes.

    Raises:
        UserError: no such file, a column is missing, no node is there, or one has two labels.
    """
    rows = _rows(path, "labels")
    if not rows or not {"node", "label"} <= rows[0].keys():
        raise UserError(f"the labels {os.fspath(path)!r} are no CSV file with the columns node,label; give one.")
    named: dict[str, str] = {}
    for row in rows:
        label = (row["label"] or "").strip()
        if label and row["node"] in snapshots.number and named.setdefault(row["node"], label) != label:
            raise UserError(
                f"the labels {os.fspath(path)!r} give the node {row['node']!r} both {named[row['node']]!r} and "
                f"{label!r}; leave one."
            )
    if not named:
        raise UserError(f"no node of {os.fspath(path)!r} is a node of {snapshots.place}; check its column node.")
    classes = sorted(set(named.values()))
    values = np.array([classes.index(named[name]) if name in named else -1 for name in snapshots.names])
    return replace(snapshots, labels=values, classes=classes)


def described(snapshots: Snapshots, path: str | os.PathLike[str]) -> Snapshots:
    """With the attributes that a CSV file gives to nodes; a node that is not in it has zeros.

    Raises:
        UserError: no such file, no column node, nothing beside it, no node is there, one is there twice, or a cell is
            no finite number.
    """
    shown = repr(os.fspath(path))
    rows = _rows(path, "attributes")
    if not rows or "node" not in rows[0] or len(rows[0]) < 2:
        raise UserError(f"the attributes {shown} are no CSV file with the column node and others; give one.")
    names = [name for name in rows[0] if name != "node"]
    values = np.zeros((len(snapshots), len(names)), np.float32)
    met: set[int] = set()
    for number, row in enumerate(rows, 1):
        node = snapshots.number.get(row["node"])
        if node is None:
            continue
        if node in met:
            raise UserError(f"row {number} of {shown} gives attributes to the node {row['node']!r} again; leave one.")
        met.add(node)
        for column, name in enumerate(names):
            try:
                values[node, column] = float(row[name])
            except (TypeError, ValueError):
                values[node, column] = np.nan
            if not np.isfinite(values[node, column]):
                raise UserError(f"row {number} of {shown} has {row[name]!r} as {name}; attributes are finite numbers.")
    if not met:
        raise UserError(f"no node of {shown} is a node of {snapshots.place}; check its column node.")
    return replace(snapshots, attributes=values)


def _rows(path: str | os.PathLike[str], what: str) -> list[dict[str, str]]:
    """The rows of a CSV file, none where it is of another kind; names of nodes without blanks around, as in a table.

    Raises:
        UserError: no such file.
    """
    if not Path(path).is_file():
        raise UserError(f"the {what} {os.fspath(path)!r} are not there; give a CSV file with the column node.")
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [row | {"node": (row["node"] or "").strip()} if "node" in row else row for row in rows]


def southern_women() -> Snapshots:
    """The built-in sample: which of eighteen women met at fourteen gatherings of the 1930s, a snapshot each.

    Davis, Gardner and Gardner: Deep South (1941), as networkx carries it; a link for each two who were at one.
    """
    from networkx import davis_southern_women_graph

    graph = davis_southern_women_graph()
    source: list[int] = []
    target: list[int] = []
    snapshot: list[int] = []
    women = sorted(graph.graph["top"])
    for number, gathering in enumerate(GATHERINGS):
        there = [women.index(each) for each in sorted(graph[gathering])]
        for place, one in enumerate(there):
            for other in there[place + 1 :]:
                source.append(one)
                target.append(other)
                snapshot.append(number)
    when = np.array(snapshot)
    events = Events(np.array(source), np.array(target), None, when, np.ones(len(source)), women, False, [])
    starts = np.array([f"1936-{date}" for date in DATES], "datetime64[s]").astype(np.float64)
    return replace(snapshots_of(events, when, starts, None, "gatherings of southern women (networkx)"), dated=True)
