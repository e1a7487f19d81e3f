"""`unlabeled evaluate labels`: whether the labels that a run has learnt are the classes."""

from typing import Any

from unlabeled.commands.labelled import Evaluated, Labelled, PathText, kept


def labels(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
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
        seed: of the split, of the draws and of the resamples.

    Raises:
        UserError: the run's method learns no labels, or the data has no classes.
    """
    from unlabeled.evaluation import learnt_labels as protocol
    from unlabeled.run import Run
    from unlabeled.training.labeller import Labeller

    folder = Run.open(run)
    folder.description()  # says first of all whether its training has ended
    labeller = Labeller.read(folder)
    opened = Labelled(run, data, test, labels, test_labels, seed).opened()
    pairs = {which: opened.pair(features_of, seed) for which, features_of in opened.ways().items()}
    finders = {
        "trained": ("trained", protocol.by_heads(labeller)),
        "random_labels": ("trained", protocol.at_random(labeller, seed)),
        "random_encoder": ("random_encoder", protocol.by_random_heads(labeller, seed)),
        "kmeans": ("trained", protocol.by_kmeans(labeller, seed)),
        "kmeans_raw_input": ("raw_input", protocol.by_kmeans(labeller, seed)),
    }
    results = {
        name: protocol.learnt_labels(*pairs[which], labeller, find, seed) for name, (which, find) in finders.items()
    }
    return kept(folder, "labels", "adjusted_mutual_information", results, seed, opened.split, opened)
