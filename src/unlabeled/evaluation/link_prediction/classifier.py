"""From embeddings of nodes to scores of pairs: logistic regression on products."""

import warnings
from dataclasses import dataclass

import numpy as np

from unlabeled.evaluation.link_prediction.examples import Examples, Split
from unlabeled.metrics.auc import auc


def products(embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The Hadamard product of the two ends of each pair, (M, F)."""
    out: np.ndarray = embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]
    return out


def fitted_scores(features: np.ndarray, linked: np.ndarray, train: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Scores of the examples at `places`, of a logistic regression that learns from those at `train`.

    scikit-learn's with liblinear, L2 and C = 1, features as they are: the protocol's, whose intercept is penalised too.
    """
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # liblinear says when it stops early; the score is what it is
        model = LogisticRegression(solver="liblinear", random_state=0).fit(features[train], linked[train])
    out: np.ndarray = model.decision_function(features[places])
    return out


@dataclass(frozen=True)
class Question:
    """One set of examples of one step, split.

    Args:
        name: of the task, and of the treatment of self-pairs.
        examples: pairs.
        validation: int64, places.
        splits: of the rest.
    """

    name: str
    examples: Examples
    validation: np.ndarray
    splits: list[Split]

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
