"""`unlabeled embed`: representations to a file that other programs read."""

import csv
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unlabeled.evaluation.features import Features


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
    matrix alone and beside it, as .csv, path and index of each row.

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
    from unlabeled.commands.load import data_of, load
    from unlabeled.commands.output import new_file
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
    features = encoder.features(samples, labelled=False)
    names = [samples.names[place] for place in features.ids]
    on_first(lambda: _write(file, names, features))
    skipped = [(each.path, each.reason) for each in samples.skipped] + unread(samples, features.ids)
    return Embedded(
        file=str(file),
        samples=len(names),
        width=features.embeddings.shape[1],
        skipped=[{"path": path, "reason": reason} for path, reason in skipped],
    )


def _write(file: Path, names: list[str], features: "Features") -> None:
    """The file, and the names beside it where its form has no room for them."""
    from unlabeled.training.checkpoints import write_atomically

    write_atomically(
        file, lambda beside: WRITERS[file.suffix.lower()](beside, names, features.ids, features.embeddings)
    )
    if file.suffix.lower() == ".npy":
        write_atomically(file.with_suffix(".csv"), lambda beside: _write_names(beside, names, features.ids))


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


def _write_parquet(path: Path, names: list[str], ids: np.ndarray, embeddings: np.ndarray) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1])
    text = pa.array([name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names])
    pq.write_table(pa.table({"path": text, "index": ids, "embedding": vectors}), path)


def _write_npy(path: Path, names: list[str], ids: np.ndarray, embeddings: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, embeddings, allow_pickle=False)


def _write_npz(path: Path, names: list[str], ids: np.ndarray, embeddings: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, path=np.array(names), index=ids, embedding=embeddings)


def _write_names(path: Path, names: list[str], ids: np.ndarray) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "index"])
        writer.writerows(zip(names, ids.tolist(), strict=True))


WRITERS = {".parquet": _write_parquet, ".npy": _write_npy, ".npz": _write_npz}
"""Ending to (file, names, ids, embeddings) -> nothing."""
