"""Views of pictures: the operations, and the presets made of them."""

from unlabeled.views.images.operations import centre_crop, to_float
from unlabeled.views.images.presets import ImageViews, Turned, crops, plain, rotations, sela, simclr

__all__ = [
    "ImageViews", "Turned", "centre_crop", "crops", "plain", "rotations", "sela", "simclr", "to_float",
]  # fmt: skip
