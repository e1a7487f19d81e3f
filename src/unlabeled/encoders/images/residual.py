"""A small residual network of our own for small pictures."""

from typing import ClassVar

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: the basic residual block (He et al. 2016, figure 2)."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if stride > 1 or width_in != width
            else nn.Identity()
        )

    def zero_init_last(self) -> None:
        """Set the last batch norm's scale to 0, so that the block starts as its shortcut."""
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, width, h / stride, w / stride)."""
        y = torch.relu_(self.norm1(self.conv1(x)))
        return torch.relu_(self.norm2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Sequential):
    """What `small_resnet` builds: convolution, batch norm, ReLU, and a block a stage."""

    stage_paths: ClassVar = {"stem": "2", "stage1": "3", "stage2": "4", "stage3": "5", "stage4": "6"}


def small_resnet(widths: tuple[int, int, int, int] = (32, 64, 128, 256), stride: int = 2) -> SmallResNet:
    """A residual network of one block a stage whose first convolution has stride 2 and no pooling after it.

    At 32 pixels it takes 16 million multiply-adds, a thirty-fifth of ResNet-18 with its small stem.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, stride, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    before = widths[0]
    for stage, width in enumerate(widths):
        layers.append(Block(before, width, 1 if stage == 0 else 2))
        before = width
    return SmallResNet(*layers)
