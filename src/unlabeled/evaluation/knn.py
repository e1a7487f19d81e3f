"""The nearest-neighbour protocol: how well the neighbours of a sample tell its class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.classified import Classified, classified
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import labelled_pair
from unlabeled.metrics.neighbours import nearest_across, weighted_vote


@dataclass(frozen=True)
class AtK:
    """The accuracy of one number of neighbours, where several were asked for.

    Args:
        k: neighbours that voted.
        accuracy: top-1.
        interval: of `accuracy`, Wilson, 95 %.
        per_class: the mean of the classes' accuracies.
        top5: top-min(5, C) accuracy.
    """

    k: int
    accuracy: float
    interval: tuple[float, float]
    per_class: float
    top5: float


@dataclass(frozen=True, kw_only=True)
class Knn(Classified):
    """What `knn` found, beside what it has in common with every classifier: this is of the first k.

    Args:
        k: neighbours that voted.
        temperature: of the vote.
        by_k: every k, in the order given, where several were; none of them is chosen.
    """

    k: int
    temperature: float
    by_k: tuple[AtK, ...] = ()


def knn(train: Features, test: Features, k: int | Sequence[int] = 20, temperature: float = 0.07) -> Knn:
    """Classify test samples by the weighted vote of their k nearest training samples (InstDisc, DINO).

        score_c = sum over the k largest cosines s_j of exp(s_j / T) [y_j = c]

    Where `test` is `train` itself, each sample is left out of its own neighbours, by its id. Every
    process passes the same samples and searches its share of the training ones, once for all k.

    Args:
        train: labelled; N, at least 2 classes.
        test: labelled with classes of `train`.
        k: one or several, each at least 1; clipped to the number of training samples that may vote.
        temperature: T > 0.

    Raises:
        UserError: what was passed cannot be classified; the message says why.
    """
    asked = np.atleast_1d(k).tolist()
    if not asked or min(asked) < 1:
        raise UserError(f"k-NN needs at least 1 neighbour, got k = {min(asked, default=0)}; DINO's advice is 20.")
    if not temperature > 0:
        raise UserError(f"k-NN needs a temperature above 0, got {temperature}; the usual value is 0.07.")
    labels, test_labels, classes = labelled_pair(train, test, "k-NN")
    exclude = test.ids if test is train else None
    share = slice(rank(), None, world_size())
    similarity, _, voters = nearest_across(
        test.embeddings, train.embeddings[share], train.ids[share], labels[share], max(asked), exclude
    )
    found = {}
    for voting in dict.fromkeys(min(each, similarity.shape[1]) for each in asked):
        scores = weighted_vote(similarity[:, :voting], voters[:, :voting], classes, temperature)
        scores[scores == 0] = -np.inf  # or the order of the classes' names would fill the first five
        found[voting] = classified(scores, labels, test_labels)
    first = next(iter(found))
    by_k = tuple(AtK(each, of.value, of.interval, of.per_class, of.top5) for each, of in found.items())
    return Knn(**vars(found[first]), k=first, temperature=temperature, by_k=by_k if len(asked) > 1 else ())
