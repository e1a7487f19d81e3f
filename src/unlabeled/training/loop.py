"""The one loop: every method, every modality, one process or many."""

from collections.abc import Iterable
from typing import Any, Protocol

from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from unlabeled import chance
from unlabeled.distributed import average_gradients, rank, same_everywhere, world_size
from unlabeled.training.budget import Budget, Clock
from unlabeled.training.checkpoints import Checkpoint
from unlabeled.training.loader import Loaded, Steps, batches
from unlabeled.training.method import ActsBeforeStep, Batch, Method, Penalises, StepsItself
from unlabeled.training.progress import Progress
from unlabeled.training.signals import StopSignals
from unlabeled.training.watch import Watch


class Journal(Protocol):
    """Where the loop writes, on the first process: the run's folder."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint in place of the one before."""

    def log(self, figures: dict[str, float]) -> None:
        """Keep the figures of one step."""

    def skip(self, name: str, reason: str) -> None:
        """Keep the name of a sample that could not be read."""


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
        self.watch = Watch(method.encoder)
        if isinstance(method, StepsItself):  # its inner loop averages gradients itself, so no wrapper
            method.to(fabric.device)
            self.wrapped: Any = method
        else:
            self.wrapped, _ = fabric.setup(method, self.plan.optimizer)
            self.wrapped.mark_forward_method("loss")

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.module.load_state_dict(checkpoint.method)
        self.plan.optimizer.load_state_dict(checkpoint.optimizer)
        self.done, self.seconds = checkpoint.step, checkpoint.seconds

    def checkpoint(self, fingerprint: str) -> Checkpoint:
        """The state after the last step."""
        return Checkpoint(
            self.done, self.module.state_dict(), self.plan.optimizer.state_dict(), fingerprint, self.seconds
        )

    def step(self, batch: Batch) -> Tensor:
        """One step of the method on this process's batch; returns the loss."""
        chance.seed_torch(self.seed, chance.MODEL, self.done, rank())
        factor = self.plan.schedule(self.done)
        for group in self.plan.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        if isinstance(self.method, ActsBeforeStep):
            self.method.before_step(self.done)
        views = self.fabric.strategy.precision.convert_input(self.fabric.to_device(batch.views))
        batch = Batch(views, self.fabric.to_device(batch.index))
        if isinstance(self.method, StepsItself):
            with self.fabric.autocast():
                loss = self.method.step(batch, self._update)
        else:
            with self.fabric.autocast():  # Fabric itself enters it only where a wrapper such as DDP is in between
                loss = self.wrapped.loss(batch)
                if isinstance(self.method.encoder, Penalises):
                    loss = loss + self.method.encoder.penalty()
            self._update(loss)
        self.done += 1
        return loss.detach()

    def _update(self, loss: Tensor, parameters: Iterable[nn.Parameter] | None = None) -> None:
        """Backward, clip, and one optimiser step of `parameters` (all where None)."""
        chosen = [p for p in (self.module.parameters() if parameters is None else parameters) if p.requires_grad]
        self.plan.optimizer.zero_grad()
        self.fabric.backward(loss)
        if parameters is not None:
            kept = set(chosen)
            for parameter in self.module.parameters():
                if parameter not in kept:
                    parameter.grad = None  # the optimisers leave parameters without gradient as they are
        if isinstance(self.method, StepsItself) and world_size() > 1:
            average_gradients(chosen)
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
        clock = Clock(self.budget, self.done, self.seconds)
        loader = batches(steps, self.done, self.budget.steps, self.budget.workers, self.fabric.device.type == "cuda")
        progress = Progress("training", self.budget.steps, "samples", self.done, steps.batch_size, rank() == 0)
        with progress, StopSignals() as stop:
            for loaded in loader:
                self.watch.add(self.step(loaded.batch))
                self.seconds, self.steps_per_second = clock.seconds(), clock.steps_per_second(self.done)
                self._write_down(journal, loaded, steps)
                progress.update(self.done, self.watch.note)
                if self._agree(stop.asked or clock.late()):
                    break
                if clock.checkpoint_due() and self.done < self.budget.steps:
                    self._save(journal, fingerprint)
        self._save(journal, fingerprint)

    def _write_down(self, journal: Journal, loaded: Loaded, steps: Steps) -> None:
        for name, reason in loaded.unreadable:
            journal.skip(name, reason)
        if rank() == 0 and (self.done % max(1, self.budget.steps // 200) == 0 or self.done == self.budget.steps):
            journal.log(
                {
                    "step": self.done,
                    "epoch": self.done / steps.per_epoch,
                    "learning_rate": self.plan.optimizer.param_groups[0]["lr"],
                    "samples_per_second": self.steps_per_second * steps.batch_size,
                    **self.watch.figures(self.done, steps.views.count),
                }
            )

    def _agree(self, stop: bool) -> bool:
        """Whether to stop: at once in one process, at the next tenth step where several must stop at the same one."""
        if world_size() == 1:
            return stop
        return self.done % 10 == 0 and same_everywhere(stop)

    def _save(self, journal: Journal, fingerprint: str) -> None:
        self.watch.check(self.done)
        if rank() == 0:
            journal.save(self.checkpoint(fingerprint))
