"""Representations of a data set: computed once, kept with the run, and taken by every protocol."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from unlabeled.distributed import barrier, collect, rank
from unlabeled.errors import UserError
from unlabeled.training.checkpoints import write_atomically
from unlabeled.training.loader import Samples


@dataclass(frozen=True)
class Features:
    """Representations and, where known, labels; row i belongs to one sample.

    Args:
        embeddings: float32 (N, D), perhaps memory-mapped.
        ids: int64 (N,), each sample's place in its data set, rising; a sample that could not be read has no row.
        labels: int64 (N,) from 0, or None.
    """

    embeddings: np.ndarray
    ids: np.ndarray
    labels: np.ndarray | None = None

    def of(self, samples: Samples) -> "Features":
        """The same rows with the labels that `samples` has now, without unlabelled rows where others are labelled."""
        if samples.labels is None:
            return replace(self, labels=None)
        labels = np.asarray(samples.labels)[self.ids]
        kept = labels >= 0
        if not kept.any():
            return replace(self, labels=None)
        if kept.all():  # the matrix stays memory-mapped
            return replace(self, labels=labels)
        return Features(self.embeddings[kept], self.ids[kept], labels[kept])

    def rows(self, places: np.ndarray) -> "Features":
        """Those at `places`, int64 (M,)."""
        return Features(self.embeddings[places], self.ids[places], None if self.labels is None else self.labels[places])


@dataclass(frozen=True)
class Block:
    """The rows of one run of places.

    Args:
        views: one float32 (B, D) for each view that was looked at; B may be 0, and D then too.
        ids: int64 (B,), rising.
        unreadable: names and reasons of the samples without a row.
    """

    views: list[np.ndarray]
    ids: np.ndarray
    unreadable: list[tuple[str, str]]


def cached(folder: Path, key: str, make: Callable[[], Iterator[Block]]) -> Features:
    """The first view's rows of all blocks, memory-mapped from `folder`, where an earlier call may have kept them.

    Of several processes, which all see `folder`, the first writes as the blocks come and the others wait.

    Args:
        folder: of the run; two files a key.
        key: from `key_of`.
        make: called on all processes where nothing readable is kept.

    Raises:
        UserError: another process cannot read what the first one wrote.
    """
    kept = _read(folder, key)
    if not collect(kept is not None)[0]:
        if rank() == 0:
            folder.mkdir(parents=True, exist_ok=True)
            ids: list[np.ndarray] = []
            write_atomically(folder / f"{key}.npy", lambda beside: ids.extend(_write_blocks(beside, make())))
            write_atomically(folder / f"{key}.ids.npy", partial(_write_npy, array=np.concatenate(ids)))
        else:
            for _ in make():
                pass
        barrier()
        kept = _read(folder, key)
    if not all(collect(kept is not None)):
        raise UserError(f"{folder} must be on a file system that all processes share, and one cannot read it.")
    assert kept is not None
    return kept


def _read(folder: Path, key: str) -> Features | None:
    """What is kept, or None where there is nothing or it cannot be read."""
    try:
        matrix = np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False)
        ids = np.load(folder / f"{key}.ids.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return Features(matrix, ids) if len(matrix) == len(ids) else None


def _write_blocks(path: Path, blocks: Iterator[Block]) -> list[np.ndarray]:
    """Write rows as they come, as `np.save` would write them all; returns the ids."""
    ids, width = [], 0
    with path.open("wb") as file:
        for block in blocks:
            if len(block.ids):
                if not width:
                    width = block.views[0].shape[1]
                    _write_header(file, 0, width)
                file.write(np.ascontiguousarray(block.views[0]).data)
            ids.append(block.ids)
        file.seek(0)
        _write_header(file, sum(map(len, ids)), width)  # as long as the first: NumPy leaves room for rows to come
    return ids


def _write_header(file: BinaryIO, rows: int, width: int) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
    np.lib.format.write_array_header_1_0(file, header)


def _write_npy(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def key_of(*parts: str) -> str:
    """A file name that changes with any of `parts`: weights, view, data list."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def key_of_weights(state: dict[str, Tensor]) -> str:
    """The hash of a module's weights."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return digest.hexdigest()
