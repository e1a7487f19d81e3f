"""What a run writes down while it trains: figures of some steps, samples that could not be read, checkpoints."""

from typing import Protocol

from torch import Tensor

from unlabeled.distributed import rank
from unlabeled.training.budget import Budget
from unlabeled.training.checkpoints import Checkpoint
from unlabeled.training.loader import Loaded, Steps
from unlabeled.training.watch import Watch


class Journal(Protocol):
    """Where the loop writes, on the first process: the run's folder."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint in place of the one before."""

    def keep(self, step: int, weights: dict[str, Tensor]) -> None:
        """Keep the weights after a step, for looking back."""

    def log(self, figures: dict[str, float]) -> None:
        """Keep the figures of one step."""

    def skip(self, name: str, reason: str) -> None:
        """Keep the name of a sample that could not be read."""


class Writer:
    """Writes figures of about two hundred steps of a run, evenly spaced, and every unreadable sample.

    Args:
        journal: where to.
        steps: the views of every step.
        budget: of the run.
        watch: what knows the figures.
    """

    def __init__(self, journal: Journal, steps: Steps, budget: Budget, watch: Watch) -> None:
        self.journal, self.steps, self.budget, self.watch = journal, steps, budget, watch

    def after(self, done: int, loaded: Loaded, learning_rate: float, steps_per_second: float) -> None:
        """Write what there is to write after `done` steps, the last of them on `loaded`.

        Raises:
            UserError: the loss is not a finite number.
        """
        for name, reason in loaded.unreadable:
            self.journal.skip(name, reason)
        if rank() == 0 and (done % max(1, self.budget.steps // 200) == 0 or done == self.budget.steps):
            self.journal.log(
                {
                    "step": done,
                    "epoch": done / self.steps.per_epoch,
                    "learning_rate": learning_rate,
                    "samples_per_second": steps_per_second * self.steps.batch_size,
                    **self.watch.figures(done, self.steps.views.count),
                }
            )
