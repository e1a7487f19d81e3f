"""From embeddings of nodes to scores of pairs: logistic regression on products."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from unlabeled.metrics.auc import auc
from unlabeled.metrics.spectrum import one_core

PairFeatures = Literal["product", "l1", "dot", "scores", "sigmoid"]

KINDS: tuple[PairFeatures, ...] = get_args(PairFeatures)
"""All of them: one training serves each."""

FITTED: tuple[PairFeatures, ...] = tuple(kind for kind in KINDS if kind != "sigmoid")
"""Those that a classifier sees; the other is a score already."""

NEWTON = 50
"""Steps of Newton's method, at most; it takes about six."""

TOLERANCE = 1e-9


def products(embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The Hadamard product of the two ends of each pair, (M, F)."""
    out: np.ndarray = embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]
    return out


def distances(embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """How far the two ends of each pair are apart, entry by entry, (M, F)."""
    out: np.ndarray = np.abs(embeddings[pairs[:, 0]] - embeddings[pairs[:, 1]])
    return out


def dots(embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The dot product of the two ends of each pair, (M, 1)."""
    out: np.ndarray = products(embeddings, pairs).sum(1, keepdims=True)
    return out


def pair_features(kind: PairFeatures, embeddings: np.ndarray, pairs: np.ndarray, simple: np.ndarray) -> np.ndarray:
    """What the classifier sees of pairs, (M, ...).

    Args:
        kind: product: the Hadamard product (the protocol's); l1: absolute differences (DynamicTriad's); dot: the
            product's sum beside it, which few examples do not have to learn entry by entry; scores: the logarithms of
            1 plus the simple scores beside both; sigmoid: no classifier, but the dot product's sigmoid, of which only
            the order counts: it is the dot product's own, which does not round to 1.
        embeddings: of all nodes, (N, F).
        pairs: int64 (M, 2).
        simple: the simple scores of the pairs, (M, S), at least 0.
    """
    parts = [part(embeddings, pairs) for part in _PARTS[kind]]
    return np.concatenate([*parts, *([np.log1p(simple)] if kind == "scores" else [])], 1)


_PARTS: dict[PairFeatures, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...]] = {
    "product": (products,),
    "l1": (distances,),
    "dot": (products, dots),
    "scores": (products, dots),
    "sigmoid": (dots,),
}
"""What is made of the embeddings, side by side."""


def fitted_scores(
    features: np.ndarray,
    linked: np.ndarray,
    train: np.ndarray,
    places: np.ndarray,
    more: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Scores of the examples at `places`, of a logistic regression that learns from those at `train`, and from `more`.

    Args:
        features: of the examples, (M, D).
        linked: bool (M,).
        train: int64, places.
        places: int64.
        more: features and answers of other examples.
    """
    return scored(features[places], fitted(features[train], linked[train], more))


def fitted(features: np.ndarray, linked: np.ndarray, more: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """The weights of a logistic regression, the intercept last, float64 (D + 1,).

    It minimises 1/2 |w|^2 + sum of log(1 + exp(-y <w, x>)), x the features as they are and a 1: scikit-learn's with
    liblinear and C = 1, the protocol's, whose intercept is penalised too.

    Args:
        features: of the examples, (M, D).
        linked: bool (M,).
        more: features and answers of other examples.
    """
    if more is not None:
        features, linked = np.concatenate([features, more[0]]), np.concatenate([linked, more[1]])
    learnt = np.concatenate([features, np.ones((len(features), 1))], 1, dtype=np.float64)
    with one_core():
        if len(learnt) >= learnt.shape[1]:
            return _minimum(learnt, linked)
        basis, triangle = np.linalg.qr(learnt.T)  # w lies in the span of the rows it learns from
        out: np.ndarray = basis @ _minimum(triangle.T, linked)
        return out


def scored(features: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Scores (M,) of features (M, D), by weights (D + 1,)."""
    out: np.ndarray = features @ weight[:-1] + weight[-1]
    return out


def _minimum(rows: np.ndarray, linked: np.ndarray) -> np.ndarray:
    """w (D,) of the objective, by Newton's method with steps halved until they descend."""
    sign = np.where(linked, 1.0, -1.0)

    def objective(weight: np.ndarray) -> float:
        return float(0.5 * weight @ weight + np.logaddexp(0, -sign * (rows @ weight)).sum())

    weight = np.zeros(rows.shape[1])
    value = objective(weight)
    for _ in range(NEWTON):
        share = 1 / (1 + np.exp(-np.clip(rows @ weight, -500, 500)))
        slope = weight + rows.T @ (share - linked)
        curve = np.eye(len(weight)) + rows.T @ (rows * (share * (1 - share))[:, None])
        step = np.linalg.solve(curve, -slope)
        if -slope @ step < TOLERANCE:  # twice what there is to gain
            break
        size = 1.0
        while (lower := objective(weight + size * step)) > value and size > TOLERANCE:
            size /= 2
        weight, value = weight + size * step, lower
    return weight


def auc_of(scores: np.ndarray, linked: np.ndarray) -> float:
    """AUC of scores with their answers."""
    return auc(scores[linked], scores[~linked])
