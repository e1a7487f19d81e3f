"""`unlabeled search`: what in the data looks most like this."""

import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.features import Features

ROWS, ACROSS = 40, 24
"""Queries, and neighbours of each, that a contact sheet shows; the table and the JSON hold all."""


@dataclass(frozen=True)
class Neighbour:
    """One sample of the data near a query.

    Args:
        query: the query's name: its path below --query, or its file's name where that is a single file.
        path: the sample's name, as its data set gives it, or the node's.
        similarity: cosine of the two representations, -1 to 1.
    """

    query: str
    path: str
    similarity: float


@dataclass(frozen=True)
class Searched:
    """What was found.

    Args:
        query: the path that was given.
        results: query by query, the nearest first; samples of equal similarity in the order of the data.
        data: where the samples lie.
        samples: how many were compared.
        queries: how many were asked about.
        skipped: a path and a reason for each query that could not be read.
        sheet: the contact sheet, or None.
        kind: what was compared: sample or node.
    """

    query: str
    results: list[Neighbour]
    data: str
    samples: int
    queries: int
    skipped: list[dict[str, str]]
    sheet: str | None
    kind: str = "sample"


def search(
    run: str | PathLike[str],
    *,
    query: Any,
    top: int = 12,
    data: Any = None,
    out: str | PathLike[str] | None = None,
    overwrite: bool = False,
    snapshot: str | None = None,
) -> Searched:
    """Find the samples whose representations are nearest to that of a query, exactly, by cosine.

    A query that is itself a sample of the data (the same file, links followed) is not its own neighbour; a copy of
    it under another name is. Representations of the data are computed once and kept with the run.

    Example: unlabeled search runs/photos --query cat.jpg --top 12 --out sheet.png

    Args:
        run: the run's folder.
        query: a picture, or a folder of pictures: each is a query of its own; of timed links, the name of a node.
        top: neighbours of each query, at least 1; all there are where the data has fewer.
        data: where to search; by default the run's own data.
        out: a .png file, the contact sheet to write: each query beside its neighbours.
        overwrite: replace a contact sheet that is there already.
        snapshot: of timed links, where to search: a start, as embed shows it, or else its number from 0; by default the
            last.

    Raises:
        UserError: no such query or none that can be read, nothing to search in, or a sheet that cannot be written.
    """
    from unlabeled.commands.load import load
    from unlabeled.commands.node_search import search_nodes
    from unlabeled.commands.output import new_file
    from unlabeled.commands.samples import data_of
    from unlabeled.errors import UserError
    from unlabeled.run import Run

    if top < 1:
        raise UserError(f"--top takes a number of at least 1, got {top}.")
    sheet = None if out is None else new_file(out, (".png",), overwrite)
    folder = Run.open(run)
    encoder = load(folder.path)
    if encoder.modality.whole is not None:
        if sheet is not None:
            raise UserError("nodes have no pictures to show; leave out --out.")
        return search_nodes(encoder, data_of(folder, data)[0], str(query), top, snapshot)
    if snapshot is not None:
        raise UserError("--snapshot is for runs on timed links; leave it out.")
    queries = encoder.modality.open(query, None)
    samples = data_of(folder, data)[0]
    asked = encoder.extract(queries)
    features = encoder.features(samples, labelled=False)
    found = _neighbours(encoder, asked.features(), features, _places(queries, samples), top)
    if sheet is not None:
        _write_sheet(sheet, encoder, queries, samples, found, f"Nearest neighbours, as {folder.path} sees them")
    unread = [(each.path, each.reason) for each in queries.skipped] + asked.unreadable
    return Searched(
        query=str(query) if isinstance(query, str | PathLike) else queries.place,
        results=[Neighbour(queries.names[q], samples.names[p], s) for q, near in found.items() for p, s in near],
        data=samples.place,
        samples=len(features.ids),
        queries=len(found),
        skipped=[{"path": path, "reason": reason} for path, reason in unread],
        sheet=None if sheet is None else str(sheet),
    )


def _places(queries: Any, samples: Any) -> np.ndarray:
    """For each query its own place in the data, found by name, or -1: int64 (Q,)."""
    place = {file: number for number, file in enumerate(_files(samples))}
    own = np.full(len(queries), -1)
    for number, file in enumerate(_files(queries)):
        own[number] = place.get(file, place.get(os.path.realpath(file), -1))
    return own


def _files(samples: Any) -> list[str]:
    """Where each sample lies: its name below the real path of what was opened; nothing for data in memory."""
    root = samples.place
    if not os.path.isabs(root) or not os.path.exists(root):  # noqa: PTH110, PTH117
        return [name for name in samples.names if os.path.isabs(name)]  # noqa: PTH117, a list of files
    if samples.names == [os.path.basename(root)]:  # noqa: PTH119, one picture
        root = os.path.dirname(root)  # noqa: PTH120
    root = os.path.realpath(root)
    return [os.path.join(root, name) for name in samples.names]  # noqa: PTH118


def _neighbours(
    encoder: "Encoder", asked: "Features", bank: "Features", own: np.ndarray, top: int
) -> dict[int, list[tuple[int, float]]]:
    """Place of each query that was read -> (place in the data, similarity) of its neighbours, nearest first."""
    from unlabeled.errors import UserError
    from unlabeled.metrics.neighbours import nearest

    try:
        similarity, row = nearest(asked.embeddings, bank.embeddings, min(top + 1, len(bank.ids)))
    except ValueError as problem:
        raise UserError(f"the representations cannot be compared ({problem}); train again at a lower rate.") from None
    found = {}
    for query, values, places in zip(asked.ids.tolist(), similarity.tolist(), bank.ids[row].tolist(), strict=True):
        others = [(place, value) for place, value in zip(places, values, strict=True) if place != own[query]]
        found[query] = others[:top]
    return found


def _write_sheet(
    file: Path,
    encoder: "Encoder",
    queries: Any,
    samples: Any,
    found: dict[int, list[tuple[int, float]]],
    title: str,
) -> None:
    from unlabeled.reports.sheet import Row, cell_of, contact_sheet
    from unlabeled.training.checkpoints import write_atomically

    small = encoder.modality.thumbnail
    rows = [
        Row(
            cell_of(queries, query, "query", small),
            [cell_of(samples, place, f"{value:.3f}", small) for place, value in near[:ACROSS]],
        )
        for query, near in list(found.items())[:ROWS]
    ]
    note = f"cosine similarity; samples compared: {len(samples):,} of {samples.place}"
    if len(found) > ROWS:
        note += f"; the first {ROWS} of {len(found):,} queries"
    widest = max(len(near) for near in found.values())
    if widest > ACROSS:
        note += f"; the first {ACROSS} of {widest:,} neighbours"
    picture = contact_sheet(rows, title, note)
    write_atomically(file, lambda beside: picture.save(beside, format="PNG"))
