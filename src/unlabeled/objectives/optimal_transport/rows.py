"""Logits in whatever form they come, as pieces that can be read again and again; and threads that read them."""

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from unlabeled.distributed import collect

Found = TypeVar("Found")
Logits = Tensor | np.ndarray | Iterable[Tensor | np.ndarray]
"""(N, K) in memory or mapped, or chunks (n, K) in order: anything but an iterator, which could be read only once."""

PIECE = 2**26
"""Entries that are handed to the threads at a time: enough that the handing costs nothing."""


def pieces(logits: Logits) -> Iterator[Tensor]:
    """The rows in order, as tensors (n, K) of at most `PIECE` entries; nothing is copied.

    Raises:
        ValueError: an iterator, something that is not (n, K), or chunks of different widths.
    """
    if isinstance(logits, Iterator):
        raise ValueError("logits are read once a pass: give a list or a class with __iter__, not a generator")
    width = None
    for number, chunk in enumerate([logits] if isinstance(logits, Tensor | np.ndarray) else logits):
        rows = as_tensor(chunk)
        if rows.ndim != 2 or rows.is_complex() or rows.shape[1] != (width or rows.shape[1]):
            wanted = "(N, K)" if width is None else f"(n, {width}) as those before"
            raise ValueError(
                f"logits are real numbers {wanted}, got {rows.dtype} {tuple(rows.shape)} in chunk {number}"
            )
        width = rows.shape[1]
        if rows.numel():
            yield from torch.split(rows, max(1, PIECE // width))


def as_tensor(array: Tensor | np.ndarray) -> Tensor:
    """The same memory as a tensor without gradient; an array of strides or bytes that torch does not know is copied."""
    if isinstance(array, Tensor):
        return array.detach()
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"balanced assignment takes real numbers, got an array of {array.dtype}")
    if not array.dtype.isnative or any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing is written here
        return torch.from_numpy(array)


def width_of(logits: Logits) -> int:
    """K, the same on all processes; one that has no rows learns it from the others.

    Raises:
        ValueError: no process has a row, or they have different widths.
    """
    widths = set(collect(next((piece.shape[1] for piece in pieces(logits)), 0))) - {0}
    if len(widths) != 1:
        found = "none" if not widths else f"widths {sorted(widths)} on different processes"
        raise ValueError(f"logits have at least one sample and one cluster, got {found}")
    return int(widths.pop())


def every(logits: Logits, step: int) -> Logits:
    """Each `step`-th row: a view of what is in memory or mapped, a copy of what comes in chunks."""
    if isinstance(logits, Tensor | np.ndarray):
        return logits[::step]
    chosen, first = [], 0
    for piece in pieces(logits):
        chosen.append(piece[-first % step :: step].clone())
        first += len(piece)
    return chosen


class Threads:
    """As many threads as torch has here, each with one core to itself: blocks are too small to be shared.

    In them numbers below the smallest normal one are 0: arithmetic with them is ten times as slow, and to a
    sum of normal numbers they add nothing.
    """

    def __init__(self) -> None:
        self.count = torch.get_num_threads()
        self._all_here = threading.Barrier(self.count + 1)
        self._pool = ThreadPoolExecutor(self.count)

    def __enter__(self) -> "Threads":
        started = [self._pool.submit(self._begin) for _ in range(self.count)]
        self._all_here.wait()
        for each in started:
            each.result()
        torch.set_num_threads(self.count)  # what a thread sets for itself is also what later threads begin with
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()

    def _begin(self) -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        self._all_here.wait()

    def runs(self, work: Callable[[slice], Found], piece: Tensor) -> list[Found]:
        """`work` of consecutive runs of a piece's rows, in order: a run a thread, or one where it is not on the CPU."""
        count = self.count if piece.device.type == "cpu" else 1
        size = max(1, -(-len(piece) // count))
        parts = [slice(start, min(start + size, len(piece))) for start in range(0, len(piece), size)]
        if piece.device.type == "cpu":
            return list(self._pool.map(work, parts))
        with torch.autocast(piece.device.type, enabled=False):
            return [work(part) for part in parts]
