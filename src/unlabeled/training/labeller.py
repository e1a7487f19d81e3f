"""What labels representations: the heads of a method that learned labels, and what balances their clusters."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import linear

from unlabeled.errors import UserError
from unlabeled.run import Run, read_weights
from unlabeled.training.checkpoints import write_atomically

NAME = "heads.safetensors"
ROWS = 4096
"""That are labelled at once."""


@dataclass(frozen=True)
class Labeller:
    """T linear heads of K clusters and the balance of each.

        p = softmax(W x + c + b / strength),    label = argmax p,    confidence = max p

    With b the log of the transport's scaling this is the label that the transport itself would give, for
    samples that it has never seen as well (SeLa, section 3.2 solved for a sample's row).

    Args:
        weight: W, (T, K, D).
        bias: c, (T, K).
        balance: b, (T, K); 0 where nothing balances.
        strength: lambda of the transport, above 0.
    """

    weight: Tensor
    bias: Tensor
    balance: Tensor
    strength: float

    @property
    def heads(self) -> int:
        """T."""
        return len(self.weight)

    @property
    def clusters(self) -> int:
        """K."""
        return self.weight.shape[1]

    def label(self, features: Tensor, head: int = 0) -> tuple[Tensor, Tensor]:
        """Labels and confidences of representations by one head.

        Args:
            features: (N, D).
            head: 0 to T - 1.

        Returns:
            int64 (N,), and float32 (N,) in [1/K, 1].
        """
        weight, bias = self.weight[head].float(), self.bias[head] + self.balance[head] / self.strength
        logits = linear(features.to(weight), weight, bias.to(weight))
        confidence, labels = torch.softmax(logits, 1).max(1)
        return labels, confidence

    def label_rows(self, rows: np.ndarray, head: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The same of an array (N, D), perhaps memory-mapped, some thousand rows at a time."""
        starts = range(0, len(rows), ROWS)
        found = [self.label(torch.from_numpy(np.array(rows[start : start + ROWS])), head) for start in starts]
        labels, confidence = zip(*found, strict=True)
        return torch.cat(labels).numpy(), torch.cat(confidence).numpy()

    def write(self, run: Run) -> None:
        """Keep it in a run's folder."""
        tensors = {
            "weight": self.weight,
            "bias": self.bias,
            "balance": self.balance,
            "strength": torch.tensor(self.strength, dtype=torch.float64),
        }
        tensors = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
        write_atomically(run.path / NAME, lambda beside: save_file(tensors, beside))

    @classmethod
    def read(cls, run: Run) -> "Labeller":
        """That of a run.

        Raises:
            UserError: the run's method has no labels, or the file is damaged.
        """
        path = run.path / NAME
        if not path.exists():
            raise UserError(f"{run.path} has no labels: {run.config()['method']} learns none; train sela instead.")
        found = read_weights(path)
        try:
            return cls(found["weight"], found["bias"], found["balance"], float(found["strength"]))
        except KeyError:
            raise UserError(f"{path} holds no heads of this library; train the run again.") from None


def labels_of(path: str | PathLike[str], samples: Any) -> tuple[Tensor, int]:
    """The labels that another run has given the same data.

    Args:
        path: of that run.
        samples: the data.

    Returns:
        int64 (T, N), and the number of clusters K.

    Raises:
        UserError: there is no such run, it has no labels, or those of other data.
    """
    run = Run.open(path)
    checkpoint = run.checkpoint()
    state = {} if checkpoint is None else checkpoint.method
    if checkpoint is None or not {"labels", "balance"} <= state.keys():
        raise UserError(f"{run.path} has no labels to learn from; give a run of sela that was trained.")
    if checkpoint.data != samples.fingerprint() or state["labels"].shape[1] != len(samples):
        raise UserError(f"{run.path} has labels for other data than this; give --data as that run has it.")
    return state["labels"].long(), state["balance"].shape[1]
