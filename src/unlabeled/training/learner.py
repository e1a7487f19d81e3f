"""A learner of a stream that has no end: batches come from outside, one at a time."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from unlabeled.errors import UserError
from unlabeled.modalities import Modality, modality
from unlabeled.run import Run
from unlabeled.training.budget import ENDLESS, Budget, Clock
from unlabeled.training.building import build, described, resolve
from unlabeled.training.claim import Claim
from unlabeled.training.launching import launch
from unlabeled.training.loop import Loop
from unlabeled.training.method import Batch, weights_of
from unlabeled.training.settings import Settings, called

EVERY = 100
"""Batches between two lines of metrics.jsonl."""


@dataclass(frozen=True)
class Added:
    """A component that was made, and why.

    Args:
        component: its number.
        step: after which.
        source: the component that it was copied from, which explained the poor samples best.
        share: of them, that the source explained.
        poor: how many there were.
        bound: their mean bound on log p(x), in nats.
        pictures: the last of them, uint8 (n, C, S, S).
    """

    component: int
    step: int
    source: int
    share: float
    poor: int
    bound: float
    pictures: np.ndarray


@dataclass(frozen=True)
class Observed:
    """What came of one batch.

    Args:
        step: steps done in all, rehearsals among them.
        loss: of the batch.
        rehearsals: updates on generated samples that were due before it.
        components: how many there are now.
        added: the component that the batch completed, or None.
    """

    step: int
    loss: float
    rehearsals: int
    components: int
    added: Added | None


class Endless:
    """Data of which nothing is known beforehand."""

    labels = None
    skipped: tuple[()] = ()

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


class Learner:
    """Learns batch after batch, and can be asked at any time; `unlabeled.learner` makes one.

    Used as `with ... as learner`, it saves itself at the end.

    Args:
        method: the class.
        settings: as asked for, or as the run's folder has them.
        out: the run's folder, made here unless `resume`.
        resume: go on from its checkpoint.
        checkpoint_seconds: between checkpoints.

    Raises:
        UserError: a setting is outside its range, or the folder is taken.
    """

    def __init__(self, method: Any, settings: Settings, out: Path, resume: bool, checkpoint_seconds: float) -> None:
        self.kind: Modality = modality("images")
        preset = getattr(method, "views", {}).get("images", self.kind.views)
        self.form, nothing = settings.image_size, Endless(settings.batch_size)
        fabric = launch(1, 1, settings.precision)
        self.settings = settings = resolve(method, preset, self.kind, settings, nothing, self.form)
        self.views = called(preset, "--views.", settings.views, size=self.form)
        checkpoint = Run(out).checkpoint() if resume else None
        start = settings if checkpoint is None else replace(settings, init=None)
        built = build(method, self.kind, start, nothing, self.form)
        if not resume:
            Run.create(out, settings.config())
        self.run, budget = Run(out), Budget(ENDLESS, None, checkpoint_seconds)
        self.claim = Claim(out)
        self.loop = Loop(fabric, built, settings.batch_size, budget, settings.seed)
        self.method: Any = built
        if checkpoint is not None:
            self.loop.restore(checkpoint)
        if resume:
            self.run.cut_metrics(self.loop.done)
        self.clock, self.logged = Clock(budget, self.loop.done, self.loop.seconds), self.loop.done

    @property
    def batches(self) -> int:
        """Batches that were learnt in all: after a resume, the number of the one to go on with."""
        return int(self.method.learnt)

    def observe(self, batch: Any) -> Observed:
        """Run the rehearsals that are due, then learn a batch.

        Args:
            batch: an array uint8 (B, H, W) or (B, H, W, 3) or of floats in [0, 1], a list of picture files, or whatever
                else holds pictures; of any size from 1.

        Raises:
            UserError: it holds no pictures, one cannot be read, or the loss is no finite number.
        """
        views = self._views(batch)
        return self.learn(Batch(views, torch.arange(len(views))))

    def learn(self, batch: Batch) -> Observed:
        """`observe` of views that are made already."""
        self.loop.module.train()
        before, rehearsals = len(self.method.births), 0
        loss = self.loop.step([batch])
        while self.method.rehearsed:
            rehearsals += 1
            loss = self.loop.step([batch])
        self.loop.watch.add(loss)
        self.loop.seconds = self.clock.seconds()
        if self.batches % EVERY == 0:
            self._log()
        if self.clock.checkpoint_due():
            self.checkpoint()
        births = self.method.births[before:]
        added = [Added(**{**each, "pictures": each["pictures"].numpy()}) for each in births]
        return Observed(
            self.loop.done, float(loss), rehearsals, int(self.method.mixture.active), added[0] if added else None
        )

    def _log(self) -> None:
        """A line of metrics.jsonl."""
        step, self.logged = self.loop.done, self.loop.done
        rate = self.clock.steps_per_second(step)
        self.run.log({"step": step, "steps_per_second": rate, **self.loop.watch.figures(step, 1)})

    def _views(self, batch: Any) -> torch.Tensor:
        samples = self.kind.open(batch, None)
        if samples.skipped:
            first = samples.skipped[0]
            raise UserError(f"{first.path} cannot be read ({first.reason}); leave it out of the batch.")
        plain = self.views
        column = [plain.view(plain.read(samples, place), np.random.default_rng(0)) for place in range(len(samples))]
        joined: torch.Tensor = plain.join([column])
        return joined

    def checkpoint(self) -> None:
        """Keep all that an identical future needs."""
        self.loop.watch.check(self.loop.done)
        self.run.save(self.loop.checkpoint(""))

    def save(self) -> None:
        """Keep a checkpoint and the encoder, so that every verb works on the run."""
        if self.loop.done > self.logged:
            self._log()
        self.checkpoint()
        description = described(self.method, self.settings, "images", self.form, self.loop.done)
        self.run.write_encoder(weights_of(self.method), description)

    # --- what it knows ----------------------------------------------------------------------------------------------

    def components(self) -> list[dict[str, Any]]:
        """Each component's number, its share of the real samples so far, and how it came about (None at the start)."""
        births = {each["component"]: each for each in self.method.births}
        shares = self.method.shares()
        return [{"component": k, "share": share, "birth": births.get(k)} for k, share in enumerate(shares.tolist())]

    @torch.no_grad()
    def which(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        """The most probable component of pictures, int64 (N,), and q(y | x), float32 (N, K)."""
        shares = self._asked(images)[0]
        return shares.argmax(1), shares

    def embed(self, images: Any) -> np.ndarray:
        """The representation of pictures, float32 (N, D)."""
        return self._asked(images)[1]

    @torch.no_grad()
    def _asked(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        self.loop.module.eval()
        views = self.loop.fabric.to_device(self._views(images))
        shares, latents = (each.float().cpu().numpy() for each in self.method.assigned(views))
        self.loop.module.train()
        return shares, latents

    def sample(self, component: int, count: int, seed: int = 0) -> np.ndarray:
        """Pictures that a component generates, float32 (n, C, S, S) in [0, 1].

        Raises:
            UserError: there is no such component.
        """
        try:
            found: np.ndarray = self.method.mixture.sample(component, count, seed).float().cpu().numpy()
        except ValueError as problem:
            raise UserError(f"{problem}.") from None
        return found

    def __enter__(self) -> "Learner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.save()
        self.claim.release()
