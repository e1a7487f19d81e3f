"""Folders of the TU collection: DS_A.txt, DS_graph_indicator.txt and what may stand beside them."""

import re
from pathlib import Path

import numpy as np

from unlabeled.data.graphs.collection import Graphs, stored
from unlabeled.data.graphs.graph import Graph, tidy
from unlabeled.data.images.labels import Labels, number
from unlabeled.data.skipped import Skipped
from unlabeled.errors import UserError

FOLDS = "10fold_idx"
"""The sub-folder with `train_idx-K.txt` and `test_idx-K.txt`, K from 1 to 10: numbers of graphs from 0."""


def prefix_of(folder: Path) -> Path | None:
    """`folder/DS` of the files `DS_A.txt` and `DS_graph_indicator.txt`, in the folder or in its `raw`; None without."""
    for place in (folder, folder / "raw"):
        found = sorted(place.glob("*_graph_indicator.txt")) if place.is_dir() else []
        if found:
            return place / found[0].name.removesuffix("_graph_indicator.txt")
    return None


def open_tu(folder: Path) -> Graphs:
    """Open a TU folder (Morris et al. 2020, TUDataset; the format of Kersting et al. 2016).

    Links count in both directions and once, whichever way the file has them; nodes without links stay. Labels of
    links, attributes of links and attributes of whole graphs are not read. A graph whose nodes or links cannot be
    right is left out and listed.

    Args:
        folder: which holds `DS_A.txt` (row, column; nodes from 1) and `DS_graph_indicator.txt` (of each node the
            number of its graph, from 1), and perhaps `DS_graph_labels.txt`, `DS_node_labels.txt`,
            `DS_node_attributes.txt` and `10fold_idx/`.

    Raises:
        UserError: a file is absent or damaged, or no graph is whole.
    """
    prefix = prefix_of(folder)
    if prefix is None:
        raise UserError(f"{str(folder)!r} holds no DS_graph_indicator.txt; give a folder of the TU collection.")
    owner = _column(_file(prefix, "graph_indicator"), np.int64) - 1
    if owner.min(initial=0) < 0:
        raise UserError(f"{_file(prefix, 'graph_indicator')} numbers graphs below 1; they are numbered from 1.")
    nodes = len(owner)
    labels = _labels(_file(prefix, "node_labels"), nodes)
    attributes = _of_nodes(_file(prefix, "node_attributes"), nodes, np.float32)
    edges = _edges(_file(prefix, "A"), nodes)
    answers = _answers(_file(prefix, "graph_labels"), int(owner.max(initial=-1)) + 1)
    if answers is None and owner.max(initial=0) > 2 * nodes:  # most graphs would be without nodes
        file = _file(prefix, "graph_indicator")
        raise UserError(f"{file} numbers a graph {owner.max() + 1} where there are {nodes} nodes; fetch it again.")
    count = 0 if answers is None else len(answers.values)  # of the last graphs there may be a label and no node
    graphs, skipped = _apart(owner, edges, labels, attributes, count, _file(prefix, "A").name)
    if not graphs:
        reason = f" (the first: {skipped[0]})" if skipped else ""
        raise UserError(f"no graph of {str(folder)!r} can be used{reason}; mend its files.")
    names = [str(each) for each in graphs]
    if answers is not None:
        answers = Labels(answers.values[list(graphs)], answers.classes)
    folds = _folds(prefix.parent / FOLDS)
    return Graphs(str(folder), names, stored(list(graphs.values())), answers, skipped, folds)


def _file(prefix: Path, what: str) -> Path:
    return prefix.parent / f"{prefix.name}_{what}.txt"


def _numbers(path: Path, kind: type, columns: int | None = None) -> np.ndarray:
    """The numbers of a file with commas or blanks between them, (rows, columns).

    Raises:
        UserError: no such file, no numbers, or rows of several lengths.
    """
    try:
        text = path.read_text(encoding="ascii", errors="replace").replace(",", " ")
    except OSError as problem:
        raise UserError(f"{path} cannot be read ({(problem.strerror or 'no file').lower()}); add it.") from None
    if not text.strip():
        return np.zeros((0, columns or 1), kind)
    try:
        found: np.ndarray = np.loadtxt(text.splitlines(), dtype=kind, ndmin=2, comments=None)
    except ValueError as problem:
        line = re.search(r"row (\d+)", str(problem))  # NumPy counts from 0 in one message and from 1 in another
        word = "whole number" if kind is np.int64 else "number"
        where = f" near line {int(line[1]) + 1}" if line else ""
        raise UserError(f"{path} holds something that is no {word}, or rows of two lengths,{where}; mend it.") from None
    if columns is not None and found.shape[1] != columns:
        raise UserError(f"{path} has {found.shape[1]} numbers a line, and should have {columns}; mend it.")
    return found


