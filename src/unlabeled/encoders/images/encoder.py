"""A network for pictures without its classifier."""

import torch
from torch import Tensor, nn

from unlabeled.encoders.images.stages import Stage, stages_of


class ImageEncoder(nn.Module):
    """A backbone without its classifier: pictures to representations.

    Args:
        network: gives a feature map (B, D, h, w), or the representation (B, D) itself.
        width: D.
        image_size: S, the side of the pictures that it was made for.
    """

    def __init__(self, network: nn.Module, width: int, image_size: int) -> None:
        super().__init__()
        self.network = network
        self.width = width
        self.image_size = image_size
        self.to(memory_format=torch.channels_last)

    def feature_map(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to (B, D, h, w), before pooling."""
        features: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to the representation (B, D): the mean over the feature map."""
        features = self.feature_map(images)
        return features.mean((2, 3)) if features.ndim == 4 else features

    def stages(self, images: Tensor) -> list[Stage]:
        """The feature maps (B, C, h, w) on the way, first to last, of (B, 3, S, S) in [0, 1].

        Raises:
            UserError: the network has none, as transformers.
        """
        return stages_of(self.network, lambda: self.feature_map(images))
