"""The one loop: every method, every modality, one process or many."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from unlabeled import chance
from unlabeled.distributed import average_gradients, rank, world_size
from unlabeled.training.budget import Budget, Clock
from unlabeled.training.checkpoints import Checkpoint
from unlabeled.training.journal import Journal, Writer
from unlabeled.training.loader import Steps, batches
from unlabeled.training.method import (
    ActsBeforeStep,
    Batch,
    Measures,
    Method,
    Penalises,
    Remembers,
    StepsItself,
    weights_of,
)
from unlabeled.training.progress import Progress
from unlabeled.training.signals import StopSignals
from unlabeled.training.watch import Watch


class Loop:
    """Trains one method, step by step; the state after any step can be saved and gone on from.

    Args:
        fabric: launched; decides device, precision and processes.
        method: an `nn.Module` on the CPU, prepared.
        batch_size: over all processes.
        budget: how long.
        seed: of the run.
    """

    def __init__(self, fabric: Fabric, method: Method, batch_size: int, budget: Budget, seed: int) -> None:
        assert isinstance(method, nn.Module)
        self.fabric, self.method, self.module, self.budget, self.seed = fabric, method, method, budget, seed
        self.plan = method.optimizer(batch_size, budget.steps)
        for group in self.plan.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.done, self.seconds, self.steps_per_second = 0, 0.0, 0.0
        measured = [each for each in (method.encoder, method) if isinstance(each, Measures)]
        self.watch = Watch(method.encoder, lambda: {n: v for each in measured for n, v in each.figures().items()})
        if isinstance(method, StepsItself):  # its inner loop averages gradients itself, so no wrapper
            fabric.strategy.precision.convert_module(method).to(fabric.device)
            self.wrapped: Any = method
        else:
            self.wrapped, _ = fabric.setup(method, self.plan.optimizer)
            self.wrapped.mark_forward_method("loss")

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.module.load_state_dict(checkpoint.method)
        self.plan.optimizer.load_state_dict(checkpoint.optimizer)
        if isinstance(self.method, Remembers):
            self.method.remember(checkpoint.memory)
        self.done, self.seconds = checkpoint.step, checkpoint.seconds

    def checkpoint(self, fingerprint: str) -> Checkpoint:
        """The state after the last step."""
        memory = self.method.memory() if isinstance(self.method, Remembers) else {}
        weights, moments = self.module.state_dict(), self.plan.optimizer.state_dict()
        return Checkpoint(self.done, weights, moments, fingerprint, self.seconds, memory)

    def step(self, parts: Sequence[Batch]) -> Tensor:
        """One step of the method on this process's batch, in one part or several; returns the mean of their losses."""
        chance.seed_torch(self.seed, chance.MODEL, self.done, rank())
        factor = self.plan.schedule(self.done)
        for group in self.plan.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        if isinstance(self.method, ActsBeforeStep):
            self.method.before_step(self.done)
        if isinstance(self.method, StepsItself):
            (batch,) = parts
            with self.fabric.autocast():
                loss = self.method.step(self._here(batch), self._update)
        else:
            loss = self._accumulate(parts)
        self.done += 1
        return loss.detach()

    def _here(self, batch: Batch) -> Batch:
        views = self.fabric.strategy.precision.convert_input(self.fabric.to_device(batch.views))
        return Batch(views, self.fabric.to_device(batch.index))

    def _accumulate(self, parts: Sequence[Batch]) -> Tensor:
        """Move down the mean of the parts' gradients, which processes exchange once, after the last part."""
        self.plan.optimizer.zero_grad()
        losses = []
        for number, part in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.wrapped, enabled=number < len(parts)):
                with self.fabric.autocast():  # Fabric itself enters it only where a wrapper such as DDP is in between
                    loss = self.wrapped.loss(self._here(part))
                    if isinstance(self.method.encoder, Penalises):
                        loss = loss + self.method.encoder.penalty()
                self.fabric.backward(loss / len(parts))
            losses.append(loss.detach())
        self._move([p for p in self.module.parameters() if p.requires_grad])
        return torch.stack(losses).mean()

    def _update(self, loss: Tensor, parameters: Iterable[nn.Parameter] | None = None) -> None:
        """For a method that steps itself: backward, and one optimiser step of `parameters` (all where None)."""
        chosen = [p for p in (self.module.parameters() if parameters is None else parameters) if p.requires_grad]
        self.plan.optimizer.zero_grad()
        self.fabric.backward(loss)
        if parameters is not None:
            kept = set(chosen)
            for parameter in self.module.parameters():
                if parameter not in kept:
                    parameter.grad = None  # the optimisers leave parameters without gradient as they are
        if world_size() > 1:
            average_gradients(chosen)
        self._move(chosen)

    def _move(self, chosen: list[nn.Parameter]) -> None:
        if self.plan.clip is not None:
            clip_grad_norm_(chosen, self.plan.clip)
        self.plan.optimizer.step()

    def run(self, steps: Steps, journal: Journal, fingerprint: str = "") -> None:
        """Train to the end of the budget, its time or a signal; save now and then and at the end.

        Args:
            steps: the views of every step.
            journal: where checkpoints, figures and unreadable samples go.
            fingerprint: of the data, kept in checkpoints.

        Raises:
            UserError: the loss is no longer a finite number.
        """
        self.module.train()
        clock, writer = Clock(self.budget, self.done, self.seconds), Writer(journal, steps, self.budget, self.watch)
        loader = batches(steps, self.done, self.budget.steps, self.budget.workers, self.fabric.device.type == "cuda")
        progress = Progress("training", self.budget.steps, "samples", self.done, steps.batch_size)
        with progress, StopSignals() as stop:
            for loaded in loader:
                self.watch.add(self.step(loaded.parts))
                self.seconds, self.steps_per_second = clock.seconds(), clock.steps_per_second(self.done)
                writer.after(self.done, loaded, self.plan.optimizer.param_groups[0]["lr"], self.steps_per_second)
                progress.update(self.done, self.watch.note)
                if rank() == 0 and self.budget.keeps(self.done):
                    journal.keep(self.done, weights_of(self.method))
                if stop.agreed(self.done, clock.late()):
                    break
                if clock.checkpoint_due() and self.done < self.budget.steps:
                    self._save(journal, fingerprint)
        self._save(journal, fingerprint)

    def _save(self, journal: Journal, fingerprint: str) -> None:
        self.watch.check(self.done)
        if rank() == 0:
            journal.save(self.checkpoint(fingerprint))
