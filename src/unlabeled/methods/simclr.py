"""SimCLR: two views of a sample attract, all other samples of the batch repel."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from unlabeled.errors import UserError
from unlabeled.metrics.contrast import contrast
from unlabeled.objectives import margin_triplet, nt_logistic, nt_xent
from unlabeled.objectives.contrastive import Negatives
from unlabeled.training.heads import projector, width_of
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import OPTIMIZERS, SCALINGS, OptimizerName, ScalingName, default_rate
from unlabeled.training.probe import LinearProbe
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
        projection_hidden: width of the head's layers before the last, at least 1; by default D, the encoder's.
        objective: the paper's NT-Xent, or one of those that it is compared with (Table 4).
        temperature: of NT-Xent and NT-Logistic, above 0; the paper's 0.1, and 0.5 for long runs on small pictures
            (appendix B.9).
        margin: of the margin triplet, at least 0.
        semi_hard: NT-Logistic and the margin triplet compare each embedding with one negative only, the nearest that
            is farther than the positive.
        normalize: whether the loss sees embeddings of length 1 (Table 5).
        negatives: embeddings of other samples in both views, or in the partner's alone.
        optimizer: the paper's LARS, or SGD (Nesterov, the official code's `momentum`), Adam or AdamW.
        learning_rate: before scaling with the batch; by default LARS 0.3 (the paper's), SGD 0.03, Adam and AdamW 0.001,
            each a quarter of that where the scaling is sqrt.
        learning_rate_scaling: rate x batch / 256, or rate x sqrt(batch), the batch that of all processes (appendix
            B.1).
        weight_decay: not on biases or batch norm, at least 0.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
        warmup_epochs: the same in epochs, at least 0, in place of the share.
        loss_scale: factor on the loss, above 0.
        global_bn: whether batch norm's mean and variance are those of the batch of all processes, or of each one's
            share.
        linear_probe: train a linear classifier beside the encoder, on its representations and the labels of the data;
            it changes nothing of the encoder, and its accuracy is logged (appendix B.6).
    """

    views: ClassVar = {"images": images.simclr}
    probe: LinearProbe | None

    def __init__(
        self,
        encoder: nn.Module,
        projection_layers: int = 2,
        projection_width: int = 128,
        projection_hidden: int | None = None,
        objective: Literal["nt-xent", "nt-logistic", "margin-triplet"] = "nt-xent",
        temperature: float = 0.1,
        margin: float = 0.8,
        semi_hard: bool = False,
        normalize: bool = True,
        negatives: Negatives = "both",
        optimizer: OptimizerName = "lars",
        learning_rate: float | None = None,
        learning_rate_scaling: ScalingName = "linear",
        weight_decay: float = 1e-6,
        warmup: float = 0.1,
        warmup_epochs: float | None = None,
        loss_scale: float = 1.0,
        global_bn: bool = True,
        linear_probe: bool = False,
    ) -> None:
        super().__init__()
        for name, above in {"temperature": temperature, "loss_scale": loss_scale}.items():
            if not above > 0:
                raise ValueError(f"{name} takes a number above 0, got {above}")
        least = {"weight_decay": weight_decay, "margin": margin, "learning_rate": learning_rate}
        for name, value in (least | {"warmup_epochs": warmup_epochs}).items():
            if value is not None and not value >= 0:
                raise ValueError(f"{name} takes a number of at least 0, got {value}")
        if not 0 <= warmup <= 1:
            raise ValueError(f"warmup takes a share within 0 and 1, got {warmup}")
        if semi_hard and objective == "nt-xent":
            raise ValueError("semi_hard is for nt-logistic and margin-triplet; nt-xent weighs all negatives itself")
        self.encoder = encoder
        width = width_of(encoder)
        hidden = width if projection_hidden is None else projection_hidden
        self.projector = projector(width, hidden, projection_width, projection_layers)
        self.objective, self.temperature, self.margin, self.semi_hard = objective, temperature, margin, semi_hard
        self.normalize, self.negatives, self.loss_scale = normalize, negatives, loss_scale
        self.optimizer_name, self.scaling, self.weight_decay = optimizer, learning_rate_scaling, weight_decay
        self.warmup, self.warmup_epochs = warmup, warmup_epochs
        self.learning_rate = default_rate(optimizer, learning_rate_scaling) if learning_rate is None else learning_rate
        self.global_bn, self.linear_probe, self.probe = global_bn, linear_probe, None
        self.samples = 0
        self.seen: tuple[Tensor, Tensor] | None = None

    def prepare(self, samples: Any) -> None:
        """Take the number of samples for the warm-up, and the labels where there is a linear probe.

        Raises:
            UserError: a linear probe is asked for, and the data has no labels.
        """
        self.samples = len(samples)
        if self.linear_probe:
            self.probe = LinearProbe(width_of(self.encoder), samples)

    def loss(self, batch: Batch) -> Tensor:
        """Equation 1 over the batch of all processes; one batch norm sees both views."""
        representations = self.encoder(batch.views)  # (2B, D)
        if len(representations) != 2 * len(batch.index):
            made = len(representations) / len(batch.index)
            raise UserError(f"simclr compares two views of each sample and was given {made:g}; let --views make two.")
        first, second = self.projector(representations).chunk(2)  # (B, P) each
        self.seen = first.detach(), second.detach()
        loss = OBJECTIVES[self.objective](first, second, self) * self.loss_scale
        if self.probe is None:
            return loss
        beside = self.probe.loss(representations, batch.index)
        return loss + (beside - beside.detach())  # its gradient alone: the loss is the method's own

    def figures(self) -> dict[str, float]:
        """Contrastive accuracy and entropy on this process's last batch (Table 5), and the linear probe's accuracy."""
        contrasted = {} if self.seen is None else contrast(*self.seen, self.temperature, self.normalize)
        return contrasted | ({} if self.probe is None else self.probe.figures())

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """The learning rate scaled with the batch, warm-up, cosine (section 2.2 and appendix B)."""
        rate = SCALINGS[self.scaling](self.learning_rate, batch_size)
        optimizer = OPTIMIZERS[self.optimizer_name](self, rate, self.weight_decay, self.probe)
        rising = round(self.warmup * steps)
        if self.warmup_epochs is not None:
            rising = min(steps, round(self.warmup_epochs * self.samples // batch_size))
        return Plan(optimizer, cosine(steps, rising))


OBJECTIVES: dict[str, Callable[[Tensor, Tensor, SimCLR], Tensor]] = {
    "nt-xent": lambda first, second, by: nt_xent(first, second, by.temperature, by.normalize, by.negatives),
    "nt-logistic": lambda first, second, by: nt_logistic(
        first, second, by.temperature, by.normalize, by.negatives, by.semi_hard
    ),
    "margin-triplet": lambda first, second, by: margin_triplet(
        first, second, by.margin, by.normalize, by.negatives, by.semi_hard
    ),
}
"""(embeddings of one view, of the other, the method that says how they are compared) -> loss."""
