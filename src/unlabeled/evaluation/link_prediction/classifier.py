"""From embeddings of nodes to scores of pairs: logistic regression on products."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from unlabeled.evaluation.link_prediction.examples import Examples, Split
from unlabeled.metrics.auc import auc

PairFeatures = Literal["product", "dot", "scores"]

KINDS: tuple[PairFeatures, ...] = get_args(PairFeatures)
"""All of them: one training serves each."""

NEWTON = 50
"""Steps of Newton's method, at most; it takes about six."""

TOLERANCE = 1e-9


def products(embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The Hadamard product of the two ends of each pair, (M, F)."""
    out: np.ndarray = embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]
    return out


def pair_features(kind: PairFeatures, embeddings: np.ndarray, pairs: np.ndarray, simple: np.ndarray) -> np.ndarray:
    """What the classifier sees of pairs, (M, ...).

    Args:
        kind: product: the Hadamard product (the protocol's); dot: its sum beside it, which few examples do not have to
            learn entry by entry; scores: the logarithms of 1 plus the simple scores beside both.
        embeddings: of all nodes, (N, F).
        pairs: int64 (M, 2).
        simple: the simple scores of the pairs, (M, S), at least 0.
    """
    product = products(embeddings, pairs)
    beside = [] if kind == "product" else [product.sum(1, keepdims=True)]
    return np.concatenate([product, *beside, *([np.log1p(simple)] if kind == "scores" else [])], 1)


def fitted_scores(features: np.ndarray, linked: np.ndarray, train: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Scores of the examples at `places`, of a logistic regression that learns from those at `train`.

    It minimises 1/2 |w|^2 + sum of log(1 + exp(-y <w, x>)), x the features as they are and a 1: scikit-learn's with
    liblinear and C = 1, the protocol's, whose intercept is penalised too.
    """
    rows = np.concatenate([features, np.ones((len(features), 1))], 1, dtype=np.float64)
    learnt = rows[train]
    basis = None
    if len(learnt) < learnt.shape[1]:  # w lies in the span of the rows it learns from
        basis, triangle = np.linalg.qr(learnt.T)
        learnt = triangle.T
    weight = _minimum(learnt, linked[train])
    out: np.ndarray = rows[places] @ (weight if basis is None else basis @ weight)
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


@dataclass(frozen=True)
class Question:
    """One set of examples of one step, split.

    Args:
        name: of the task, and of the treatment of self-pairs.
        examples: pairs.
        validation: int64, places.
        splits: of the rest.
        simple: the simple scores of the pairs, (M,) each.
    """

    name: str
    examples: Examples
    validation: np.ndarray
    splits: list[Split]
    simple: dict[str, np.ndarray]

    def features(self, kind: PairFeatures, embeddings: np.ndarray) -> np.ndarray:
        """What the classifier sees of the examples."""
        return pair_features(kind, embeddings, self.examples.pairs, np.stack(list(self.simple.values()), 1))

    def validate(self, features: np.ndarray) -> float:
        """AUC on the validation examples of a classifier that learns from the first split."""
        scores = fitted_scores(features, self.examples.linked, self.splits[0].train, self.validation)
        return auc_of(scores, self.examples.linked[self.validation])

    def test(self, features: np.ndarray) -> list[np.ndarray]:
        """Scores of each split's test examples."""
        linked = self.examples.linked
        return [fitted_scores(features, linked, split.train, split.test) for split in self.splits]


def auc_of(scores: np.ndarray, linked: np.ndarray) -> float:
    """AUC of scores with their answers."""
    return auc(scores[linked], scores[~linked])
