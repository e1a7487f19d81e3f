"""Representations of a data set: computed once, kept with the run, and taken by every protocol."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled import chance
from unlabeled.errors import Unreadable, UserError
from unlabeled.training.checkpoints import write_atomically
from unlabeled.training.loader import Samples, Views
from unlabeled.training.progress import Progress

Encode = Callable[[Any], Tensor]
"""A batch in the encoder's form to (B, D)."""

THREADS = min(8, os.cpu_count() or 1)


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
        return Features(self.embeddings[kept], self.ids[kept], labels[kept])


@dataclass(frozen=True)
class Extracted:
    """Representations of one data set, and what could not be read of it.

    Args:
        views: one float32 (N, D) for each view that was looked at.
        ids: int64 (N,), rising.
        unreadable: names and reasons.
    """

    views: list[np.ndarray]
    ids: np.ndarray
    unreadable: list[tuple[str, str]]

    def features(self) -> Features:
        """The first view's rows."""
        return Features(self.views[0], self.ids)


def extract(
    encode: Encode, samples: Samples, views: Views, batch: int = 256, seed: int = 0, show: bool = True
) -> Extracted:
    """Embed every sample that can be read, in order.

    Args:
        encode: the encoder, in inference mode.
        samples: the data.
        views: the one plain view, or the views of a method (drawn from `seed`).
        batch: samples at a time.
        seed: of views that are drawn by chance.
        show: whether progress is shown.

    Raises:
        UserError: no sample can be read.
    """
    rows: list[list[np.ndarray]] = [[] for _ in range(views.count)]
    ids: list[int] = []
    unreadable: list[tuple[str, str]] = []
    with Progress("embedding", len(samples), "samples", show=show) as progress, torch.inference_mode():
        for places, looked_at in _looked_at(samples, views, batch, seed, unreadable):
            if places:
                columns = [list(column) for column in zip(*looked_at, strict=True)]
                parts = encode(views.join(columns)).float().cpu().numpy()  # (views x B, D)
                for column, part in zip(rows, np.split(parts, views.count), strict=True):
                    column.append(part)
                ids.extend(places)
            progress.update(min(len(samples), len(ids) + len(unreadable)))
    if not ids:
        raise UserError(f"none of the {len(samples)} samples can be read; the first: {': '.join(unreadable[0])}.")
    return Extracted([np.concatenate(column) for column in rows], np.asarray(ids, np.int64), unreadable)


def _looked_at(
    samples: Samples, views: Views, batch: int, seed: int, unreadable: list[tuple[str, str]]
) -> Iterator[tuple[list[int], list[list[Any]]]]:
    """Batches of (places, views of each), read by threads one batch ahead of the encoder."""

    def look(place: int) -> list[Any] | Unreadable:
        try:
            sample = views.read(samples, place)
        except Unreadable as problem:
            return problem
        return [views.view(sample, chance.generator(seed, chance.VIEWS, 0, place, v)) for v in range(views.count)]

    with ThreadPoolExecutor(THREADS) as pool:
        starts = range(0, len(samples), batch)
        waiting = [pool.submit(look, place) for place in range(min(batch, len(samples)))]
        for start in starts:
            now, stop = waiting, start + batch
            waiting = [pool.submit(look, place) for place in range(stop, min(stop + batch, len(samples)))]
            places, looked_at = [], []
            for place, future in enumerate(now, start):
                result = future.result()
                if isinstance(result, Unreadable):
                    unreadable.append((result.path, result.reason))
                else:
                    places.append(place)
                    looked_at.append(result)
            yield places, looked_at


def encode_with(module: nn.Module, represent: Encode | None = None) -> Encode:
    """A module as an `Encode` on the fastest device here, in inference mode."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device).eval()
    call = module if represent is None else represent
    return lambda batch: call(batch.to(device))


def cached(folder: Path, key: str, make: Callable[[], Features]) -> Features:
    """Features that `make` gives, read from `folder` where they were kept by an earlier call.

    Args:
        folder: of the run; two files a key, the matrix memory-mapped when read.
        key: from `key_of`.
        make: called where nothing readable is kept.
    """
    matrix, ids = folder / f"{key}.npy", folder / f"{key}.ids.npy"
    try:
        kept = Features(np.load(matrix, mmap_mode="r", allow_pickle=False), np.load(ids, allow_pickle=False))
        if len(kept.embeddings) == len(kept.ids):
            return kept
    except (OSError, ValueError, EOFError):
        pass
    features = make()
    folder.mkdir(parents=True, exist_ok=True)
    for path, array in ((matrix, features.embeddings), (ids, features.ids)):
        write_atomically(path, partial(_write_npy, array=array))
    return features


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
