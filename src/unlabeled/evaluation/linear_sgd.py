"""The linear-sgd protocol: the published linear evaluation, by SGD on views of a frozen encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from unlabeled.errors import UserError
from unlabeled.evaluation.classified import Classified, classified
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.fitting import Recipe, fit_heads, scores_of
from unlabeled.evaluation.split import held_out, labelled_pair
from unlabeled.metrics.accuracy import correct_at
from unlabeled.training.loader import Views


@dataclass(frozen=True, kw_only=True)
class LinearSGD(Classified):
    """What `linear_sgd` found, beside what it has in common with every classifier.

    Args:
        learning_rate: for a batch of 256; the chosen one where there were several.
        learning_rates: those that were tried, where there were several.
        selected_on: where it was chosen: "validation", or "nothing" where there was only one.
        n_fitted: training samples less those of validation.
        batch_size: over all processes.
        steps: of SGD.
        epochs: over the `n_fitted` samples.
        weight_decay: as it was given.
        seed: of the views, their order, and the validation samples.
    """

    learning_rate: float
    learning_rates: list["Tried"]
    selected_on: str
    n_fitted: int
    batch_size: int
    steps: int
    epochs: float
    weight_decay: float
    seed: int


@dataclass(frozen=True)
class Tried:
    """One learning rate, and how right its classifier was on the validation samples."""

    learning_rate: float
    validation_accuracy: float


def linear_sgd(
    encode: Callable[[Any], Tensor],
    samples: Any,
    views: Views,
    train: Features,
    test: Features,
    recipe: Recipe,
    learning_rates: Sequence[float] = (0.1,),
    validation: float = 0.1,
) -> LinearSGD:
    """Fit a linear classifier from 0 on drawn views of frozen representations, and judge it on plain views.

    SGD as `fitting.Recipe` says; the classifier of the last step is the one that is judged (Chen et al. 2020, appendix
    B.6). Where several learning rates are given, all are fitted in one pass on all but the validation samples, and
    the one that is best on those (of equals the lowest) is judged as it is (the idea is DINOv2's). The test samples
    are touched once.

    Args:
        encode: views in the encoder's form to (B, D), in evaluation mode.
        samples: what `train.ids` are places in.
        views: one view of each sample, drawn.
        train: plain views of labelled samples; D must be that of `encode`.
        test: the same, labelled with classes of `train`.
        recipe: of SGD.
        learning_rates: for a batch of 256, each above 0.
        validation: share of the training samples that chooses, within (0, 1); drawn from each class alike.

    Raises:
        UserError: what was passed cannot be classified or fitted; the message says why.
    """
    labels, test_labels, classes = labelled_pair(train, test, "linear-sgd", apart=True)
    chooses = len(learning_rates) > 1
    kept_back = held_out(labels, validation, recipe.seed) if chooses else np.zeros(len(labels), bool)
    if chooses and not kept_back.any():
        raise UserError(
            "linear-sgd cannot set samples apart to choose a learning rate, for no class has two: give one "
            "--learning-rate."
        )
    fitted = samples.subset(train.ids[~kept_back])
    width = train.embeddings.shape[1]
    (heads,) = fit_heads(
        lambda seen: [encode(seen)],
        [width],
        learning_rates,
        fitted,
        labels[~kept_back],
        classes,
        views,
        recipe,
        "linear-sgd",
    )
    tried, best = [], 0
    if chooses:
        rows, answers = train.embeddings[kept_back], labels[kept_back]
        right = [float(correct_at(scores_of(head, rows), answers).mean()) for head in heads]
        tried = [Tried(*each) for each in zip(learning_rates, right, strict=True)]
        best = min(range(len(heads)), key=lambda place: (-right[place], learning_rates[place]))
    count, size = len(fitted), recipe.batch(len(fitted))
    return LinearSGD(
        **vars(classified(scores_of(heads[best], test.embeddings), labels, test_labels)),
        learning_rate=learning_rates[best],
        learning_rates=tried,
        selected_on="validation" if chooses else "nothing",
        n_fitted=count,
        batch_size=size,
        steps=recipe.steps(count),
        epochs=round(recipe.steps(count) * size / count, 2),
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
    )
