"""SimCLR: two views of a sample attract, all other samples of the batch repel."""

from typing import ClassVar

from torch import Tensor, nn

from unlabeled.objectives import nt_xent
from unlabeled.training.heads import projector, width_of
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import LEARNING_RATES, OPTIMIZERS, OptimizerName
from unlabeled.training.schedules import cosine
from unlabeled.views import images


class SimCLR(nn.Module):
    """Two views of a sample attract, all other samples of the batch repel.

        loss = nt_xent(g(f(v1)), g(f(v2)))      f: sample -> (B, D), g: (B, D) -> (B, P)

    T. Chen, S. Kornblith, M. Norouzi, G. Hinton: A Simple Framework for Contrastive Learning of Visual
    Representations, ICML 2020. The representation kept is f's output, before the projector g (section
    4.2). Departures: the warm-up is a share of the steps (0.1: the paper's 10 of 100 epochs), so that
    short runs have one too; the loss is the paper's mean, half of what the official code minimises
    (`loss_scale` 2 gives that one).

    Args:
        encoder: f, any module that gives (B, `encoder.width`).
        projection_layers: of the head g: 0 none (the loss sees f's output), 1 linear, 2 the paper's nonlinear head,
            3 that of SimCLR's second version.
        projection_width: P, the width that the loss sees, at least 1; D where there is no head.
        projection_hidden: width of the head's layers before the last; by default D, the encoder's.
        temperature: of NT-Xent, above 0; the paper's 0.1, and 0.5 for long runs on small pictures (appendix B.9).
        optimizer: the paper's LARS, or SGD or AdamW for batches too small for it.
        learning_rate: for a batch of 256 over all processes, scaled linearly with the batch; by default LARS 0.3
            (the paper's), SGD 0.03, AdamW 0.001.
        weight_decay: not on biases or batch norm, at least 0.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
        loss_scale: factor on the loss, above 0.
    """

    views: ClassVar = {"images": images.simclr}

    def __init__(
        self,
        encoder: nn.Module,
        projection_layers: int = 2,
        projection_width: int = 128,
        projection_hidden: int | None = None,
        temperature: float = 0.1,
        optimizer: OptimizerName = "lars",
        learning_rate: float | None = None,
        weight_decay: float = 1e-6,
        warmup: float = 0.1,
        loss_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature takes a number above 0, got {temperature}")
        if not 0 <= warmup <= 1:
            raise ValueError(f"warmup takes a share within 0 and 1, got {warmup}")
        if min(projection_width, loss_scale) <= 0 or weight_decay < 0 or (learning_rate or 0) < 0:
            raise ValueError("projection_width and loss_scale take numbers above 0, the others no less than 0")
        self.encoder = encoder
        width = width_of(encoder)
        self.projector = projector(width, projection_hidden or width, projection_width, projection_layers)
        self.temperature, self.loss_scale = temperature, loss_scale
        self.optimizer_name, self.weight_decay, self.warmup = optimizer, weight_decay, warmup
        self.learning_rate = LEARNING_RATES[optimizer] if learning_rate is None else learning_rate

    def loss(self, batch: Batch) -> Tensor:
        """Equation 1 over the batch of all processes; one batch norm sees both views."""
        first, second = self.projector(self.encoder(batch.views)).chunk(2)  # (B, P) each
        return nt_xent(first, second, self.temperature) * self.loss_scale

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Linear scaling with the batch, warm-up, cosine (section 2.2 and appendix B)."""
        rate = self.learning_rate * batch_size / 256
        optimizer = OPTIMIZERS[self.optimizer_name](self, rate, self.weight_decay)
        return Plan(optimizer, cosine(steps, round(self.warmup * steps)))
