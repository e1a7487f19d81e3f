"""`unlabeled labels`: the label that a run has learnt for every sample, to a file, with contact sheets to look at."""

import csv
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder

CLUSTERS, EACH = 100, 32
"""Clusters that get a contact sheet, the largest ones, and the samples on each, the most certain ones."""


@dataclass(frozen=True)
class Labelled:
    """What was written.

    Args:
        file: its path.
        samples: rows.
        head: whose labels they are.
        heads: that the run has.
        clusters: K of a head.
        used: clusters with at least one sample.
        sizes: samples of each cluster, 0 to K - 1.
        confidence: mean over samples, 1/K to 1.
        data: where the samples lie.
        sheets: the folder of contact sheets, or None.
        shown: clusters that have one.
        skipped: a path and a reason for each sample that could not be read and has no row.
    """

    file: str
    samples: int
    head: int
    heads: int
    clusters: int
    used: int
    sizes: list[int]
    confidence: float
    data: str
    sheets: str | None = None
    shown: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)


def labels(
    run: str | PathLike[str],
    data: Any = None,
    *,
    out: str | PathLike[str],
    head: int = 0,
    sheets: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Labelled:
    """Write the label and the confidence of every sample to a file: a clustering of the run's data, or of other data.

    For runs of a method that learns labels (sela). A sample's label is what the head says of its plain view, with
    the bias that balances the clusters of the run's own data; new samples are labelled by the same bias.

    Example: unlabeled labels runs/photos --out labels.parquet --sheets clusters/

    Args:
        run: the run's folder.
        data: any samples; by default the run's own data.
        out: a file whose name ends in .parquet or .csv: path, index, label and confidence of each sample.
        head: whose labels, 0 to one less than the run has.
        sheets: a folder to make, with a contact sheet of each of the 100 largest clusters, the most confident first.
        overwrite: replace a file, and contact sheets, that are there already.

    Raises:
        UserError: the run has no labels or no such head, the file or folder exists, or nothing can be read.
    """
    from unlabeled.commands.embed import unread
    from unlabeled.commands.load import load
    from unlabeled.commands.output import new_file, new_folder
    from unlabeled.commands.samples import data_of
    from unlabeled.distributed import on_first
    from unlabeled.errors import UserError
    from unlabeled.run import Run
    from unlabeled.training.checkpoints import write_atomically
    from unlabeled.training.labeller import Labeller

    file = new_file(out, tuple(WRITERS), overwrite)
    folder = None if sheets is None else new_folder(sheets, "--sheets", overwrite)
    opened = Run.open(run)
    opened.description()  # says first of all whether its training has ended
    labeller = Labeller.read(opened)
    if not 0 <= head < labeller.heads:
        raise UserError(f"--head takes 0 to {labeller.heads - 1}, the heads of {opened.path}, got {head}.")
    encoder = load(opened.path)
    samples = data_of(opened, data)[0]
    features = encoder.features(samples, labelled=False)
    found, confidence = labeller.label_rows(features.embeddings, head)
    names = [samples.names[place] for place in features.ids]
    rows = Rows(names, features.ids, found, confidence)
    on_first(lambda: write_atomically(file, lambda beside: WRITERS[file.suffix.lower()](beside, rows)))
    if folder is not None:
        on_first(lambda: _write_sheets(folder, encoder, samples, rows, f"head {head} of {opened.path}"))
    sizes = np.bincount(found, minlength=labeller.clusters)
    used = int((sizes > 0).sum())
    skipped = [(each.path, each.reason) for each in samples.skipped] + unread(samples, features.ids)
    return Labelled(
        file=str(file),
        samples=len(names),
        head=head,
        heads=labeller.heads,
        clusters=labeller.clusters,
        used=used,
        sizes=sizes.tolist(),
        confidence=float(confidence.mean()),
        data=samples.place,
        sheets=None if folder is None else str(folder),
        shown=0 if folder is None else min(CLUSTERS, used),
        skipped=[{"path": path, "reason": reason} for path, reason in skipped],
    )


@dataclass(frozen=True)
class Rows:
    """What is written: names, places int64 (N,), labels int64 (N,), confidences float32 (N,)."""

    names: list[str]
    ids: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray


def _write_parquet(path: Path, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.array([name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in rows.names])
    columns = {"path": text, "index": rows.ids, "label": rows.labels, "confidence": rows.confidence}
    pq.write_table(pa.table(columns), path)


def _write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "index", "label", "confidence"])
        certain = (f"{value:.6f}" for value in rows.confidence.tolist())
        writer.writerows(zip(rows.names, rows.ids.tolist(), rows.labels.tolist(), certain, strict=True))


WRITERS = {".parquet": _write_parquet, ".csv": _write_csv}
"""Ending to (file, rows) -> nothing."""


def _write_sheets(folder: Path, encoder: "Encoder", samples: Any, rows: Rows, whose: str) -> None:
    """A contact sheet of each of the largest clusters, named by cluster."""
    from unlabeled.reports.sheet import Row, cell_of, contact_sheet
    from unlabeled.training.checkpoints import write_atomically

    folder.mkdir(exist_ok=True)
    sizes, small = np.bincount(rows.labels), encoder.modality.thumbnail
    largest = [int(cluster) for cluster in np.argsort(-sizes, kind="stable")[:CLUSTERS] if sizes[cluster]]
    for cluster in largest:
        members = np.flatnonzero(rows.labels == cluster)
        members = members[np.argsort(-rows.confidence[members], kind="stable")][:EACH]
        cells = [cell_of(samples, int(rows.ids[row]), f"{rows.confidence[row]:.3f}", small) for row in members]
        note = f"{whose}; {sizes[cluster]:,} samples, the confidence below each"
        note += f"; the {EACH} most confident" if sizes[cluster] > EACH else ""
        picture = contact_sheet([Row(None, cells)], f"Cluster {cluster}", note)
        write_atomically(folder / f"{cluster:04}.png", partial(picture.save, format="PNG"))
