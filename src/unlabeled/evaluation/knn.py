"""The nearest-neighbour protocol: how well the neighbours of a sample tell its class."""

from dataclasses import dataclass

import numpy as np

from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import labelled_pair
from unlabeled.metrics.accuracy import correct_at, majority, mean_per_class
from unlabeled.metrics.intervals import wilson
from unlabeled.metrics.neighbours import nearest_across, weighted_vote


@dataclass(frozen=True)
class Knn:
    """What `knn` found.

    Args:
        value: top-1 accuracy on the test samples.
        interval: of `value`, Wilson, 95 %.
        per_class: the mean of the classes' accuracies.
        top5: top-min(5, C) accuracy; a class without a vote is no answer.
        k: neighbours that voted.
        temperature: of the vote.
        n_train: training samples.
        n_test: test samples.
        classes: C, of the training samples.
        majority: the accuracy of always answering the largest class of the training samples.
    """

    value: float
    interval: tuple[float, float]
    per_class: float
    top5: float
    k: int
    temperature: float
    n_train: int
    n_test: int
    classes: int
    majority: float


def knn(train: Features, test: Features, k: int = 20, temperature: float = 0.07) -> Knn:
    """Classify test samples by the weighted vote of their k nearest training samples (InstDisc, DINO).

        score_c = sum over the k largest cosines s_j of exp(s_j / T) [y_j = c]

    Where `test` is `train` itself, each sample is left out of its own neighbours, by its id. Every
    process passes the same samples and searches its share of the training ones.

    Args:
        train: labelled; N, at least 2 classes.
        test: labelled with classes of `train`.
        k: at least 1; clipped to the number of training samples that may vote.
        temperature: T > 0.

    Raises:
        UserError: what was passed cannot be classified; the message says why.
    """
    if k < 1:
        raise UserError(f"k-NN needs at least 1 neighbour, got k = {k}; DINO's advice is 20.")
    if not temperature > 0:
        raise UserError(f"k-NN needs a temperature above 0, got {temperature}; the usual value is 0.07.")
    labels, test_labels, classes = labelled_pair(train, test, "k-NN")
    exclude = test.ids if test is train else None
    share = slice(rank(), None, world_size())
    similarity, _, voters = nearest_across(
        test.embeddings, train.embeddings[share], train.ids[share], labels[share], k, exclude
    )
    scores = weighted_vote(similarity, voters, classes, temperature)
    scores[scores == 0] = -np.inf  # or the order of the classes' names would fill the first five
    correct = correct_at(scores, test_labels)
    return Knn(
        value=float(correct.mean()),
        interval=wilson(int(correct.sum()), len(correct)),
        per_class=mean_per_class(correct, test_labels),
        top5=float(correct_at(scores, test_labels, min(5, classes)).mean()),
        k=similarity.shape[1],
        temperature=temperature,
        n_train=len(labels),
        n_test=len(test_labels),
        classes=classes,
        majority=majority(labels, test_labels),
    )
