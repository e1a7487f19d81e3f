"""From settings to a trained run: opens the data, builds the method, hands both to the loop."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from unlabeled.data.streams import Order, Sequential, stream
from unlabeled.distributed import barrier, lost_process_told, on_first, rank, world_size
from unlabeled.errors import UserError
from unlabeled.modalities import modality
from unlabeled.run import Run
from unlabeled.training.budget import Budget
from unlabeled.training.building import build, described, form_of, opened, resolve
from unlabeled.training.checkpoints import Checkpoint
from unlabeled.training.claim import Claim
from unlabeled.training.compiling import compile_in_place, compiler_told
from unlabeled.training.journal import Journal
from unlabeled.training.launching import launch
from unlabeled.training.loader import Steps
from unlabeled.training.loop import Loop
from unlabeled.training.memory import out_of_memory_told, smaller_batch
from unlabeled.training.method import (
    KeepsTime,
    Labels,
    LooksThrough,
    StepsItself,
    weights_of,
)
from unlabeled.training.passes import Passes
from unlabeled.training.settings import Execution, Settings, called
from unlabeled.training.tensorboard import Board


class Session:
    """A run about to train: its folder, its data, and the loop at the step it goes on from.

    Args:
        method: the method's class.
        settings: as asked for, or with `resume` as the run's folder has them.
        execution: how to execute.
        out: the run's folder, made here unless `resume`.
        resume: go on with what is there.
        data: a path, data in memory, or None for the built-in sample.
        modality_name: of the data.

    Raises:
        UserError: whatever of this cannot be done, in one sentence.
    """

    def __init__(
        self,
        method: Callable[..., Any],
        settings: Settings,
        execution: Execution,
        out: Path,
        resume: bool,
        data: Any,
        modality_name: str,
    ) -> None:
        kind = modality(modality_name)
        settings = replace(settings, encoder=settings.encoder or getattr(method, "encoders", {}).get(modality_name))
        preset = getattr(method, "views", {}).get(modality_name, kind.views)
        fabric = launch(execution.devices, execution.num_nodes, settings.precision)
        self.modality = modality_name
        self.samples = opened(kind, data, settings)
        self.form = form_of(kind, settings, self.samples)
        batch_asked_for = settings.batch_size
        self.settings = settings = resolve(method, preset, kind, settings, self.samples, self.form, fabric.world_size)
        self.views = called(preset, "--views.", settings.views, size=self.form)
        checkpoint = Run(out).checkpoint() if resume else None
        start = settings if checkpoint is None else replace(settings, init=None)
        built = build(method, kind, start, self.samples, self.form)
        if execution.compile:
            compile_in_place(built.encoder)
        if not resume:
            on_first(lambda: Run.create(out, replace(settings, batch_size=batch_asked_for).config()))
        self.run, self.execution = Run(out), execution
        on_first(self._claim)
        workers = default_workers(fabric) if execution.workers is None else execution.workers
        budget = Budget(
            self.total_steps(), execution.max_time, execution.checkpoint_seconds, workers, settings.keep or 0
        )
        self.stream = self.order()
        if isinstance(built, KeepsTime) and isinstance(self.stream, Sequential):
            built.keep_time(self.stream.period)
        with out_of_memory_told(lambda: f"{settings.encoder} does not fit in memory; choose a smaller --encoder."):
            self.loop = Loop(fabric, built, settings.batch_size, budget, settings.seed)
        if isinstance(built, LooksThrough):
            plain, batch = kind.plain(self.form), settings.batch_size
            built.look_through(Passes(self.samples, self.views, plain, settings.seed, batch, workers, fabric))
        if checkpoint is not None:
            self._restore(checkpoint)
        if resume and rank() == 0:
            self.run.cut_metrics(self.loop.done)

    def total_steps(self) -> int:
        """The run's length: whole batches of all epochs, and no more than `max_steps`, which is that of a stream."""
        settings = self.settings
        if settings.order != "shuffled" and settings.max_steps is not None:
            return settings.max_steps  # the length of the stream, which knows no epochs
        steps = settings.epochs * (len(self.samples) // settings.batch_size)
        return steps if settings.max_steps is None else min(steps, settings.max_steps)

    def order(self) -> Order:
        """Which samples every step meets.

        Raises:
            UserError: a stream by class of data without labels, or of fewer steps than classes.
        """
        asked, count, steps = self.settings, len(self.samples), self.total_steps()
        labels = None if asked.order == "shuffled" else self.samples.labels
        return stream(
            asked.order, labels, count, asked.batch_size, steps, asked.seed, asked.classes_at_once,
            asked.shuffle_classes,
        )  # fmt: skip

    def _claim(self) -> None:
        self.claim = Claim(self.run.path)

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.data != self.samples.fingerprint():
            raise UserError(
                f"the data of {self.run.path} has changed since its checkpoint, so it cannot be resumed exactly; "
                "start a new run with --init."
            )
        self.loop.restore(checkpoint)

    def train(self) -> None:
        """Train to the end and write the encoder.

        Raises:
            UserError: the loss is no finite number, or memory or a compiler is missing.
        """
        settings = self.settings
        steps = Steps(
            self.samples, self.views, settings.seed, settings.batch_size, rank(), world_size(), settings.accumulate,
            self.stream,
        )  # fmt: skip
        for skipped in self.samples.skipped if rank() == 0 else ():
            self.run.skip(skipped.path, skipped.reason)
        compiled = compiler_told() if self.execution.compile else nullcontext()
        with self._journal() as journal, lost_process_told(), out_of_memory_told(self._smaller), compiled:
            self.loop.run(steps, journal, self.samples.fingerprint())
        if rank() == 0:
            self.run.write_encoder(*self._encoder())
            if isinstance(self.loop.method, Labels):
                self.loop.method.labeller().write(self.run)
            self.claim.release()
        barrier()

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        """The run's folder, and TensorBoard beside it where it is asked for."""
        if not self.execution.tensorboard or rank() > 0:
            yield self.run
            return
        with closing(Board(self.run, self.run.path / "tensorboard", self.loop.done)) as board:
            yield board

    def _smaller(self) -> str:
        """What to say when memory runs out."""
        settings, in_parts = self.settings, not isinstance(self.loop.method, StepsItself)
        smaller = smaller_batch(settings.batch_size, settings.accumulate, world_size(), in_parts)
        kept = self.run.path / "checkpoints" / "last.pt"
        return (
            f"out of memory at step {self.loop.done + 1} with --batch-size {settings.batch_size}; start a new run with "
            f"{smaller}" + (f" ({kept} is whole)." if kept.exists() else ".")
        )

    def _encoder(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
        """The weights to keep, how to build what they fill, and the weights of the projector where there is one."""
        method, settings = self.loop.method, self.settings
        description = described(method, settings, self.modality, self.form, self.loop.done)
        if description["represents"]:
            return weights_of(method), description, None
        projector = getattr(method, "projector", None)
        if not isinstance(projector, nn.Sequential) or not len(projector):
            return weights_of(method), description, None
        description["projector_layers"] = len(projector)
        return weights_of(method), description, projector.state_dict()


def default_workers(fabric: Fabric) -> int:
    """Processes that make views: all cores but one beside a GPU, two beside a network that is on the CPU itself."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = max(1, cores // int(fabric.world_size))
    return min(2, share) if fabric.device.type == "cpu" else max(1, share - 1)
