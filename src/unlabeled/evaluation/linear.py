"""The linear protocol: how well a linear classifier on frozen representations does."""

from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.classified import Classified, classified
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import HELD_OUT, labelled_pair
from unlabeled.metrics.logistic import COSTS, Problem, path
from unlabeled.training.progress import Progress

FINAL = 1e-6
"""The last fit's tolerance: scores are then right to about as many digits as float32 embeddings have."""


@dataclass(frozen=True, kw_only=True)
class Linear(Classified):
    """What `linear` found, beside what it has in common with every classifier; `n_train` counts validation samples too.

    Args:
        cost: the chosen C of sum CE + 1/(2C) |W|^2, on features that are not standardised.
        converged: whether the gradient of the last fit fell to the tolerance.
        validation_accuracy: of the chosen C, fitted without the validation samples.
        selected_on: where C was chosen.
        seed: of the validation samples.
    """

    cost: float
    converged: bool
    validation_accuracy: float
    selected_on: str
    seed: int


def linear(train: Features, test: Features, seed: int = 0, validation: float = 0.1) -> Linear:
    """Multinomial logistic regression by L-BFGS, its regularisation chosen on held-out training samples (DINOv2).

        minimise over W, b:   sum_i CE(W x_i + b, y_i) + 1/(2C) |W|^2

    C rises through `metrics.logistic.COSTS` on all but the validation samples; the C that is best on
    these is fitted on all training samples, and the test samples are touched once. Every process
    passes the same samples and sums over its share of them.

    Args:
        train: labelled; at least 2 classes, one of them with 2 samples.
        test: labelled with classes of `train`; other samples.
        seed: of the validation samples.
        validation: their share, within (0, 1); drawn from each class alike.

    Raises:
        UserError: what was passed cannot be classified; the message says why.
    """
    if test is train:
        raise UserError("the linear probe needs test samples that it does not learn from; give others as --test.")
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
    whole = Problem(train.embeddings[share], labels[share], classes).solve(chosen.cost, chosen, FINAL)
    return Linear(
        **vars(classified(whole.scores(test.embeddings), labels, test_labels)),
        cost=whole.cost,
        converged=whole.converged,
        validation_accuracy=float(accuracies.max()),
        selected_on="validation",
        seed=seed,
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
