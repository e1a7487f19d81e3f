"""RotNet: which way a sample was turned is what to learn; also beside the labels of another run (SeLa's +Rot)."""

from os import PathLike
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlabeled.errors import UserError
from unlabeled.training.course import Course
from unlabeled.training.heads import width_of
from unlabeled.training.labeller import labels_of
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import LEARNING_RATES, OPTIMIZERS, OptimizerName, plain_sgd
from unlabeled.training.schedules import DECAYS, DecayName
from unlabeled.views import images

TURNS = 4
"""Ways in which a sample is turned: the v-th of its views is what way v makes of it."""


class RotNet(nn.Module):
    """Four views of a sample, each turned another way, and a linear classifier that says which.

        loss = mean over samples and views of -log softmax(R f(v_k))[k]
               + mean over heads t and samples of -log softmax(W_t f(v_0))[L_ti]       with `labels_from`

    S. Gidaris, P. Singh, N. Komodakis: Unsupervised representation learning by predicting image rotations, ICLR
    2018. With another run's labels, learnt on the first view alone, it is the +Rot of SeLa (Asano et al. 2020,
    official code `retrain_with_rotnet.py`), whose settings the defaults are. The way is the view's number, so the
    views decide what is learnt and any modality may have its own.

    Args:
        encoder: f, any module that gives (B, `encoder.width`).
        labels_from: a run of sela on the same data, whose labels are learnt too and never change.
        optimizer: the paper's SGD (momentum 0.9, everything decayed), or LARS or AdamW.
        learning_rate: for a batch of 256 samples (four views each) over all processes, scaled linearly with the batch;
            by default SGD 0.2 (the paper's 0.05 for 64), LARS 0.3, AdamW 0.001.
        weight_decay: at least 0.
        decay: of the learning rate: three tenfold drops (thirds: at a third, two thirds and eight ninths of the steps,
            the paper's; three-drops: at 37.5, 75 and 87.5 %), two at 60 and 80 %, or a cosine.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
    """

    modalities: ClassVar = ("images",)
    views: ClassVar = {"images": images.rotations}
    labels: Tensor | None

    def __init__(
        self,
        encoder: nn.Module,
        labels_from: str | PathLike[str] | None = None,
        optimizer: OptimizerName = "sgd",
        learning_rate: float | None = None,
        weight_decay: float = 1e-5,
        decay: DecayName = "thirds",
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.labels_from = encoder, labels_from
        self.turn = nn.Linear(width_of(encoder), TURNS)
        rate = (LEARNING_RATES | {"sgd": 0.2})[optimizer] if learning_rate is None else learning_rate
        moved_by = (OPTIMIZERS | {"sgd": plain_sgd})[optimizer]
        self.course = Course(moved_by, rate, weight_decay, warmup, DECAYS[decay])

    def prepare(self, samples: Any) -> None:
        """Take the other run's labels, and make heads for them.

        Raises:
            UserError: there are none, or those of other data.
        """
        self.register_buffer("labels", None)
        if self.labels_from is not None:
            self.labels, clusters = labels_of(self.labels_from, samples)
            self.classifiers = nn.Linear(self.turn.in_features, len(self.labels) * clusters)

    def loss(self, batch: Batch) -> Tensor:
        """Both cross-entropies, of weight 1 each.

        Raises:
            UserError: the views are not as many as the ways.
        """
        count = len(batch.index)
        features = self.encoder(batch.views)  # (4 B, D)
        if len(features) != TURNS * count:
            raise UserError(
                f"rotnet needs {TURNS} views a sample and got {len(features) // count}; take its own views."
            )
        ways = torch.arange(TURNS, device=features.device).repeat_interleave(count)
        loss = cross_entropy(self.turn(features), ways)
        if self.labels is None:
            return loss
        labels = self.labels[:, batch.index].T  # (B, T)
        logits = self.classifiers(features[:count]).reshape(labels.numel(), -1)  # (B T, K)
        return loss + cross_entropy(logits, labels.reshape(-1))

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Linear scaling with the batch, and the schedule of the rate."""
        return self.course.plan(self, steps, batch_size)
