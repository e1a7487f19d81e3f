"""The finetune protocol: how far a share of the labels goes, from trained weights and from none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlabeled.distributed import rank, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.classified import classified
from unlabeled.evaluation.extraction import Encode, extract
from unlabeled.evaluation.features import Features, key_of, key_of_weights
from unlabeled.evaluation.fitting import Recipe, check_learning_rates, descend, not_finite, scores_of, zero_head
from unlabeled.evaluation.linear import linear_with_scores
from unlabeled.evaluation.shares import Draw, Finetuned, Part, Share, draw, keep_draw, kept_part, repeated
from unlabeled.evaluation.split import held_out, labelled_pair
from unlabeled.metrics.intervals import wilson
from unlabeled.metrics.logistic import Problem, log_softmax
from unlabeled.metrics.neighbours import normalise
from unlabeled.training.batch_norm import over_processes
from unlabeled.training.loader import Views
from unlabeled.training.method import Batch

FEW = 5
"""Below so many samples of the smallest class the penalty of the frozen classifier is fixed, for they cannot choose."""
CHOOSES = 0.2
"""Share of a draw that chooses among several learning rates."""


@dataclass(frozen=True)
class Pool:
    """What is drawn from, and tested on.

    Args:
        samples: N of them, in the order of `labels`.
        labels: int64 (N,), 0 to C - 1.
        tested: M samples, in the order of `test_labels`.
        test_labels: int64 (M,), 0 to C - 1.
        classes: C.
        fitted: one drawn view, learnt from.
        plain: the one view without chance, tested on.
        size: of the views.
    """

    samples: Any
    labels: np.ndarray
    tested: Any
    test_labels: np.ndarray
    classes: int
    fitted: Views
    plain: Views
    size: int

    @cached_property
    def key(self) -> str:
        """Changes with the data, their labels and the size of their views."""
        labels = (each.astype(np.int64).tobytes().hex() for each in (self.labels, self.test_labels))
        return key_of(self.samples.fingerprint(), self.tested.fingerprint(), *labels, repr(self.size))


@dataclass(frozen=True)
class Start:
    """Weights that fine-tuning starts from.

    Args:
        name: of the start.
        width: D.
        fresh: a new copy of the network each time, and what it makes of a batch: (B, D).
    """

    name: str
    width: int
    fresh: Callable[[], tuple[nn.Module, Encode]]


@dataclass(frozen=True)
class Study:
    """Fine-tuning of one pool: what is asked, and where finished parts are kept.

    Args:
        pool: the data.
        shares: of the labels, each within (0, 1].
        draws: of each share but that of all samples, which can be drawn in one way only; at least 1.
        learning_rates: for a batch of 256, each above 0.
        recipe: share to the recipe of SGD, whose seed gives way to that of the draw.
        folder: of the draws and of the finished parts; a part that is there is not made again.
        seed: of the draws.

    Raises:
        UserError: a number outside its range.
    """

    pool: Pool
    shares: Sequence[float]
    draws: int
    learning_rates: Sequence[float]
    recipe: Callable[[float], Recipe]
    folder: Path
    seed: int

    def __post_init__(self) -> None:
        check_learning_rates(self.learning_rates)
        if self.draws < 1 or not self.shares:
            raise UserError(f"--draws takes a number of at least 1 and --share at least one, got {self.draws}.")
        for share in self.shares:
            self.recipe(share)
            for each in self.drawn(share):
                key = key_of(self.pool.key, each.places.tobytes().hex())
                keep_draw(self.folder / "draws" / f"{key}.json", each, self.pool.samples.names)

    def drawn(self, share: float) -> list[Draw]:
        """The draws of a share: one where it holds all samples."""
        made = [draw(self.pool.labels, share, self.seed, number) for number in range(self.draws)]
        return made[:1] if len(made[0].places) == len(self.pool.labels) else made

    def tuned(self, start: Start) -> Finetuned:
        """Everything fine-tuned from `start`; of several learning rates held-out samples of the draws choose one.

        Raises:
            UserError: weights that are not finite numbers, or too few samples to choose a learning rate with.
        """
        weights, shares = key_of_weights(start.fresh()[0].state_dict()), []
        for share in sorted(set(self.shares)):
            rate = self._chosen(start, weights, share)
            parts = [self._part(start, weights, each, rate) for each in self.drawn(share)]
            chosen_on = "validation" if len(self.learning_rates) > 1 else "nothing"
            shares.append(self._over_draws(share, parts, rate, chosen_on))
        return self._summed(shares)

    def frozen(self, train: Features, test: Features) -> Finetuned:
        """Logistic regression on the same draws' representations, which stay as they are.

        Where each class has `FEW` samples, a tenth of them chooses C as in the linear protocol; else
        representations are centred and of length 1, and C is 1.

        Args:
            train: N rows, in the order of the pool's samples.
            test: M rows, in the order of its test samples.
        """
        shares = []
        for share in sorted(set(self.shares)):
            drawn = self.drawn(share)
            few = min(int(np.bincount(self.pool.labels[each.places]).min()) for each in drawn) < FEW
            judge = _with_fixed_cost if few else _with_chosen_cost
            parts = [self._judged(judge(train.rows(each.places), test, each.seed)) for each in drawn]
            shares.append(self._over_draws(share, parts, None, "nothing" if few else "validation"))
        return self._summed(shares)

    def _chosen(self, start: Start, weights: str, share: float) -> float:
        """The learning rate that is best on the held-out samples of all draws; of equals that of least surprise."""

        def standing(rate: float) -> tuple[float, float]:
            parts = [self._part(start, weights, each, rate, chooses=True) for each in self.drawn(share)]
            return -sum(each.accuracy for each in parts), sum(each.surprise for each in parts)

        rates = sorted(set(self.learning_rates))
        return rates[0] if len(rates) == 1 else min(rates, key=standing)

    def _part(self, start: Start, weights: str, drawn: Draw, rate: float, chooses: bool = False) -> Part:
        """One draw at one learning rate, tested; or its held-out part tested where it `chooses`."""
        recipe = replace(self.recipe(drawn.share), seed=drawn.seed)
        what = f"{100 * drawn.share:g} %, draw {drawn.number + 1}, {start.name.replace('_', ' ')}, rate {rate:g}"
        places, tested, answers = drawn.places, self.pool.tested, self.pool.test_labels
        if chooses:
            kept_back = held_out(self.pool.labels[places], CHOOSES, drawn.seed)
            if not kept_back.any():
                raise UserError(
                    f"no class has two samples in {drawn.share:g} of the data, so that none can be set apart to choose "
                    "a learning rate: give one --learning-rate, or a larger --share."
                )
            held, places = places[kept_back], places[~kept_back]
            tested, answers = self.pool.samples.subset(held), self.pool.labels[held]

        def make() -> Part:
            scores, rows = _scores(self.pool, start, places, tested, rate, recipe, what)
            if np.isneginf(scores).all() and not chooses:
                raise not_finite(what)
            return self._judged(scores, answers[rows])

        asked = (self.pool.key, weights, places.tobytes().hex(), str(chooses), repr(replace(recipe, workers=0)))
        return kept_part(self.folder / f"{key_of(*asked, repr(rate))}.json", what, make)

    def _judged(self, scores: np.ndarray, labels: np.ndarray | None = None) -> Part:
        labels = self.pool.test_labels if labels is None else labels
        found = classified(scores, self.pool.labels, labels)
        finite = np.isfinite(scores).all()
        surprise = -log_softmax(scores)[np.arange(len(labels)), labels].mean() if finite else np.inf
        return Part(found.value, found.per_class, found.top5, float(surprise))

    def _over_draws(self, share: float, parts: Sequence[Part], rate: float | None, chosen_on: str) -> Share:
        return Share(
            share=share,
            samples=len(self.drawn(share)[0].places),
            draws=len(parts),
            accuracy=repeated([each.accuracy for each in parts]),
            per_class=repeated([each.per_class for each in parts]),
            top5=repeated([each.top5 for each in parts]),
            learning_rate=rate,
            selected_on=chosen_on,
        )

    def _summed(self, shares: list[Share]) -> Finetuned:
        value, count = shares[0].accuracy.mean, len(self.pool.test_labels)
        return Finetuned(
            value=value,
            interval=wilson(min(value * count, count), count),
            shares=shares,
            n_train=shares[0].samples,
            n_test=count,
            classes=self.pool.classes,
            seed=self.seed,
        )


def _scores(
    pool: Pool, start: Start, places: np.ndarray, tested: Any, rate: float, recipe: Recipe, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Fine-tune on the samples at `places`; scores (M, C) of test samples, and which of these they are, (M,)."""
    network, encode = start.fresh()
    network = over_processes(network).train()
    head = zero_head(start.width, pool.classes)
    answers = torch.from_numpy(pool.labels[places])

    def loss(batch: Batch) -> Tensor:
        scores = head(encode(batch.views))
        return cross_entropy(scores, answers[batch.index].to(scores.device))

    both = nn.ModuleList([network, head])
    descend(loss, [(both, rate)], pool.samples.subset(places), pool.fitted, recipe, what)
    network.eval()
    found = extract(encode, tested, pool.plain, show=False)
    return scores_of(head, found.views[0]), found.ids


def _with_chosen_cost(train: Features, test: Features, seed: int) -> np.ndarray:
    return linear_with_scores(train, test, seed)[1]


def _with_fixed_cost(train: Features, test: Features, seed: int) -> np.ndarray:
    labels, _, classes = labelled_pair(train, test, "finetune")
    mean = train.embeddings.mean(axis=0)
    share = slice(rank(), None, world_size())
    fitted = Problem(normalise(train.embeddings - mean)[share], labels[share], classes).solve(1.0)
    return fitted.scores(normalise(test.embeddings - mean))
