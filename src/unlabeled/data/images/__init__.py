"""Images: whatever a user has → pictures in a fixed order, each read when asked for."""

from unlabeled.data.images.collection import Images, Reader
from unlabeled.data.images.header import check
from unlabeled.data.images.labels import UNLABELLED, Labels
from unlabeled.data.images.opening import open_images
from unlabeled.data.images.pixels import decode
from unlabeled.data.skipped import Skipped

__all__ = ["UNLABELLED", "Images", "Labels", "Reader", "Skipped", "check", "decode", "open_images"]
