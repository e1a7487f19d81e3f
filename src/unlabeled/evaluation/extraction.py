"""Samples to representations, by one process or by several together: the same rows in the same order."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled import chance
from unlabeled.distributed import collect, collect_rows, rank, world_size
from unlabeled.errors import Unreadable, UserError
from unlabeled.evaluation.features import Block, Features
from unlabeled.training.loader import Samples, Views, views_of
from unlabeled.training.memory import is_out_of_memory
from unlabeled.training.progress import Progress

Encode = Callable[[Any], Tensor]
"""A batch in the encoder's form to (B, D)."""

THREADS = min(8, os.cpu_count() or 1)


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
    """Embed every sample that can be read, in order; every process gets all rows.

    Args:
        encode: the encoder, in inference mode.
        samples: the data.
        views: the one plain view, or the views of a method (drawn from `seed`).
        batch: samples at a time.
        seed: of views that are drawn by chance.
        show: whether progress is shown.

    Raises:
        UserError: no sample can be read, or memory does not hold one.
    """
    made = list(extract_blocks(encode, samples, views, batch, seed, show))
    rows = [np.concatenate([block.views[number] for block in made if len(block.ids)]) for number in range(views.count)]
    unreadable = [each for block in made for each in block.unreadable]
    return Extracted(rows, np.concatenate([block.ids for block in made]), unreadable)


def extract_blocks(
    encode: Encode, samples: Samples, views: Views, batch: int = 256, seed: int = 0, show: bool = True
) -> Iterator[Block]:
    """`extract`, a block of `batch` places after the other, so that nothing as large as the data need be held.

    Block b is made by process b modulo R and comes to all of them. What is in a block depends on its
    places alone, so its rows are the same to the bit whatever the number of processes.

    Raises:
        UserError: as `extract`; on all processes alike.
    """
    encoder, rows, unreadable = _WithinMemory(encode, views, batch), 0, []
    with Progress("embedding", len(samples), "samples", show=show) as progress:
        for looked_at in _looked_at(samples, views, batch, seed):
            for block in _exchanged(encoder, looked_at):
                rows += len(block.ids)
                unreadable += block.unreadable
                progress.update(rows + len(unreadable))
                yield block
    if not rows:
        raise UserError(f"none of the {len(samples)} samples can be read; the first: {': '.join(unreadable[0])}.")


@dataclass(frozen=True)
class _Looked:
    """What a process saw of its block: the views of each sample, each sample's place, and what it could not read."""

    samples: list[list[Any]]
    places: list[int]
    unreadable: list[tuple[str, str]]


def _looked_at(samples: Samples, views: Views, batch: int, seed: int) -> Iterator[_Looked]:
    """This process's blocks, the last perhaps empty, read by threads one block ahead of the encoder."""

    def look(place: int) -> list[Any] | Unreadable:
        try:
            sample = views.read(samples, place)
        except Unreadable as problem:
            return problem
        return views_of(views, sample, seed, chance.VIEWS, 0, place)

    rounds = range(0, len(samples), world_size() * batch)  # as many on every process
    blocks = [range(len(samples))[start + rank() * batch :][:batch] for start in rounds]
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(look, place) for place in blocks[0]]
        for block, following in zip(blocks, [*blocks[1:], range(0)], strict=True):
            now, waiting = waiting, [pool.submit(look, place) for place in following]
            looked = _Looked([], [], [])
            for place, future in zip(block, now, strict=True):
                result = future.result()
                if isinstance(result, Unreadable):
                    looked.unreadable.append((result.path, result.reason))
                else:
                    looked.samples.append(result)
                    looked.places.append(place)
            yield looked


def _exchanged(encoder: "_WithinMemory", looked: _Looked) -> list[Block]:
    """The blocks that all processes make at the same time, in the order of their places.

    Raises:
        UserError: what one process met, on all of them, so that none waits for another for ever.
    """
    rows, problem = torch.empty(0, 0, 0), ""
    try:
        if looked.places:
            rows = encoder(looked.samples)
    except UserError as error:
        problem = str(error)
    heads = collect((looked.places, looked.unreadable, problem))
    for _, _, problem_there in heads:
        if problem_there:
            raise UserError(problem_there)
    return [
        Block(list(part.numpy().transpose(1, 0, 2)), np.asarray(places, np.int64), unreadable)
        for part, (places, unreadable, _) in zip(collect_rows(rows), heads, strict=True)
    ]


class _WithinMemory:
    """Encodes samples all at once, and in ever smaller parts from the moment when memory does not hold them.

    Args:
        encode: the encoder.
        views: which join samples.
        most: samples at a time, at first.
    """

    def __init__(self, encode: Encode, views: Views, most: int) -> None:
        self.encode, self.views, self.most = encode, views, most

    def __call__(self, samples: list[list[Any]]) -> Tensor:
        """The views of B samples to float32 (B, views, D).

        Raises:
            UserError: memory does not hold a single sample.
        """
        while True:
            try:
                parts = range(0, len(samples), self.most)
                return torch.cat([self._encoded(samples[start : start + self.most]) for start in parts])
            except (RuntimeError, MemoryError) as problem:
                if not is_out_of_memory(problem):
                    raise
            if self.most == 1:
                raise UserError("out of memory with one sample at a time; use a machine or a device with more memory.")
            self.most = (min(self.most, len(samples)) + 1) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    @torch.inference_mode()
    def _encoded(self, samples: list[list[Any]]) -> Tensor:
        columns = [list(column) for column in zip(*samples, strict=True)]
        rows = self.encode(self.views.join(columns)).float().cpu()  # (views x B, D)
        return rows.reshape(self.views.count, len(samples), -1).transpose(0, 1)  # (B, views, D)


def encode_with(module: nn.Module, represent: Encode | None = None) -> Encode:
    """A module as an `Encode` on the fastest device here, in inference mode."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device).eval()
    call = module if represent is None else represent
    return lambda batch: call(batch.to(device))
