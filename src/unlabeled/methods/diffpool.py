"""DiffPool without labels: the nodes of a graph predicted from its clusters (our extension)."""

from typing import Any, ClassVar

from torch import Tensor, nn

from unlabeled.objectives import reconstruction
from unlabeled.training.course import Course
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import OPTIMIZERS, OptimizerName
from unlabeled.views import graphs


class DiffPoolReconstruction(nn.Module):
    """What is known of every node, predicted from the clusters that it was assigned to.

        loss = reconstruction(h(S S' ... Z), X) [+ link loss and entropy: the encoder's penalty]

    S, S', ... are the assignments of the encoder and Z the rows of its last level. The paper (Ying et al., NeurIPS
    2018) trains DiffPool on labels alone; this is our extension of it. The link loss and the entropy, which use no
    labels, never reach the network that embeds with one pool, and the feature term is what trains it. A flat encoder
    predicts the nodes from the representation of the whole graph.

    Args:
        encoder: of graphs, diffpool or flat.
        hidden: width of h's one hidden layer, at least 1.
        optimizer: the official code's Adam, or AdamW, SGD or LARS.
        learning_rate: whatever the batch, at least 0.
        weight_decay: not on biases or batch norm, at least 0.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
        clip: largest norm of the gradient, above 0; the official code's 2.
    """

    modalities: ClassVar = ("graphs",)
    views: ClassVar = {"graphs": graphs.plain}

    def __init__(
        self,
        encoder: nn.Module,
        hidden: int = 64,
        optimizer: OptimizerName = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        warmup: float = 0.0,
        clip: float = 2.0,
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden takes a number of at least 1, got {hidden}")
        self.course = Course(OPTIMIZERS[optimizer], learning_rate, weight_decay, warmup, clip=clip)
        levels: Any = encoder
        self.encoder, features = encoder, levels.features
        self.categories: int = features.categories
        self.predictor = nn.Sequential(
            nn.Linear(levels.unpooled_width, hidden), nn.ReLU(), nn.Linear(hidden, features.width)
        )

    def loss(self, batch: Batch) -> Tensor:
        """The feature term, the mean over all nodes of all views."""
        found = self.encoder(batch.views, levels=True)
        return reconstruction(self.predictor(found.unpooled()), found.features, self.categories)

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """A cosine after the warm-up; the gradient's norm is bounded."""
        return self.course.plan(self, steps)
