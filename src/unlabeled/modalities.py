"""The one table of modalities: how each is opened, looked at, encoded, and which sample is built in.

Nothing else switches on a modality's name.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

import unlabeled.encoders.graphs
import unlabeled.encoders.images
import unlabeled.encoders.temporal_graphs
import unlabeled.views.graphs
import unlabeled.views.images
import unlabeled.views.temporal_graphs
from unlabeled.data.graphs import Graph, open_graphs
from unlabeled.data.graphs import sample as graph_sample
from unlabeled.data.graphs.drawing import draw
from unlabeled.data.graphs.form import GraphForm, form_from, form_of
from unlabeled.data.images import open_images
from unlabeled.data.photographs import photographs
from unlabeled.data.temporal_graphs import open_snapshots
from unlabeled.data.temporal_graphs.form import snapshot_form, snapshot_form_from
from unlabeled.data.temporal_graphs.snapshots import Node
from unlabeled.encoders.graphs.picturing import pictured
from unlabeled.encoders.rows import Rows
from unlabeled.errors import UserError


@dataclass(frozen=True)
class Modality:
    """All that the commands need to know of one kind of data.

    Args:
        open: a path (or arrays, or a torch data set) and a file of labels or None, to samples; what else it takes are
            flags of `pretrain`.
        sample: the built-in sample: training samples and test samples.
        size: samples to the form of a view, which the next ones take: the default side of pictures in pixels, or
            whatever else an encoder must know of its input.
        sized: whether that form is a side in pixels, which `--image-size` may set.
        stored: the form as encoder.json gives it back (numbers, text and lists) to the form.
        values: form to the numbers that a sample takes, about: by it the samples of a batch are chosen.
        side: form to the side of a picture of a sample, in pixels, beyond which there is no more to see.
        views: the default view preset: (size, ...) to views.
        plain: size to the one view without chance that evaluation uses.
        fitted: size to the one view by chance that classifiers are fitted on.
        crops: size to several views without chance, joined sample by sample, whose scores some protocols average.
        encoder: (name, size, ...) to an `nn.Module` with `width`.
        default_encoder: size to a name.
        raw: (form, the encoder's arguments) to a function of one sample or view: the raw-input baseline's features,
            float32 (D,).
        thumbnail: what a person is shown of one sample: (sample, side) to uint8 (side, side, 3).
        shows: what such a picture is, in a sentence for people; empty where it needs none.
        inside: pictures of what an encoder makes of one sample on the way: (encoder, sample, side) to any number.
        whole: where an encoder sees all samples at once (the nodes of a graph): (encoder, samples) to a table of
            representations. A batch that is larger than the data is then all of it.
        misfit: (the form that an encoder was made for, that of some samples, the encoder's arguments) to what keeps it
            from them, in words; empty where nothing does. None where any samples will do.
        untrained: an encoder's arguments to those of the untrained one that is its baseline.
    """

    open: Callable[..., Any]
    sample: Callable[[], tuple[Any, Any]]
    size: Callable[[Any], Any]
    sized: bool
    stored: Callable[[Any], Any]
    values: Callable[[Any], int]
    side: Callable[[Any], int]
    views: Callable[..., Any]
    plain: Callable[[Any], Any]
    fitted: Callable[[Any], Any]
    crops: Callable[[Any], Any]
    encoder: Callable[..., nn.Module]
    default_encoder: Callable[[Any], str]
    raw: Callable[[Any, dict[str, Any]], Callable[[Any], np.ndarray]]
    thumbnail: Callable[[Any, int], np.ndarray]
    inside: Callable[[nn.Module, Any, int], list[np.ndarray]]
    whole: Callable[[nn.Module, Any], Rows] | None = None
    misfit: Callable[[Any, Any, dict[str, Any]], str] | None = None
    untrained: Callable[[dict[str, Any]], dict[str, Any]] = dict
    shows: str = ""


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


def node_counts(form: GraphForm, network: dict[str, Any]) -> Callable[[Graph], np.ndarray]:
    """What a network is told of the nodes of a graph, pooled: the sum and the mean, and the number of nodes.

    It is the features that the network has (kinds and attributes, or degrees where nodes are all alike, unless the
    network's `features` says otherwise), without any layer.
    """
    from unlabeled.data.graphs.batch import joined
    from unlabeled.encoders.graphs.features import NodeFeatures

    features = NodeFeatures(form, network.get("features"))

    def counted(graph: Graph) -> np.ndarray:
        rows = features(joined([graph])).numpy()
        return np.concatenate([rows.sum(0), rows.mean(0), [graph.nodes]]).astype(np.float32)

    return counted


def nodes_apart(form: GraphForm, other: GraphForm, network: dict[str, Any]) -> str:
    """What nodes carry here and not there, as far as a network that was made for the one form looks at it."""
    features = network.get("features") or "all"
    if features in ("all", "attributes") and form.means and len(other.means) != len(form.means):
        return f"nodes with {len(other.means)} attributes and not {len(form.means)}"
    if features in ("all", "labels", "struct") and len(form.kinds) > 1 and not set(form.kinds) & set(other.kinds):
        return "nodes of other kinds, or of none"
    return ""


def node_activity(node: Node) -> np.ndarray:
    """How much a node did in each snapshot, whoever with, float32 (T,): what knows no structure."""
    return node.activity


def same(size: Any) -> Any:
    """Pictures are of one form, their side in pixels."""
    return size


def opening(kind: Modality, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bare flags told apart: those of the modality's `open`, and those of the method."""
    own = list(inspect.signature(kind.open).parameters)[2:]
    return (
        {name: value for name, value in arguments.items() if name in own},
        {name: value for name, value in arguments.items() if name not in own},
    )


MODALITIES = {
    "images": Modality(
        open=open_images,
        sample=photographs,
        size=image_size,
        sized=True,
        stored=same,
        values=lambda size: 3 * size**2,
        side=same,
        views=unlabeled.views.images.simclr,
        plain=unlabeled.views.images.plain,
        fitted=unlabeled.views.images.crop,
        crops=unlabeled.views.images.TenCrops,
        encoder=unlabeled.encoders.images.image_encoder,
        default_encoder=unlabeled.encoders.images.default_name,
        raw=lambda size, network: raw_pixels,
        thumbnail=small_picture,
        inside=lambda encoder, sample, side: [],
    ),
    "graphs": Modality(
        open=open_graphs,
        sample=graph_sample,
        size=form_of,
        sized=False,
        stored=form_from,
        values=lambda form: 128 * form.nodes,
        side=lambda form: 96,
        views=unlabeled.views.graphs.changed,
        plain=unlabeled.views.graphs.plain,
        fitted=unlabeled.views.graphs.plain,
        crops=unlabeled.views.graphs.plain,
        encoder=unlabeled.encoders.graphs.graph_encoder,
        default_encoder=lambda form: "diffpool",
        raw=node_counts,
        thumbnail=draw,
        inside=pictured,
        shows="A picture is the graph; nodes of one kind have one colour.",
        misfit=nodes_apart,
    ),
    "temporal_graphs": Modality(
        open=open_snapshots,
        sample=lambda: (open_snapshots(None), None),
        size=snapshot_form,
        sized=False,
        stored=snapshot_form_from,
        values=lambda form: form.snapshots,
        side=lambda form: 96,
        views=unlabeled.views.temporal_graphs.nodes,
        plain=unlabeled.views.temporal_graphs.nodes,
        fitted=unlabeled.views.temporal_graphs.nodes,
        crops=unlabeled.views.temporal_graphs.nodes,
        encoder=unlabeled.encoders.temporal_graphs.temporal_encoder,
        default_encoder=lambda form: "self_attention",
        raw=lambda form, network: node_activity,
        thumbnail=unlabeled.views.temporal_graphs.activity_bars,
        inside=lambda encoder, sample, side: [],
        whole=unlabeled.encoders.temporal_graphs.node_rows,
        misfit=lambda form, other, network: form.apart(other),
        untrained=lambda network: network | {"incremental": False},  # on top of a history it would be no stranger to it
        shows="A picture is what a node did: a bar a snapshot, by the logarithm of its events.",
    ),
}


def modality(name: str) -> Modality:
    """The table's row.

    Raises:
        UserError: no such modality in this version.
    """
    if name not in MODALITIES:
        raise UserError(f"this version knows no {name}; it knows {', '.join(MODALITIES)}.")
    return MODALITIES[name]
