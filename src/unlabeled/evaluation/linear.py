"""The linear protocol: how well a linear classifier on frozen representations does."""

from dataclasses import dataclass

import numpy as np

from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.classified import Classified, classified
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import held_out, labelled_pair
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
    """`linear_with_scores` without the scores."""
    return linear_with_scores(train, test, seed, validation)[0]


def linear_with_scores(
    train: Features, test: Features, seed: int = 0, validation: float = 0.1
) -> tuple[Linear, np.ndarray]:
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

    Returns:
        What was found, and the scores of the test samples, float64 (M, C).

    Raises:
        UserError: what was passed cannot be classified; the message says why.
    """
    if not 0 < validation < 1:
        raise UserError(f"the linear probe needs a validation share between 0 and 1, got {validation}; 0.1 is usual.")
    labels, test_labels, classes = labelled_pair(train, test, "the linear probe", apart=True)
    kept_back = held_out(labels, validation, seed)
    if not kept_back.any():
        raise UserError(
            f"the linear probe cannot set samples apart to choose its penalty from {len(labels)} training samples in "
            f"{classes} classes: give at least two samples of a class."
        )
    share = slice(rank(), None, world_size())
    fitted, judged = np.flatnonzero(~kept_back)[share], np.flatnonzero(kept_back)[share]
    problem = Problem(train.embeddings, labels, classes, fitted)
    with Progress("linear probe", len(COSTS), "penalties", show=rank() == 0) as progress:
        held = train.embeddings[judged], labels[judged]
        chosen, accuracies, _ = path(problem, *held, report=progress.update)
    whole = Problem(train.embeddings[share], labels[share], classes).solve(chosen.cost, chosen, FINAL)
    scores = whole.scores(test.embeddings)
    found = Linear(
        **vars(classified(scores, labels, test_labels)),
        cost=whole.cost,
        converged=whole.converged,
        validation_accuracy=float(accuracies.max()),
        selected_on="validation",
        seed=seed,
    )
    return found, scores
