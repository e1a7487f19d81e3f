"""Batches of views by step number: what a step sees depends on nothing but the seed, the data and the step."""

import atexit
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, runtime_checkable
from weakref import WeakSet

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from unlabeled import chance
from unlabeled.data.streams import Order, Shuffled
from unlabeled.errors import Unreadable, UserError
from unlabeled.training.method import Batch


class Samples(Protocol):
    """A data set as the loop sees it; its own modality's views know how to read it."""

    labels: np.ndarray | None

    def __len__(self) -> int: ...


class Views(Protocol):
    """How samples of one modality are read, looked at and joined into the encoder's form."""

    count: int
    view: Callable[[Any, np.random.Generator], Any]

    def read(self, samples: Any, place: int) -> Any:
        """One sample as it is on disk; raises `Unreadable`."""

    def join(self, views: Sequence[Sequence[Any]]) -> Any:
        """`views[v][i]` to a batch in the encoder's form, view by view."""


@runtime_checkable
class Together(Protocol):
    """Views of a sample that depend on each other, such as two that share their crop: made at once, not by `view`."""

    together: Callable[[Any, Sequence[np.random.Generator]], list[Any]]


@runtime_checkable
class ByPlace(Protocol):
    """Views that hold no more than where their samples are: nothing is read and nothing is left to chance."""

    def of_places(self, places: np.ndarray) -> Any:
        """Those of samples at places, int64 (B,), as `join` would give them."""


def views_of(views: Views, sample: Any, *draw: int) -> list[Any]:
    """All views of one sample: of each the generator of `draw` (seed, use, epoch or pass, place) and its number."""
    generators = [chance.generator(*draw, number) for number in range(views.count)]
    if isinstance(views, Together):
        return views.together(sample, generators)
    return [views.view(sample, generator) for generator in generators]


@dataclass(frozen=True)
class Loaded:
    """One step's batch, in the parts in which it is made, and the samples that could not be read on the way."""

    parts: list[Batch]
    unreadable: list[tuple[str, str]]

    @property
    def batch(self) -> Batch:
        """The batch of a step that is made in one part."""
        (batch,) = self.parts
        return batch


class Steps(Dataset[Loaded]):
    """Maps a step to this process's batch.

    The order says which samples the global batch of a step holds, in a row. This is cut into `parts` runs, and of each
    of these process r of R takes the r-th share: so the parts hold the same samples whatever the number of processes.
    A sample that cannot be read is replaced by the next one that can.

    Args:
        samples: the data.
        views: of its modality.
        seed: of the run.
        batch_size: over all processes, at most the number of samples, divisible by `parts` times `processes`.
        process: this process's number.
        processes: how many there are.
        parts: in how many parts the batch of a step is made.
        order: which samples a step meets; by default each epoch is one permutation of the data.
    """

    def __init__(
        self,
        samples: Samples,
        views: Views,
        seed: int,
        batch_size: int,
        process: int = 0,
        processes: int = 1,
        parts: int = 1,
        order: Order | None = None,
    ) -> None:
        self.samples, self.views, self.seed, self.batch_size = samples, views, seed, batch_size
        self.process, self.processes, self.parts = process, processes, parts
        self.per_epoch = len(samples) // batch_size  # the last, smaller batch of an epoch is left out
        self.order = Shuffled(len(samples), batch_size, seed) if order is None else order

    def places(self, step: int) -> tuple[int, np.ndarray]:
        """The epoch of a step (or what its views are drawn by) and this process's samples, int64 (parts, B)."""
        epoch, whole = self.order.places(step)
        return epoch, whole.reshape(self.parts, self.processes, -1)[:, self.process]

    def __getitem__(self, step: int) -> Loaded:
        epoch, places = self.places(step)
        unreadable: list[tuple[str, str]] = []
        return Loaded([self._part(epoch, part, unreadable) for part in places], unreadable)

    def _part(self, epoch: int, places: np.ndarray, unreadable: list[tuple[str, str]]) -> Batch:
        return seen(self.samples, self.views, places, (self.seed, chance.VIEWS, epoch), unreadable)


def seen(
    samples: Samples,
    views: Views,
    places: np.ndarray,
    chance_of: tuple[int, ...],
    unreadable: list[tuple[str, str]],
) -> Batch:
    """Views of the samples at some places; a sample that cannot be read gives way to the next one that can.

    Args:
        samples: the data.
        views: of its modality.
        places: int64 (B,).
        chance_of: seed, use and place of the draws, to which the sample's place and the view's number are added.
        unreadable: names and reasons of what cannot be read are added here.

    Returns:
        The batch; its `index` holds the places that were read.

    Raises:
        UserError: nothing can be read.
    """
    if isinstance(views, ByPlace):
        return Batch(views.of_places(places), torch.from_numpy(places.copy()))
    columns: list[list[Any]] = [[] for _ in range(views.count)]
    index = places.copy()
    for row, place in enumerate(places):
        index[row], sample = _read(samples, views, int(place), unreadable)
        for column, view in zip(columns, views_of(views, sample, *chance_of, int(index[row])), strict=True):
            column.append(view)
    return Batch(views.join(columns), torch.from_numpy(index))


def _read(samples: Samples, views: Views, place: int, unreadable: list[tuple[str, str]]) -> tuple[int, Any]:
    for offset in range(len(samples)):
        other = (place + offset) % len(samples)
        try:
            return other, views.read(samples, other)
        except Unreadable as problem:
            unreadable.append((problem.path, problem.reason))
    raise UserError("no sample of the data can be read any more; check that the folder is still there.")


def batches(steps: Dataset[Loaded], start: int, stop: int, workers: int, pin_memory: bool = False) -> Iterator[Loaded]:
    """The batches of steps `start` to `stop`, the same however many processes (`workers`, or this one) make them.

    Raises:
        UserError: the system ended one of these processes.
    """
    forks = workers > 0 and "fork" in multiprocessing.get_all_start_methods()  # views are closures: no pickle has them
    loader: DataLoader[Loaded] = DataLoader(
        steps,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        multiprocessing_context="fork" if forks else None,
        pin_memory=pin_memory,
        worker_init_fn=_deaf,
    )
    others = set(multiprocessing.active_children())
    try:
        made = iter(loader)
        _WORKERS.update(set(multiprocessing.active_children()) - others)
        yield from made
    except UserError as problem:  # of a worker, it comes back behind the worker's traceback
        raise UserError(str(problem).strip().rpartition("UserError: ")[2]) from None
    except RuntimeError as problem:
        if "DataLoader worker (pid" not in str(problem):  # any other is a fault of the views
            raise
        raise UserError(
            "a process that makes views was ended by the system, most likely for want of memory; lower --workers and "
            "go on with --resume."
        ) from None


_WORKERS: WeakSet[BaseProcess] = WeakSet()


@atexit.register
def _end_workers() -> None:
    """Python ends what is left of its processes by the signal that workers do not hear, and would wait forever."""
    for worker in _WORKERS:
        if worker.is_alive() and worker.pid is not None:
            os.kill(worker.pid, signal.SIGQUIT)


def _deaf(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal; workers go on until the training process has ended its step."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, lambda number, frame: os._exit(0))  # in peace: torch raises where a worker is killed
