"""The retrieval protocol: whether the training samples that are most like a test sample are of its class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled.distributed import collect, rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import labelled_pair
from unlabeled.metrics.intervals import of_mean, wilson
from unlabeled.metrics.ranking import rank_relevant


@dataclass(frozen=True)
class Recall:
    """The share of queries that have a sample of their class among the k most alike.

    Args:
        k: how far down the list is looked.
        value: R@k, rising with k.
        interval: Wilson, 95 %.
    """

    k: int
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What `retrieval` found.

    Args:
        value: R@k of the smallest k.
        interval: of `value`, Wilson, 95 %.
        recall: of every k.
        mean_average_precision: mAP, over the whole gallery.
        mean_average_precision_interval: 95 %, over queries.
        mean_reciprocal_rank: of the first right sample.
        median_rank: of the first right sample, 1 at best.
        n_train: samples of the gallery.
        n_test: queries.
        without_match: queries left out, for the gallery holds no other sample of their class.
        classes: C, of the gallery.
    """

    value: float
    interval: tuple[float, float]
    recall: list[Recall]
    mean_average_precision: float
    mean_average_precision_interval: tuple[float, float]
    mean_reciprocal_rank: float
    median_rank: float
    n_train: int
    n_test: int
    without_match: int
    classes: int


def retrieval(train: Features, test: Features, k: Sequence[int] = (1, 5, 10, 20, 50)) -> Retrieval:
    """Order the training samples by cosine to each test sample, and see where those of its class stand.

        R@k = share of queries whose first right sample has rank <= k
        AP = mean over right samples of the precision at their ranks;    mAP = mean over queries

    Ranks are exact, ties ordered by id. Where `test` is `train` itself, each sample is left out of its own
    list, by its id. Every process passes the same samples and asks its share of the queries.

    Args:
        train: the gallery, labelled; N, at least 2 classes.
        test: the queries, labelled with classes of `train`.
        k: each at least 1; k above the gallery's size stands for all of it.

    Raises:
        UserError: what was passed cannot be searched; the message says why.
    """
    if not k or min(k) < 1:
        raise UserError(f"retrieval needs numbers k of at least 1, got {list(k)}; the usual are 1 5 10 20 50.")
    labels, test_labels, classes = labelled_pair(train, test, "retrieval")
    share = slice(rank(), None, world_size())
    exclude = np.arange(len(test_labels))[share] if test is train else None
    found = rank_relevant(test.embeddings[share], train.embeddings, test_labels[share], labels, exclude)
    first, precision = (np.concatenate(parts) for parts in zip(*collect((found.first, found.precision)), strict=True))
    matched = first > 0
    first, precision = first[matched], precision[matched]
    if not len(first):
        raise UserError("no query has another sample of its class to find: give at least two samples of a class.")
    recall = [_recall(first, each) for each in sorted(set(k))]
    return Retrieval(
        value=recall[0].value,
        interval=recall[0].interval,
        recall=recall,
        mean_average_precision=float(precision.mean()),
        mean_average_precision_interval=of_mean(precision),
        mean_reciprocal_rank=float((1 / first).mean()),
        median_rank=float(np.median(first)),
        n_train=len(labels),
        n_test=len(first),
        without_match=int((~matched).sum()),
        classes=classes,
    )


def _recall(first: np.ndarray, k: int) -> Recall:
    right = int((first <= k).sum())
    return Recall(k, right / len(first), wilson(right, len(first)))
