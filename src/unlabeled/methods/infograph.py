"""InfoGraph: every node and every cluster of a graph tells its own graph from the others."""

from typing import Any, ClassVar

from torch import Tensor, nn

from unlabeled.objectives import local_global
from unlabeled.training.course import Course
from unlabeled.training.heads import width_of
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import OPTIMIZERS, OptimizerName
from unlabeled.views import graphs


class InfoGraph(nn.Module):
    """The parts of a graph know their whole (Sun et al., InfoGraph, ICLR 2020).

        loss = local_global(p(Z), q(g))         Z: rows of nodes (and of clusters), g: graph -> (B, D)

    Departures: where the encoder pools, the rows of the clusters are parts as well, so that every level gets a signal
    of its own; the other graphs are those of all processes; Adam with a cosine.

    Args:
        encoder: of graphs, diffpool or flat.
        projection_width: of both heads, at least 1.
        optimizer: the official code's Adam, or AdamW, SGD or LARS.
        learning_rate: whatever the batch, at least 0.
        weight_decay: not on biases or batch norm, at least 0.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
        clip: largest norm of the gradient, above 0.
    """

    modalities: ClassVar = ("graphs",)
    views: ClassVar = {"graphs": graphs.plain}

    def __init__(
        self,
        encoder: nn.Module,
        projection_width: int = 64,
        optimizer: OptimizerName = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        warmup: float = 0.0,
        clip: float = 2.0,
    ) -> None:
        super().__init__()
        if projection_width < 1:
            raise ValueError(f"projection_width takes a number of at least 1, got {projection_width}")
        self.course = Course(OPTIMIZERS[optimizer], learning_rate, weight_decay, warmup, clip=clip)
        levels: Any = encoder
        self.encoder = encoder
        self.parts = Head(levels.level_width, projection_width)
        self.whole = Head(width_of(encoder), projection_width)

    def loss(self, batch: Batch) -> Tensor:
        """Summed over the levels, each of them a mean over its parts: nodes do not outvote clusters."""
        found = self.encoder(batch.views, levels=True)
        wholes = self.whole(found.whole)
        losses = [local_global(self.parts(level.rows), wholes, level.of.owner) for level in found.levels]
        loss: Tensor = sum(losses[1:], losses[0])
        return loss

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """A cosine after the warm-up; the gradient's norm is bounded."""
        return self.course.plan(self, steps)


class Head(nn.Module):
    """Three layers with a linear way around them, as the official code has both of its heads."""

    def __init__(self, width: int, output: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, output), nn.ReLU(), nn.Linear(output, output), nn.ReLU(), nn.Linear(output, output),
            nn.ReLU(),
        )  # fmt: skip
        self.around = nn.Linear(width, output)

    def forward(self, rows: Tensor) -> Tensor:
        """(n, D) to (n, output)."""
        found: Tensor = self.layers(rows) + self.around(rows)
        return found
