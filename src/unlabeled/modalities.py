"""The one table of modalities: how each is opened, looked at, encoded, and which sample is built in.

Nothing else switches on a modality's name.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

import unlabeled.encoders.images
import unlabeled.encoders.temporal_graphs
import unlabeled.views.images
import unlabeled.views.temporal_graphs
from unlabeled.data.images import open_images
from unlabeled.data.photographs import photographs
from unlabeled.data.temporal_graphs import open_snapshots
from unlabeled.encoders.rows import Rows
from unlabeled.errors import UserError


def _no_sizes(samples: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Modality:
    """All that the commands need to know of one kind of data.

    Args:
        open: a path (or arrays, or a torch data set) and a file of labels or None, to samples.
        sample: the built-in sample: training samples and test samples.
        size: samples to the default size of a view.
        views: the default view preset: (size, ...) to views.
        plain: size to the one view without chance that evaluation uses.
        fitted: size to the one view by chance that classifiers are fitted on.
        crops: size to several views without chance, joined sample by sample, whose scores some protocols average.
        encoder: (name, size, ...) to an `nn.Module` with `width`.
        default_encoder: size to a name.
        raw: one sample or view to the raw-input baseline's features, float32 (D,), whatever its size.
        thumbnail: what a person is shown of one sample: (sample, side) to uint8 (side, side, 3).
        sizes: samples to the arguments of the encoder that the data decides.
        whole: where an encoder sees all samples at once (the nodes of a graph): (encoder, samples) to a table of
            representations. A batch that is larger than the data is then all of it.
    """

    open: Callable[[Any, Any], Any]
    sample: Callable[[], tuple[Any, Any]]
    size: Callable[[Any], int]
    views: Callable[..., Any]
    plain: Callable[[int], Any]
    fitted: Callable[[int], Any]
    crops: Callable[[int], Any]
    encoder: Callable[..., nn.Module]
    default_encoder: Callable[[int], str]
    raw: Callable[[Any], np.ndarray]
    thumbnail: Callable[[Any, int], np.ndarray]
    sizes: Callable[[Any], dict[str, Any]] = _no_sizes
    whole: Callable[[nn.Module, Any], Rows] | None = None


def image_size(samples: Any) -> int:
    """The default view of pictures: their own size up to 64 pixels, a multiple of 4; 96 pixels for larger ones."""
    side: int = samples.size()
    return max(8, side // 4 * 4) if side <= unlabeled.encoders.images.SMALL else 96


def raw_pixels(image: np.ndarray) -> np.ndarray:
    """A picture or a view at 16 x 16, float32 (768,): better than more pixels, which k-NN takes for noise."""
    small = unlabeled.views.images.centre_crop(image, 16)
    return unlabeled.views.images.to_float(small).ravel() if small.dtype == np.uint8 else small.ravel()


def small_picture(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, uint8 (H, W, 3) or a view's float32 in [0, 1], as uint8 (side, side, 3)."""
    pixels = image if image.dtype == np.uint8 else np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    return unlabeled.views.images.centre_crop(pixels, side)


MODALITIES = {
    "images": Modality(
        open=open_images,
        sample=photographs,
        size=image_size,
        views=unlabeled.views.images.simclr,
        plain=unlabeled.views.images.plain,
        fitted=unlabeled.views.images.crop,
        crops=unlabeled.views.images.TenCrops,
        encoder=unlabeled.encoders.images.image_encoder,
        default_encoder=unlabeled.encoders.images.default_name,
        raw=raw_pixels,
        thumbnail=small_picture,
    ),
    "temporal_graphs": Modality(
        open=open_snapshots,
        sample=lambda: (open_snapshots(None), None),
        size=lambda samples: 1,
        views=unlabeled.views.temporal_graphs.nodes,
        plain=unlabeled.views.temporal_graphs.nodes,
        fitted=unlabeled.views.temporal_graphs.nodes,
        crops=unlabeled.views.temporal_graphs.nodes,
        encoder=unlabeled.encoders.temporal_graphs.temporal_encoder,
        default_encoder=lambda size: "self_attention",
        raw=lambda activity: activity,
        thumbnail=lambda node, side: np.zeros((side, side, 3), np.uint8),
        sizes=lambda samples: {"nodes": len(samples), "snapshots": samples.count},
        whole=unlabeled.encoders.temporal_graphs.node_rows,
    ),
}


def opening(name: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bare flags told apart: those of the modality's `open`, and those of the method."""
    own = list(inspect.signature(modality(name).open).parameters)[2:]
    return (
        {name: value for name, value in arguments.items() if name in own},
        {name: value for name, value in arguments.items() if name not in own},
    )


def modality(name: str) -> Modality:
    """The table's row.

    Raises:
        UserError: no such modality in this version.
    """
    if name not in MODALITIES:
        raise UserError(f"this version knows no {name}; it knows {', '.join(MODALITIES)}.")
    return MODALITIES[name]
