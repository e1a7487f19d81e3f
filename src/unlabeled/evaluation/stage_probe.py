"""The linear classifier on one feature map of a network."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled.encoders.images import Stage

LARGEST = 9600
"""Values of a pooled map, at most: the published probes have 8192 to 9600."""
PUBLISHED = {
    ("conv1", 55): (6, 6, 3),
    ("conv2", 27): (4, 4, 0),
    ("conv3", 13): (3, 3, 1),
    ("conv4", 13): (3, 3, 1),
    ("conv5", 13): (2, 2, 0),
}
"""Stage of AlexNet and side of its map to the side, stride and padding of the max-pool that SeLa probes it through."""
POOLS: dict[str, type[nn.AdaptiveAvgPool2d] | type[nn.AdaptiveMaxPool2d]] = {
    "average": nn.AdaptiveAvgPool2d,
    "max": nn.AdaptiveMaxPool2d,
}
"""How a map of any other side is made smaller."""


class StageProbe(nn.Module):
    """A map (B, C, h, w) to scores (B, classes): pooling, batch norm without scale and shift, a linear layer.

    The linear layer sees the flattened map, and starts as a convolution of the map's size does: weights
    uniform by Xavier's rule, biases 0.

    Args:
        stage: a map like those to come.
        classes: how many.
        draws: of the weights.
    """

    def __init__(self, stage: Stage, classes: int, draws: np.random.Generator) -> None:
        super().__init__()
        self.stage = stage.name
        self.channels, self.side = stage.map.shape[1:3]
        self.pool = pool_of(stage)
        side = int(self.pool(stage.map).shape[2])
        self.norm = nn.BatchNorm2d(self.channels, affine=False)
        self.linear = nn.Linear(self.channels * side**2, classes)
        bound = math.sqrt(6 / (side**2 * (self.channels + classes)))
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(draws.uniform(-bound, bound, tuple(self.linear.weight.shape))))
            self.linear.bias.zero_()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) to (B, classes)."""
        pooled = self.norm(self.pool(maps.to(self.linear.weight)))
        scores: Tensor = self.linear(pooled.flatten(1))  # (B, C, g, g) to (B, C g g) to (B, classes)
        return scores


def pool_of(stage: Stage) -> nn.Module:
    """What makes a map small enough for a linear classifier: at most 9,600 values.

    At the sides of the published networks the volumes are the published ones: for AlexNet those of SeLa's own
    max-pools, for ResNets VISSL's (9216, 9216, 8192, 9216 and 8192 of ResNet-50 at 224 pixels, here by
    adaptive averages). Smaller maps are pooled less, or not at all.
    """
    channels, side = stage.map.shape[1:3]
    if stage.pooling == "max" and (stage.name, side) in PUBLISHED:
        return nn.MaxPool2d(*PUBLISHED[stage.name, side])
    return POOLS[stage.pooling](min(side, max(1, math.isqrt(LARGEST // channels))))
