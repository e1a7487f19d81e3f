"""Supervised: the baseline that sees the labels, trained with the same loop and budget."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlabeled.distributed import total, world_size
from unlabeled.errors import UserError
from unlabeled.training.course import Course
from unlabeled.training.heads import width_of
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import LEARNING_RATES, OPTIMIZERS, OptimizerName
from unlabeled.views import images


class Supervised(nn.Module):
    """A linear classifier on the encoder, both trained on the labels of the data.

        loss = mean over views and labelled samples of -log softmax(W f(v) + b)[y]

    It is here so that every figure without labels can stand beside the figure with them at the same
    network, views and steps (crop and flip, as SimCLR's supervised protocols; Chen et al. 2020, appendix
    B.5). Samples without a label count for nothing.

    Args:
        encoder: f, any module that gives (B, `encoder.width`).
        optimizer: AdamW, SGD or LARS.
        learning_rate: for a batch of 256 over all processes, scaled linearly with the batch; by default AdamW 0.001,
            SGD 0.03, LARS 0.3.
        weight_decay: not on biases or batch norm, at least 0.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
    """

    views: ClassVar = {"images": images.crops}
    labels: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        optimizer: OptimizerName = "adamw",
        learning_rate: float | None = None,
        weight_decay: float = 0.05,
        warmup: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        rate = LEARNING_RATES[optimizer] if learning_rate is None else learning_rate
        self.course = Course(OPTIMIZERS[optimizer], rate, weight_decay, warmup)

    def prepare(self, samples: Any) -> None:
        """Take the labels and make a classifier of as many classes.

        Raises:
            UserError: the data has no labels.
        """
        if samples.labels is None:
            raise UserError("supervised needs labels; give --labels, or sort pictures into one folder a class.")
        self.register_buffer("labels", torch.as_tensor(samples.labels, dtype=torch.int64), persistent=False)
        self.classifier = nn.Linear(width_of(self.encoder), len(samples.classes))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, its mean taken over the labelled views of all processes."""
        scores = self.classifier(self.encoder(batch.views))  # (views x B, classes)
        labels = self.labels[batch.index].repeat(len(scores) // len(batch.index))
        count = total((labels >= 0).sum())
        summed = cross_entropy(scores, labels, ignore_index=-1, reduction="sum")
        return summed * world_size() / count.clamp_min(1)

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Linear scaling with the batch, warm-up, cosine."""
        return self.course.plan(self, steps, batch_size)
