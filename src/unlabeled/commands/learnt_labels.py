"""`unlabeled evaluate labels`: whether the labels that a run has learnt are the classes."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from unlabeled.commands.labelled import Evaluated, Labelled, PathText, kept

if TYPE_CHECKING:
    from unlabeled.evaluation.features import Features

MakesFeatures = Callable[[Any], "Features"]
"""Samples to their features."""


def labels(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    devices: int = 1,
    seed: int = 0,
) -> Evaluated:
    """Compare the labels that a run has learnt (sela) with the classes: adjusted mutual information, and more.

    Beside it as many labels of as many clusters: drawn at random, by the transport on a random encoder, and by
    k-means on the same representations and on the raw input.

    Example: unlabeled evaluate labels runs/photos

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to judge the labels on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        devices: processes on this machine, one a device, which share the work; under torchrun leave it out.
        seed: of the split, of the draws and of the resamples.

    Raises:
        UserError: the run's method learns no labels, or the data has no classes.
    """
    from unlabeled.evaluation import learnt_labels as protocol
    from unlabeled.evaluation.raw import raw_features
    from unlabeled.training.labeller import Labeller

    opened = Labelled(run, data, test, labels, test_labels, seed, devices=devices).opened()
    labeller, trained = Labeller.read(opened.folder), opened.trained
    raw: MakesFeatures = partial(raw_features, raw=trained.raw)
    how: dict[str, tuple[MakesFeatures, protocol.Finder]] = {
        "trained": (trained.features, protocol.by_heads(labeller)),
        "random_labels": (trained.features, protocol.at_random(labeller, seed)),
        "random_encoder": (opened.random.features, protocol.by_random_heads(labeller, seed)),
        "kmeans": (trained.features, protocol.by_kmeans(labeller, seed)),
        "kmeans_raw_input": (raw, protocol.by_kmeans(labeller, seed)),
    }
    results = {
        name: protocol.learnt_labels(*opened.pair(features_of, seed), labeller, find, seed)
        for name, (features_of, find) in how.items()
    }
    return kept(opened.folder, "labels", "adjusted_mutual_information", results, seed, opened.split, opened)
