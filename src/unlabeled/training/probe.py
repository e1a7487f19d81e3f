"""A linear classifier beside a method that learns without labels: it watches, and changes nothing."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlabeled.distributed import total, world_size
from unlabeled.errors import UserError


class LinearProbe(nn.Module):
    """A linear classifier on representations whose gradient ends there (SimCLR, appendix B.6).

    Both views of a sample have its label; samples without one count for nothing. Its weights start at 0,
    so that it draws nothing by chance.

    Args:
        width: D, of the representation.
        samples: the data, with labels.

    Raises:
        UserError: the data has no labels.
    """

    labels: Tensor

    def __init__(self, width: int, samples: Any) -> None:
        super().__init__()
        if samples.labels is None:
            raise UserError(
                "the linear probe needs labels; sort the data into one folder a class, give --labels, or leave out "
                "--linear-probe."
            )
        self.register_buffer("labels", torch.as_tensor(samples.labels, dtype=torch.int64), persistent=False)
        self.weight = nn.Parameter(torch.zeros(len(samples.classes), width))
        self.bias = nn.Parameter(torch.zeros(len(samples.classes)))
        self.accuracy: Tensor | None = None

    def loss(self, representations: Tensor, index: Tensor) -> Tensor:
        """Cross-entropy, its mean taken over the labelled views of all processes.

        Args:
            representations: (views x B, D), view by view.
            index: the samples' places in the data, (B,).
        """
        scores = representations.detach() @ self.weight.T + self.bias  # (views x B, classes)
        labels = self.labels[index].repeat(len(scores) // len(index))
        known = labels >= 0
        self.accuracy = ((scores.argmax(1) == labels) & known).sum() / known.sum()
        summed = cross_entropy(scores, labels, ignore_index=-1, reduction="sum")
        return summed * world_size() / total(known.sum()).clamp_min(1)

    def figures(self) -> dict[str, float]:
        """`probe_accuracy` on this process's last batch; nothing where that had no labels."""
        if self.accuracy is None or not torch.isfinite(self.accuracy):
            return {}
        return {"probe_accuracy": float(self.accuracy)}
