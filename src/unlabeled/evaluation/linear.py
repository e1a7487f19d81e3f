"""The linear protocol: how well a linear classifier on frozen representations does."""

from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import labelled_pair
from unlabeled.metrics.accuracy import correct_at, majority, mean_per_class
from unlabeled.metrics.intervals import wilson
from unlabeled.metrics.logistic import COSTS, Problem, path
from unlabeled.training.progress import Progress

HELD_OUT = 1
"""The place of the draw of validation samples under `chance.SPLIT`."""


@dataclass(frozen=True)
class Linear:
    """What `linear` found.

    Args:
        value: top-1 accuracy on the test samples.
        interval: of `value`, Wilson, 95 %.
        per_class: the mean of the classes' accuracies.
        top5: top-min(5, C) accuracy.
        cost: the chosen C of sum CE + 1/(2C) |W|^2, on features that are not standardised.
        converged: whether the gradient of the last fit fell to the tolerance.
        validation_accuracy: of the chosen C, fitted without the validation samples.
        selected_on: where C was chosen.
        seed: of the validation samples.
        n_train: training samples, those held out for validation among them.
        n_test: test samples.
        classes: C, of the training samples.
        majority: the accuracy of always answering the largest class of the training samples.
    """

    value: float
    interval: tuple[float, float]
    per_class: float
    top5: float
    cost: float
    converged: bool
    validation_accuracy: float
    selected_on: str
    seed: int
    n_train: int
    n_test: int
    classes: int
    majority: float


def linear(train: Features, test: Features, seed: int = 0, validation: float = 0.1) -> Linear:
    """Multinomial logistic regression by L-BFGS, its regularisation chosen on held-out training samples (DINOv2).

        minimise over W, b:   sum_i CE(W x_i + b, y_i) + 1/(2C) |W|^2

    C rises through `metrics.logistic.COSTS` on all but the validation samples; the C that is best on
    these is fitted on all training samples, and the test samples are touched once. Every process
    passes the same samples and sums over its share of them.

    Args:
        train: labelled; at least 2 classes, one of them with 2 samples.
        test: labelled with classes of `train`.
        seed: of the validation samples.
        validation: their share, within (0, 1); drawn from each class alike.

    Raises:
        UserError: what was passed cannot be classified; the message says why.
    """
    if not 0 < validation < 1:
        raise UserError(f"the linear probe needs a validation share between 0 and 1, got {validation}; 0.1 is usual.")
    labels, test_labels, classes = labelled_pair(train, test, "the linear probe")
    held_out = _held_out(labels, validation, seed)
    if not held_out.any():
        raise UserError(
            f"the linear probe cannot set samples apart to choose its penalty from {len(labels)} training samples in "
            f"{classes} classes: give at least two samples of a class."
        )
    share = slice(rank(), None, world_size())
    fitted, judged = np.flatnonzero(~held_out)[share], np.flatnonzero(held_out)[share]
    problem = Problem(train.embeddings, labels, classes, fitted)
    with Progress("linear probe", len(COSTS), "penalties", show=rank() == 0) as progress:
        held = train.embeddings[judged], labels[judged]
        chosen, accuracies, _ = path(problem, *held, report=progress.update)
    whole = Problem(train.embeddings[share], labels[share], classes).solve(chosen.cost, chosen)
    scores = whole.scores(test.embeddings)
    correct = correct_at(scores, test_labels)
    return Linear(
        value=float(correct.mean()),
        interval=wilson(int(correct.sum()), len(correct)),
        per_class=mean_per_class(correct, test_labels),
        top5=float(correct_at(scores, test_labels, min(5, classes)).mean()),
        cost=whole.cost,
        converged=whole.converged,
        validation_accuracy=float(accuracies.max()),
        selected_on="validation",
        seed=seed,
        n_train=len(labels),
        n_test=len(test_labels),
        classes=classes,
        majority=majority(labels, test_labels),
    )


def _held_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows are for validation, bool (N,): `share` of them, alike from each class, never the whole of a class.

    The rows are put in an order drawn by the seed, then class by class, and every (1/share)-th is
    taken from a start drawn too: so that classes of fewer than 1/share rows are held out in their turn.
    """
    rng = chance.generator(seed, chance.SPLIT, HELD_OUT)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    start = rng.random()
    steps = np.floor(np.arange(len(labels) + 1) * share + start)
    chosen = np.zeros(len(labels), bool)
    chosen[order[np.diff(steps) > 0]] = True
    if not chosen.any():  # fewer than 1/share rows: one of a class that has another
        several = np.flatnonzero(np.bincount(labels)[labels] > 1)
        chosen[rng.permutation(several)[:1]] = True
    kept = np.bincount(labels[~chosen], minlength=int(labels.max()) + 1)
    last = order[np.unique(labels[order], return_index=True)[1]]  # one row of each class
    chosen[last[kept == 0]] = False
    return chosen
