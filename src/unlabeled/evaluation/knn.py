"""The nearest-neighbour protocol: how well the neighbours of a sample tell its class."""

from dataclasses import dataclass

import numpy as np

from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.classified import Classified, classified
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import labelled_pair
from unlabeled.metrics.neighbours import nearest_across, weighted_vote


@dataclass(frozen=True, kw_only=True)
class Knn(Classified):
    """What `knn` found, beside what it has in common with every classifier.

    Args:
        k: neighbours that voted.
        temperature: of the vote.
    """

    k: int
    temperature: float


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
    found = classified(scores, labels, test_labels)
    return Knn(**vars(found), k=similarity.shape[1], temperature=temperature)
