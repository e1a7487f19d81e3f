"""Networks for pictures: any timm or torchvision backbone by name, and those of papers that no library has."""

from unlabeled.encoders.images.backbones import SMALL, Stem, default_name, image_encoder
from unlabeled.encoders.images.encoder import ImageEncoder
from unlabeled.encoders.images.initialisation import Initialisation
from unlabeled.encoders.images.residual import Block, small_resnet
from unlabeled.encoders.images.stages import Stage

__all__ = [
    "SMALL", "Block", "ImageEncoder", "Initialisation", "Stage", "Stem", "default_name", "image_encoder",
    "small_resnet",
]  # fmt: skip
