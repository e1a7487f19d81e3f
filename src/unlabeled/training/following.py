"""`--follow`: learn the pictures of a folder as they arrive."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unlabeled.data.arrivals import ArrivalJournal, Arrivals
from unlabeled.data.images import open_images
from unlabeled.data.images.folder import open_pictures
from unlabeled.errors import Unreadable, UserError
from unlabeled.modalities import image_size
from unlabeled.training.learner import Learner, Observed
from unlabeled.training.method import Batch
from unlabeled.training.signals import StopSignals

POLL = 0.2
"""Seconds between looks into a folder in which nothing is new."""


@dataclass
class Follower:
    """Feeds a learner with a folder's arrivals, a batch at a time, each picture once.

    A batch is learnt when it is full; what is left when nothing has come for `idle` seconds is learnt then.

    Args:
        learner: at its checkpoint.
        folder: that is watched.
        idle: seconds without a new picture after which it ends; None: never.
        steps: at which it ends; None: never.
        seconds: of this call after which it ends; None: never.
        told: called with what came of every batch.
    """

    learner: Learner
    folder: Path
    idle: float | None = None
    steps: int | None = None
    seconds: float | None = None
    told: Callable[[Observed], None] = lambda observed: None
    waiting: list[tuple[str, np.ndarray]] = field(default_factory=list)

    def run(self) -> None:
        """Learn until it is to end, and save.

        Raises:
            UserError: the folder is gone, or a picture that the journal names and no checkpoint holds.
        """
        self.journal = ArrivalJournal(self.learner.run.path / "arrivals.jsonl")
        arrivals, began = Arrivals(self.folder, set(self.journal.known)), time.monotonic()
        last = began
        with StopSignals() as stop:

            def ends() -> bool:
                late = self.seconds is not None and time.monotonic() - began >= self.seconds
                return stop.asked or late or (self.steps is not None and self.learner.loop.done >= self.steps)

            while not ends() and self.learner.batches < len(self.journal.batches):
                self._again(self.journal.batches[self.learner.batches])
            while not ends():
                if self._took(arrivals, ends):
                    last = time.monotonic()
                elif self.idle is not None and time.monotonic() - last >= self.idle:
                    if self.waiting:
                        self._learn(len(self.waiting))
                    break
                else:
                    time.sleep(POLL)
        self.learner.save()

    def _took(self, arrivals: Arrivals, ends: Callable[[], bool]) -> bool:
        """Whether anything new was there."""
        new = False
        for arrival in arrivals.look():
            new = True
            if arrival.pixels is None:
                self.learner.run.skip(arrival.name, arrival.reason)  # first: a kill between the two loses nothing
                self.journal.unreadable(arrival.name)
                continue
            self.waiting.append((arrival.name, self._view(arrival.pixels)))
            if len(self.waiting) >= self.learner.settings.batch_size:
                self._learn(self.learner.settings.batch_size)
                if ends():
                    break
        return new

    def _learn(self, count: int) -> None:
        part, self.waiting = self.waiting[:count], self.waiting[count:]
        self.journal.batch([name for name, _ in part])
        self._observe([view for _, view in part])

    def _again(self, names: list[str]) -> None:
        """A batch of the journal that the checkpoint does not hold."""
        views = []
        for name in names:
            try:
                views.append(self._view(open_pictures([str(self.folder / name)]).read(0)))
            except (Unreadable, UserError):
                raise UserError(
                    f"{self.folder / name} was learnt after the last checkpoint and cannot be read any more, so that "
                    "the run cannot go on as it was; put it back, or start a new run."
                ) from None
        self._observe(views)

    def _view(self, pixels: np.ndarray) -> np.ndarray:
        view: np.ndarray = self.learner.views.view(pixels, np.random.default_rng(0))
        return view

    def _observe(self, views: list[np.ndarray]) -> None:
        joined: Tensor = self.learner.views.join([views])
        self.told(self.learner.learn(Batch(joined, torch.arange(len(joined)))))


def first_size(folder: Path, idle: float | None = None) -> int:
    """The default side for the pictures of a folder, by the first that is there; waited for.

    Args:
        folder: that is watched.
        idle: seconds to wait at most.

    Raises:
        UserError: none came.
    """
    began = time.monotonic()
    while idle is None or time.monotonic() - began <= idle:
        for arrival in Arrivals(folder, set()).look():
            if arrival.pixels is not None:
                return image_size(open_images(arrival.pixels[None]))
        time.sleep(POLL)
    raise UserError(f"no picture has come to {folder} within {idle:g} seconds; give --image-size, or wait longer.")
