"""Views of pictures: the operations, and the presets made of them."""

from unlabeled.views.images.looking import ImageViews
from unlabeled.views.images.operations import centre_crop, to_float
from unlabeled.views.images.presets import crop, crops, plain, simclr
from unlabeled.views.images.sela import rotations, sela
from unlabeled.views.images.ten_crops import TenCrops

__all__ = [
    "ImageViews", "TenCrops", "centre_crop", "crop", "crops", "plain", "rotations", "sela", "simclr", "to_float",
]  # fmt: skip
