"""The figures of `metrics.jsonl` for TensorBoard, beside them."""

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from unlabeled.errors import UserError
from unlabeled.training.checkpoints import Checkpoint
from unlabeled.training.journal import Journal


def require() -> None:
    """Say at the door what is missing.

    Raises:
        UserError: the package is not installed.
    """
    if find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs the package tensorboard; pip install 'unlabeled[tensorboard]'.")


class Board:
    """A journal that also writes every figure as a scalar of its step, for `tensorboard --logdir`.

    Args:
        journal: what keeps everything.
        folder: of the event files; those of earlier calls stay.
        done: steps done before; what an earlier call, killed after its last checkpoint, wrote of later ones is
            marked as void.
    """

    def __init__(self, journal: Journal, folder: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.journal = journal
        self.writer = SummaryWriter(str(folder), purge_step=done + 1)

    def save(self, checkpoint: Checkpoint) -> None:
        """As the journal does."""
        self.journal.save(checkpoint)

    def keep(self, step: int, weights: dict[str, Tensor]) -> None:
        """As the journal does."""
        self.journal.keep(step, weights)

    def log(self, figures: dict[str, float]) -> None:
        """Keep the figures of one step in both."""
        self.journal.log(figures)
        step = int(figures["step"])
        for name, value in figures.items():
            if name != "step":
                self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def skip(self, name: str, reason: str) -> None:
        """As the journal does."""
        self.journal.skip(name, reason)

    def close(self) -> None:
        """End the event file."""
        self.writer.close()
