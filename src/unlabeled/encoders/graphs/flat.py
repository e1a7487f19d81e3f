"""A network for graphs without pooling: layers of message passing, and one readout of the nodes."""

from typing import Any

from torch import Tensor, nn

from unlabeled.data.graphs.batch import GraphBatch
from unlabeled.encoders.graphs.features import NodeFeatures
from unlabeled.encoders.graphs.hierarchy import Hierarchy, Level
from unlabeled.encoders.graphs.layers import Block, Layers
from unlabeled.encoders.graphs.links import SparseLinks
from unlabeled.encoders.graphs.readouts import READOUTS, ReadoutName


class FlatEncoder(nn.Module):
    """Graphs to representations: block, readout.

    Args:
        features: of the nodes.
        layers: of its one block.
        readout: of the nodes.
        sort_nodes: k of sortpool.
    """

    def __init__(self, features: NodeFeatures, layers: Layers, readout: ReadoutName, sort_nodes: int = 30) -> None:
        super().__init__()
        self.features, self.block = features, Block(features.width, layers)
        self.readout: Any = READOUTS[readout](self.block.width, sort_nodes)
        self.width: int = self.readout.width
        self.level_width, self.unpooled_width = self.block.width, self.width

    def forward(self, batch: GraphBatch, levels: bool = False) -> Tensor | Hierarchy:
        """B graphs to (B, D), or with `levels` to that and the nodes' rows beside it."""
        found = self._hierarchy(batch)
        return found if levels else found.whole

    def _hierarchy(self, batch: GraphBatch) -> Hierarchy:
        features, of = self.features(batch), batch.segments()
        rows = self.block(features, SparseLinks(batch, features))
        return Hierarchy(self.readout(rows, of), [Level(rows, of)], features, [])
