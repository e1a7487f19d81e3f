"""What a step is asked: pairs with their simple scores, shared out, and links that are ranked among candidates."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from unlabeled.evaluation.link_prediction.classifier import (
    PairFeatures,
    auc_of,
    fitted,
    fitted_scores,
    pair_features,
    scored,
)
from unlabeled.evaluation.link_prediction.examples import Examples, Split

PAST = 3
"""Earlier snapshots whose links a classifier may learn from too."""

Features = Callable[["Asked"], np.ndarray]
"""What a classifier sees of pairs, (M, D)."""


@dataclass(frozen=True)
class Asked:
    """Examples, and the simple scores of their pairs.

    Args:
        examples: pairs.
        simple: (M,) each.
        back: how many snapshots before the last the embeddings are of that they are asked of.
    """

    examples: Examples
    simple: dict[str, np.ndarray]
    back: int = 0

    def features(self, kind: PairFeatures, recent: np.ndarray) -> np.ndarray:
        """What the classifier sees of them, of embeddings (P, N, F)."""
        return pair_features(kind, recent[-1 - self.back], self.examples.pairs, self.counts)

    @property
    def counts(self) -> np.ndarray:
        """The simple scores, (M, S)."""
        return np.stack(list(self.simple.values()), 1)


@dataclass(frozen=True)
class Queries:
    """Links, each to be told from candidates: pairs of its first end with other nodes.

    Args:
        blocks: the pairs, those of a query together and its link first: 1 + C of them.
        valid: bool (Q, C), which candidates count.
    """

    blocks: list[Asked]
    valid: np.ndarray

    def ranks(self, scores: Callable[[Asked], np.ndarray]) -> np.ndarray:
        """The place of each link among its candidates, float64 (Q,), from 1; a tie counts half."""
        rows = np.concatenate([scores(block).reshape(-1, 1 + self.valid.shape[1]) for block in self.blocks])
        link, others = rows[:, :1], rows[:, 1:]
        out: np.ndarray = 1 + ((others > link) & self.valid).sum(1) + ((others == link) & self.valid).sum(1) / 2
        return out


@dataclass(frozen=True)
class Question:
    """One set of examples of one step, split.

    Args:
        name: of the task, and of the treatment of self-pairs.
        now: the examples.
        validation: int64, places.
        splits: of the rest.
        queries: links that the first split is tested on, among candidates.
        past: the same question about earlier snapshots, whose answers are known.
    """

    name: str
    now: Asked
    validation: np.ndarray
    splits: list[Split]
    queries: Queries
    past: list[Asked] = field(default_factory=list)

    @property
    def linked(self) -> np.ndarray:
        """The answers."""
        return self.now.examples.linked

    def validate(
        self, features: np.ndarray, more: tuple[np.ndarray, np.ndarray] | None = None, fit: bool = True
    ) -> float:
        """AUC on the validation examples of a classifier that learns from the first split, and from `more`.

        Without `fit`, of the features themselves, (M, 1).
        """
        scores = self._scores(features, self.splits[0].train, self.validation, more, fit)
        return auc_of(scores, self.linked[self.validation])

    def test(
        self, features: np.ndarray, more: tuple[np.ndarray, np.ndarray] | None = None, fit: bool = True
    ) -> list[np.ndarray]:
        """Scores of each split's test examples."""
        return [self._scores(features, split.train, split.test, more, fit) for split in self.splits]

    def ranks(
        self, features: Features, more: tuple[np.ndarray, np.ndarray] | None = None, fit: bool = True
    ) -> np.ndarray:
        """Ranks of the queries, by a classifier that learns from the first split, and from `more`."""
        if not fit:
            return self.queries.ranks(lambda asked: features(asked)[:, 0])
        train = self.splits[0].train
        weight = fitted(features(self.now)[train], self.linked[train], more)
        return self.queries.ranks(lambda asked: scored(features(asked), weight))

    def _scores(
        self,
        features: np.ndarray,
        train: np.ndarray,
        places: np.ndarray,
        more: tuple[np.ndarray, np.ndarray] | None,
        fit: bool,
    ) -> np.ndarray:
        return fitted_scores(features, self.linked, train, places, more) if fit else features[places, 0]

    def learnt_before(self, features: Features) -> tuple[np.ndarray, np.ndarray] | None:
        """Features and answers of the past, None where there is none."""
        if not self.past:
            return None
        return np.concatenate([features(each) for each in self.past]), np.concatenate(
            [each.examples.linked for each in self.past]
        )