def _column(path: Path, kind: type) -> np.ndarray:
    return _numbers(path, kind, 1)[:, 0]


def _of_nodes(path: Path, nodes: int, kind: type) -> np.ndarray | None:
    """A row a node, (N, columns), or None where there is no such file."""
    if not path.exists():
        return None
    found = _numbers(path, kind)
    if len(found) != nodes:
        raise UserError(f"{path} has {len(found)} lines for {nodes} nodes; it needs one a node.")
    return found


def _labels(path: Path, nodes: int) -> np.ndarray | None:
    """The kind of each node, int64 (N,), or None where there is no such file or all nodes are of one kind.

    Of several columns each combination is a kind, numbered in sorted order.
    """
    found = _of_nodes(path, nodes, np.int64)
    if found is None or not nodes or (found == found[0]).all():
        return None
    if found.shape[1] == 1:
        return found[:, 0]
    kinds: np.ndarray = np.unique(found, axis=0, return_inverse=True)[1].reshape(-1)
    return kinds


def _edges(path: Path, nodes: int) -> np.ndarray:
    """The links as the file has them, int64 (2, M), nodes from 0."""
    edges = _numbers(path, np.int64, 2).T - 1
    wrong = np.flatnonzero(((edges < 0) | (edges >= nodes)).any(0))
    if len(wrong):
        raise UserError(
            f"{path} names the link {edges[0, wrong[0]] + 1}, {edges[1, wrong[0]] + 1} (line {wrong[0] + 1}), and "
            f"there are nodes 1 to {nodes}; mend it."
        )
    return edges


def _answers(path: Path, graphs: int) -> Labels | None:
    """The graphs' labels, or None where there is no such file."""
    if not path.exists():
        return None
    found = _column(path, np.int64)
    if len(found) < graphs:
        raise UserError(f"{path} has {len(found)} lines for {graphs} graphs; it needs one a graph.")
    return number([str(each) for each in found.tolist()])


def _apart(
    owner: np.ndarray,
    edges: np.ndarray,
    labels: np.ndarray | None,
    attributes: np.ndarray | None,
    least: int,
    file: str,
) -> tuple[dict[int, Graph], list[Skipped]]:
    """Graph number (from 0) to graph, and those left out.

    Args:
        owner: the graph of each node, int64 (N,), in any order.
        edges: int64 (2, M), nodes from 0.
        labels: of all nodes.
        attributes: of all nodes.
        least: how many graphs there are at least.
        file: of the links, for messages.
    """
    order = np.argsort(owner, kind="stable")  # in nearly all sets nodes lie graph by graph already
    counts = np.bincount(owner, minlength=least)
    starts = np.concatenate([[0], np.cumsum(counts)])
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - starts[owner[order]]  # of each node in its graph
    between = np.unique(owner[edges[:, owner[edges[0]] != owner[edges[1]]]])
    edges = edges[:, np.argsort(owner[edges[0]], kind="stable")]
    edge_starts = np.concatenate([[0], np.cumsum(np.bincount(owner[edges[0]], minlength=len(counts)))])
    graphs: dict[int, Graph] = {}
    skipped = []
    for number_, count in enumerate(counts.tolist()):
        members = order[starts[number_] : starts[number_ + 1]]
        own = None if attributes is None else attributes[members]
        if not count:
            skipped.append(Skipped(str(number_), "has no nodes"))
        elif number_ in between:
            skipped.append(Skipped(str(number_), f"has a link to a node of another graph in {file}"))
        elif own is not None and not np.isfinite(own).all():
            skipped.append(Skipped(str(number_), "has node attributes that are not finite numbers"))
        else:
            links = place[edges[:, edge_starts[number_] : edge_starts[number_ + 1]]]
            graphs[number_] = Graph(count, tidy(links), None if labels is None else labels[members], own)
    return graphs, skipped


def _folds(folder: Path) -> list[tuple[list[str], list[str]]] | None:
    """The ten pairs of names in `10fold_idx`, or None where it is not whole."""
    pairs = [(folder / f"train_idx-{k}.txt", folder / f"test_idx-{k}.txt") for k in range(1, 11)]
    if not all(path.is_file() for pair in pairs for path in pair):
        return None

    def names(path: Path) -> list[str]:
        return [str(each) for each in _column(path, np.int64).tolist()]

    return [(names(train), names(test)) for train, test in pairs]
