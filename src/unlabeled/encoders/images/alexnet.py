"""The AlexNet of self-labelling papers: with batch norm, without Sobel filters, its two widths."""

from typing import ClassVar

from torch import Tensor, nn

from unlabeled.encoders.images.initialisation import he
from unlabeled.errors import UserError

WIDTHS = {"alexnet_big": (96, 256, 384, 384, 256), "alexnet_small": (64, 192, 384, 256, 256)}
"""Name to the channels of the five convolutions."""
KERNELS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
"""Side, stride and padding of each convolution."""
POOLED = (1, 2, 5)
"""Convolutions with a max-pool of 3 and stride 2 behind them."""
SMALLEST = 63
"""Views of fewer pixels leave nothing behind the last pooling."""


class AlexNet(nn.Module):
    """Pictures (B, 3, S, S) to the 4096 values of fc7, after its ReLU (Asano et al., ICLR 2020; official `alexnet.py`).

    Five convolutions, each with batch norm and ReLU, then dropout, fc6, ReLU, dropout, fc7, ReLU. At the
    official 224 pixels the map before fc6 is 6 x 6; at another size fc6 is as wide as the map there.

    Args:
        widths: channels of the five convolutions.
        image_size: S, at least 63.
        name: for the message.

    Raises:
        UserError: S is too small.
    """

    stage_paths: ClassVar = {f"conv{n}": f"features.relu{n}" for n in range(1, 6)}
    stage_pooling: ClassVar = "max"

    def __init__(self, widths: tuple[int, ...], image_size: int, name: str = "alexnet_big") -> None:
        super().__init__()
        if image_size < SMALLEST:
            raise UserError(
                f"{name} takes views of at least {SMALLEST} pixels, got {image_size}; set --image-size, "
                "whose published value is 224: smaller pictures are enlarged."
            )
        self.features = nn.Sequential()
        before, side = 3, image_size
        for number, (width, (kernel, stride, padding)) in enumerate(zip(widths, KERNELS, strict=True), 1):
            self.features.add_module(f"conv{number}", nn.Conv2d(before, width, kernel, stride, padding))
            self.features.add_module(f"norm{number}", nn.BatchNorm2d(width))
            self.features.add_module(f"relu{number}", nn.ReLU(inplace=True))
            before, side = width, (side + 2 * padding - kernel) // stride + 1
            if number in POOLED:
                self.features.add_module(f"pool{number}", nn.MaxPool2d(3, 2))
                side = (side - 3) // 2 + 1
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(before * side**2, 4096), nn.ReLU(inplace=True),
            nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
        )  # fmt: skip
        he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, 4096)."""
        features: Tensor = self.classifier(self.features(images).flatten(1))  # (B, C h w) to (B, 4096)
        return features
