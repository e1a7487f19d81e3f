"""What an encoder of graphs makes on the way to the representation, for those who look at more than that."""

from dataclasses import dataclass

from torch import Tensor

from unlabeled.data.graphs.batch import Segments
from unlabeled.encoders.graphs.segments import spread


@dataclass(frozen=True)
class Level:
    """The rows of one level of a batch: its nodes, or those of its clusters that exist.

    Args:
        rows: (m, K).
        of: the graphs of the rows.
    """

    rows: Tensor
    of: Segments


@dataclass(frozen=True)
class Hierarchy:
    """A batch at every level.

    Args:
        whole: the representation, (B, D).
        levels: the nodes, and after them the clusters of each pool.
        features: what the network was told of the nodes, (n, F).
        assignments: of each pool the shares of the clusters, rows summing to 1: (n, C), then (B, C, C'), ...; zeros
            in the row of a cluster that does not exist.
        coarsest: the rows of the last pool, (B, C, K), of which those of clusters that do not exist mean nothing; None
            without any pool.
    """

    whole: Tensor
    levels: list[Level]
    features: Tensor
    assignments: list[Tensor]
    coarsest: Tensor | None = None

    def unpooled(self) -> Tensor:
        """What the last level says of each node: its rows handed down by the assignments, S S' ... Z, (n, K).

        Without any pool the whole is the one cluster that all nodes are in: (n, D).
        """
        nodes = self.levels[0].of
        if self.coarsest is None:
            return self.whole[nodes.owner]
        rows = self.coarsest
        for assignment in reversed(self.assignments[1:]):
            rows = assignment @ rows
        return spread(self.assignments[0], rows, nodes)
