"""`unlabeled evaluate probes`: what a linear classifier finds at every depth of an encoder."""

from typing import TYPE_CHECKING, Any, Literal

from unlabeled.commands.labelled import Evaluated, Labelled, PathText, kept

if TYPE_CHECKING:
    from torch import Tensor

    from unlabeled.commands.load import Encoder
    from unlabeled.encoders.images import Stage
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.probes import Look


def probes(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    epochs: int = 36,
    batch_size: int = 192,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-5,
    crops: Literal[1, 10] = 10,
    max_steps: int | None = None,
    workers: int = 2,
    seed: int = 0,
) -> Evaluated:
    """Fit a linear classifier on the map of every stage, by SGD on crops and flips; the value is that of the last.

    Example: unlabeled evaluate probes runs/photos --epochs 36

    Args:
        run: the run's folder; its encoder is one of convolutions.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        epochs: passes over the training samples; the learning rate falls to a tenth after 10, 20 and 30 of 36 parts.
        batch_size: samples a step, over all processes; all of them where there are fewer.
        learning_rate: of the first steps, whatever the batch, above 0.
        weight_decay: of the classifiers' weights, at least 0.
        crops: 10 tells the accuracy of the mean over ten crops too, 1 that of the plain view alone.
        max_steps: train for this many steps and no more, for a quick look.
        workers: processes that make views, at least 0; the result does not depend on it.
        seed: of the split, the views, and the classifiers' first weights.
    """
    from unlabeled.evaluation.fitting import Recipe
    from unlabeled.evaluation.probes import probes as protocol
    from unlabeled.evaluation.split import labelled_pair

    recipe = Recipe(epochs, batch_size, weight_decay, (), max_steps, seed, workers, nesterov=False)
    opened = Labelled(run, data, test, labels, test_labels, seed).opened()
    kind, size, batch = opened.trained.modality, opened.trained.size, opened.trained.batch
    train, tested = opened.pair(_places, seed)
    answers = labelled_pair(train, tested, "probes", apart=True)[:2]
    others = opened.samples if opened.tested is None else opened.tested
    pair = opened.samples.subset(train.ids), others.subset(tested.ids)
    judged = [(kind.plain(size), batch), (kind.crops(size), max(1, batch // 10))]
    looks: dict[str, Look] = {
        "trained": _look(opened.trained),
        "random_encoder": _look(opened.random),
        "raw_input": _pixels,
    }
    if crops == 1:
        del judged[1]
    found = protocol(looks, pair, answers, kind.fitted(size), judged, recipe, learning_rate)
    return kept(opened.folder, "probes", "accuracy", found, seed, opened.split, opened)


def _places(samples: Any) -> "Features":
    """The labelled samples as rows without embeddings: the probes look at maps, made anew for every view."""
    import numpy as np

    from unlabeled.evaluation.features import Features

    return Features(np.zeros((len(samples), 0), np.float32), np.arange(len(samples)), None).of(samples)


def _look(encoder: "Encoder") -> "Look":
    """The stages of an encoder.

    Raises:
        UserError: it shows none.
    """
    from unlabeled.errors import UserError

    module: Any = getattr(encoder.module, "encoder", encoder.module)  # a method that represents has one
    if not hasattr(module, "stages"):
        raise UserError("probes look at the feature maps of encoders of pictures, and this one has none.")
    look: Look = module.stages
    return look


def _pixels(views: "Tensor") -> "list[Stage]":
    """The raw input: the view itself as the only map."""
    from unlabeled.encoders.images import Stage

    return [Stage("pixels", views, "average")]
