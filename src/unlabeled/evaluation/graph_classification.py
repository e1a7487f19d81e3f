"""Whole graphs classified in ten folds: from frozen representations, fine-tuned, or trained from scratch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.evaluation.features import key_of
from unlabeled.evaluation.fold_classifiers import ClassifierName, fold_accuracy
from unlabeled.evaluation.fold_training import Curves, Fresh, Training, train
from unlabeled.evaluation.folds import FOLDS, Fold, hold_out
from unlabeled.evaluation.kept_numbers import kept_numbers
from unlabeled.metrics.intervals import of_few
from unlabeled.training.loader import Samples, Views


@dataclass(frozen=True)
class Folded:
    """Accuracies over folds.

    Args:
        value: their mean.
        deviation: over folds, the unbiased one.
        interval: 95 % of the mean, by Student's t.
        folds: each.
        details: whatever else was found.
    """

    value: float
    deviation: float
    interval: tuple[float, float]
    folds: list[float]
    details: dict[str, Any] = field(default_factory=dict)


def folded(folds: Sequence[float], **details: Any) -> Folded:
    """Mean and deviation of at least two accuracies."""
    mean, deviation = float(np.mean(folds)), float(np.std(folds, ddof=1))
    return Folded(mean, deviation, of_few(np.array(folds)), list(folds), details)


def frozen(rows: np.ndarray, labels: np.ndarray, folds: Sequence[Fold], classifier: ClassifierName) -> Folded:
    """A classifier of representations that stay as they are, (N, D), tuned inside each fold."""
    found = [fold_accuracy(rows, labels, fold, classifier) for fold in folds]
    return folded([each.accuracy for each in found], unconverged_fits=sum(each.unconverged for each in found))


@dataclass(frozen=True)
class Labelled:
    """What is trained on.

    Args:
        samples: labelled ones, N of them.
        labels: int64 (N,), 0 to C - 1.
        views: how they are looked at.
        width: D, of the network.
        fresh: start number to a network.
        key: changes with the samples, their labels and where networks start from.
        folder: where finished numbers are kept, so that a call that was stopped goes on.
        seed: of everything drawn in training.
    """

    samples: Samples
    labels: np.ndarray
    views: Views
    width: int
    fresh: Fresh
    key: str
    folder: Path
    seed: int

    def curves(self, learnt: np.ndarray, watched: Sequence[np.ndarray], how: Training, draw: int, what: str) -> Curves:
        """Train one network, or take the curves that an earlier call has kept."""
        parts = (part.tobytes().hex() for part in (learnt, *watched))
        asked = (self.key, repr(how), *parts, str(self.seed), str(draw))

        def make() -> list[list[float]]:
            found = train(
                self.fresh(draw), self.width, self.samples, self.labels, learnt, watched, self.views, how,
                (self.seed, draw), what,
            )  # fmt: skip
            told = [found.accuracies, found.cross_entropy, found.loss]
            return np.column_stack(told).tolist()  # type: ignore[no-any-return]

        numbers = np.array(kept_numbers(self.folder / f"{key_of(*asked)}.json", what, make))
        return Curves(numbers[:, :-2], numbers[:, -2], numbers[:, -1])


def fair(what: Labelled, folds: Sequence[Fold], how: Training, learning_rates: Sequence[float], repeats: int) -> Folded:
    """The protocol of Errica et al. (ICLR 2020): nothing of a fold's test part chooses anything.

    The validation part chooses the learning rate, where several are given. With it the network is trained `repeats`
    times from different weights on all but the test part, less a tenth drawn anew that says when to stop; the test
    accuracies of the epochs it names are averaged.

    Args:
        what: is trained on.
        folds: all that are run.
        how: settings, but for the learning rate.
        learning_rates: at least one, each above 0.
        repeats: at least 1.
    """
    accuracies, epochs, rates, held_out = [], [], [], []
    for number, fold in enumerate(folds):
        rate = learning_rates[0]
        if len(learning_rates) > 1:
            tried = {}
            for each in learning_rates:
                said = f"fold {number + 1}, rate {each:g}"
                curves = what.curves(fold.train, [fold.validation], replace(how, learning_rate=each), number, said)
                tried[each] = float(curves.accuracies[curves.best(how.stop_on), 0])
            rate = max(tried, key=lambda each: tried[each])
        rates.append(rate)
        found = []
        for repeat in range(repeats):
            chosen = hold_out(what.labels[fold.learnt], what.seed, number, repeat + 1)
            learnt, stops = fold.learnt[~chosen], fold.learnt[chosen]
            draw = (repeat + 1) * FOLDS + number
            said = f"fold {number + 1} of {len(folds)}, start {repeat + 1} of {repeats}"
            curves = what.curves(learnt, [stops, fold.test], replace(how, learning_rate=rate), draw, said)
            best = curves.best(how.stop_on)
            found.append(float(curves.accuracies[best, 1]))
            epochs.append(best + 1)
            held_out.append(float(curves.accuracies[best, 0]))
        accuracies.append(float(np.mean(found)))
    details: dict[str, Any] = {"learning_rates": rates, "repeats": repeats, "held_out": float(np.mean(held_out))}
    return folded(accuracies, epochs=float(np.mean(epochs)), **details)


def published(what: Labelled, folds: Sequence[tuple[np.ndarray, np.ndarray]], how: Training) -> Folded:
    """The protocol of DiffPool's official code: the best epoch of the mean validation curve, reported on those folds.

    There is no test part: the epoch is chosen on the very numbers that are reported, so that they are too high; the
    mean of the last epoch stands in the details.

    Args:
        what: is trained on.
        folds: places to learn from and to validate on, of all that are run.
        how: settings.
    """
    whole = replace(how, patience=None)
    curves = []
    for number, (learnt, validated) in enumerate(folds):
        said = f"fold {number + 1} of 10, as published"
        curves.append(what.curves(learnt, [validated], whole, number, said).accuracies[:, 0])
    table = np.stack(curves)  # (10, E)
    best = int(table.mean(0).argmax())
    return folded(table[:, best].tolist(), epoch=best + 1, last_epoch=float(table[:, -1].mean()))
