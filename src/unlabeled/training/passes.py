"""Passes over all samples in the middle of training, by all processes together: each sample exactly once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import Dataset

from unlabeled import chance
from unlabeled.distributed import rank, world_size
from unlabeled.training.loader import Loaded, Samples, Views, batches, seen
from unlabeled.training.method import Batch
from unlabeled.training.progress import Progress

PATIENCE = 5.0
"""Seconds that a pass may take before it shows its progress."""


class Pass(Dataset[Loaded]):
    """Maps a number to this process's share of that batch of one pass.

    An order drawn for the pass is cut into as many runs of almost equal length as an epoch has steps, and of
    each process r takes the r-th share. So no batch is smaller than a step's, whatever the number of samples:
    batch norm of a last batch of one would not be defined. Nothing is left out and nothing is there twice.

    Args:
        samples: the data.
        views: of its modality.
        seed: of the run.
        number: of the pass: with the seed, the sample and the view's number it decides each draw.
        batch_size: of a step, over all processes, at most the number of samples.
        process: this process's number.
        processes: how many there are, at most `batch_size`.
    """

    def __init__(
        self,
        samples: Samples,
        views: Views,
        seed: int,
        number: int,
        batch_size: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.samples, self.views, self.draws = samples, views, (seed, chance.PASS, number)
        order = chance.generator(*self.draws).permutation(len(samples))
        runs = np.array_split(order, max(1, len(samples) // batch_size))
        self.places = [np.array_split(run, processes)[process] for run in runs]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, batch: int) -> Loaded:
        """The batch; where a sample could not be read, its row holds another one and its index is -1."""
        unreadable: list[tuple[str, str]] = []
        places = self.places[batch]
        made = seen(self.samples, self.views, places, self.draws, unreadable)
        made.index[made.index != torch.from_numpy(places)] = -1
        return Loaded([made], unreadable)


@dataclass(frozen=True)
class Passes:
    """What a method needs in order to look at all samples between two steps.

    Args:
        samples: the data.
        views: that training looks at.
        plain: the one view without chance.
        seed: of the run.
        batch_size: samples at a time, over all processes: those of a step, or of a part of one.
        workers: processes that make views.
        fabric: which knows device and precision.
    """

    samples: Samples
    views: Views
    plain: Views
    seed: int
    batch_size: int
    workers: int
    fabric: Fabric

    @torch.no_grad()
    def rows(self, encode: Callable[[Any], Tensor], number: int, plain: bool, what: str) -> tuple[Tensor, Tensor]:
        """What `encode` says of the first view of every sample, in the mode that its network is in.

        All processes call it together, since batch norm in training mode is over the batch of all.

        Args:
            encode: a batch in the encoder's form to (views x B, D).
            number: of the pass.
            plain: whether samples are looked at without chance.
            what: is being done, for the progress.

        Returns:
            This process's rows (N_p, D), float32 (float64 where the network is), and their places in the data,
            int64 (N_p,), each of them once over all processes. A sample that cannot be read has no row. Both
            are on the network's device, or in the machine's memory where the device is too small for them.
        """
        views = self.plain if plain else self.views
        whole = Pass(self.samples, views, self.seed, number, self.batch_size, rank(), world_size())
        rows: Tensor | None = None
        index, filled = torch.empty(sum(map(len, whole.places)), dtype=torch.int64), 0
        pinned = self.fabric.device.type == "cuda"
        progress = Progress(what, len(whole), "samples", weight=self.batch_size, patience=PATIENCE)
        with progress:
            for done, loaded in enumerate(batches(whole, 0, len(whole), self.workers, pinned), 1):
                places = loaded.batch.index
                read = places >= 0
                found = self._encoded(encode, loaded.batch)[: len(places)][read.to(self.fabric.device)]
                if rows is None:
                    rows = _room(len(index), found)
                rows[filled : filled + len(found)] = found
                index[filled : filled + len(found)] = places[read]
                filled += len(found)
                progress.update(done)
        assert rows is not None
        return rows[:filled], index[:filled].to(rows.device)

    def _encoded(self, encode: Callable[[Any], Tensor], batch: Batch) -> Tensor:
        views = self.fabric.strategy.precision.convert_input(self.fabric.to_device(batch.views))
        with self.fabric.autocast():
            found = encode(views)
        return found if found.dtype == torch.float64 else found.float()


def _room(count: int, like: Tensor) -> Tensor:
    """Empty (count, D), on the device of `like` where that takes no more than a quarter of what is free there."""
    needed = count * like.shape[1] * like.element_size()
    tight = like.is_cuda and needed > torch.cuda.mem_get_info(like.device)[0] // 4
    return torch.empty(count, like.shape[1], dtype=like.dtype, device="cpu" if tight else like.device)
