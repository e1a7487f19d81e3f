"""`unlabeled embed`: representations to a file that other programs read."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

Columns = Mapping[str, Any]
"""Name to a value a row, text or whole numbers."""


@dataclass(frozen=True)
class Embedded:
    """What was written.

    Args:
        file: its path.
        samples: rows.
        width: D.
        skipped: a path and a reason for each sample that could not be read and has no row.
    """

    file: str
    samples: int
    width: int
    skipped: list[dict[str, str]]


def embed(
    run: str | PathLike[str],
    data: Any = None,
    *,
    out: str | PathLike[str],
    layer: int = 0,
    overwrite: bool = False,
    devices: int = 1,
) -> Embedded:
    """Write the representation of every sample to a file.

    Parquet and .npz have one row a sample: path, index (its place in the data) and embedding; .npy holds the
    matrix alone and beside it, as .csv, path and index of each row. Of timed links, a row is a node in a snapshot:
    node, snapshot (from 0), start and embedding.

    Example: unlabeled embed runs/photos --data photos/ --out embeddings.parquet

    Args:
        run: the run's folder.
        data: any samples; by default the run's own data.
        out: a file whose name ends in .parquet, .npy or .npz.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        overwrite: replace a file that is there already.
        devices: processes on this machine, one a device, which share the work; under torchrun leave it out.

    Raises:
        UserError: the file's ending is another, it exists, nothing can be read, or there is no such layer or device.
    """
    from unlabeled.commands.load import load
    from unlabeled.commands.output import new_file
    from unlabeled.commands.samples import data_of
    from unlabeled.distributed import on_first
    from unlabeled.run import Run
    from unlabeled.training.launching import join

    file = new_file(out, tuple(WRITERS), overwrite)
    if file.suffix.lower() == ".npy":
        new_file(file.with_suffix(".csv"), (".csv",), overwrite)
    folder = Run.open(run)
    join(devices)
    encoder = load(folder.path, layer)
    samples = data_of(folder, data)[0]
    skipped = [(each.path, each.reason) for each in samples.skipped]
    columns: dict[str, Any]
    if encoder.modality.whole is not None:
        table = encoder.rows(samples)
        columns, embeddings = table.columns, encoder.projected(table.embeddings)
    else:
        features = encoder.features(samples, labelled=False)
        columns = {"path": [samples.names[place] for place in features.ids], "index": features.ids}
        embeddings = features.embeddings
        skipped += unread(samples, features.ids)
    on_first(lambda: _write(file, columns, embeddings))
    return Embedded(
        file=str(file),
        samples=len(embeddings),
        width=embeddings.shape[1],
        skipped=[{"path": path, "reason": reason} for path, reason in skipped],
    )


def _write(file: Path, columns: Columns, embeddings: np.ndarray) -> None:
    """The file, and the columns beside it where its form has no room for them."""
    from unlabeled.training.checkpoints import write_atomically

    write_atomically(file, lambda beside: WRITERS[file.suffix.lower()](beside, columns, embeddings))
    if file.suffix.lower() == ".npy":
        write_atomically(file.with_suffix(".csv"), lambda beside: _write_columns(beside, columns))


def unread(samples: Any, ids: np.ndarray) -> list[tuple[str, str]]:
    """The samples that have no row, read once more for the reason."""
    from unlabeled.errors import Unreadable

    unread = []
    for place in np.setdiff1d(np.arange(len(samples)), ids):
        try:
            samples.read(int(place), None)
            reason = "could not be read when it was embedded"
        except Unreadable as problem:
            reason = problem.reason
        unread.append((samples.names[place], reason))
    return unread


def _write_parquet(path: Path, columns: Columns, embeddings: np.ndarray) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1])
    told = {name: pa.array(_sound(values)) for name, values in columns.items()}
    pq.write_table(pa.table({**told, "embedding": vectors}), path)


def _sound(values: Any) -> Any:
    """Text without what UTF-8 cannot say; numbers as they are."""
    if len(values) and not isinstance(values[0], str):
        return values
    return [text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for text in values]


def _write_npy(path: Path, columns: Columns, embeddings: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, embeddings, allow_pickle=False)


def _write_npz(path: Path, columns: Columns, embeddings: np.ndarray) -> None:
    told = {name: np.array(list(values)) for name, values in columns.items()}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **told, embedding=embeddings)


def _write_columns(path: Path, columns: Columns) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


WRITERS = {".parquet": _write_parquet, ".npy": _write_npy, ".npz": _write_npz}
"""Ending to (file, columns, embeddings) -> nothing."""
