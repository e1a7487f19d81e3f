"""The door: whatever a user has → `Graphs`."""

import os
from pathlib import Path

import numpy as np

from unlabeled.data.graphs.atlas import NAME, atlas
from unlabeled.data.graphs.collection import Graphs
from unlabeled.data.graphs.objects import are_graphs, open_objects
from unlabeled.data.graphs.tu import open_tu, prefix_of
from unlabeled.data.images.labels import UNLABELLED, Labels, read_csv
from unlabeled.errors import UserError

ACCEPTED = f"a folder of the TU collection (DS_A.txt, DS_graph_indicator.txt, ...) or {NAME}; in Python also a list of \
graphs of networkx or PyTorch Geometric"
"""What holds graphs, for messages."""


def holds_graphs(source: object) -> bool:
    """Whether a path or an object is of this modality."""
    if not isinstance(source, str | os.PathLike):
        return isinstance(source, Graphs) or are_graphs(source)
    return os.fspath(source) == NAME or prefix_of(Path(source).expanduser()) is not None


def open_graphs(source: object, labels: str | os.PathLike[str] | None = None) -> Graphs:
    """Open graphs.

    Args:
        source: a folder of the TU collection (see `tu.open_tu`), `networkx:atlas` (see `atlas.atlas`), or in Python
            a list of graphs, a data set of PyTorch Geometric or a pair (list of graphs, labels) (see
            `objects.open_objects`).
        labels: a CSV file with the columns `path,label`, the path being a graph's number from 0; it replaces the
            source's own labels.

    Raises:
        UserError: nothing there, nothing of a known kind, no graph that can be used, or labels that do not fit.
    """
    graphs = _opened(source)
    if labels is None:
        return graphs
    answers, absent = read_csv(labels, graphs.names, graphs.place)
    known = {one.path for one in graphs.skipped}
    skipped = sorted([*graphs.skipped, *(one for one in absent if one.path not in known)])
    of_store = np.full(len(graphs.store.node_starts) - 1, UNLABELLED)
    of_store[graphs.rows] = answers.values
    answers = Labels(of_store, answers.classes)
    return Graphs(graphs.place, graphs.names, graphs.store, answers, skipped, graphs.folds, graphs.rows)


def _opened(source: object) -> Graphs:
    if isinstance(source, Graphs):
        return source
    if not isinstance(source, str | os.PathLike):
        if not are_graphs(source):
            raise UserError(f"a {type(source).__name__} holds no graphs; give {ACCEPTED}.")
        return open_objects(source)
    if os.fspath(source) == NAME:
        return atlas()
    folder = Path(os.path.abspath(Path(source).expanduser()))  # noqa: PTH100, links in the path stay
    if not folder.exists():
        raise UserError(f"nothing can be opened at {os.fspath(source)!r}; give {ACCEPTED}.")
    return open_tu(folder)
