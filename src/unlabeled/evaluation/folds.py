"""Ten-fold protocols for small sets: a fair one, and the one that papers on graphs published figures by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.split import held_out

FOLDS = 10
TENFOLD, PUBLISHED, HOLD_OUT = range(11, 14)
"""What is drawn for, under `chance.SPLIT`: beside those of `evaluation.split`."""


@dataclass(frozen=True)
class Fold:
    """Places of one fold, int64 each; no two of the three parts share any.

    Args:
        train: learnt from.
        validation: settings and epochs are chosen on it; a tenth of what is not tested on.
        test: looked at once.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def learnt(self) -> np.ndarray:
        """All that is not tested on."""
        return np.sort(np.concatenate([self.train, self.validation]))


def fair_folds(
    labels: np.ndarray, seed: int, given: Sequence[tuple[list[str], list[str]]] | None, names: Sequence[str]
) -> list[Fold]:
    """Ten folds whose test parts are disjoint and hold every class alike (Errica et al., ICLR 2020).

    Args:
        labels: int64 (N,), at least 0.
        seed: of the draw, and of each fold's validation part.
        given: the folds that come with the data, by name; they are taken as they are.
        names: of the N samples.

    Raises:
        UserError: fewer samples than folds, or given folds that share test samples or lack a part.
    """
    if len(labels) < 2 * FOLDS:
        raise UserError(f"ten folds need at least {2 * FOLDS} labelled samples, and there are {len(labels)}.")
    if given is None:
        rng = chance.generator(seed, chance.SPLIT, TENFOLD)
        order = rng.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]  # class by class, and dealt out in turn
        number = np.empty(len(labels), np.int64)
        number[order] = np.arange(len(labels)) % FOLDS
        pairs = [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(FOLDS)]
    else:
        place = {name: at for at, name in enumerate(names)}

        def places(part: Sequence[str]) -> np.ndarray:
            return np.array(sorted(place[name] for name in part if name in place), np.int64)

        pairs = [(places(train), places(test)) for train, test in given]
        tested = np.concatenate([test for _, test in pairs])
        if len(set(tested.tolist())) < len(tested) or any(set(a.tolist()) & set(b.tolist()) for a, b in pairs):
            raise UserError("the folds that come with the data test a sample twice, or learn from one that they test.")
        if any(not len(part) for pair in pairs for part in pair):
            raise UserError("a fold that comes with the data has no samples to learn from or to test on.")
    return with_validation(pairs, labels, seed)


def with_validation(pairs: Sequence[tuple[np.ndarray, np.ndarray]], labels: np.ndarray, seed: int) -> list[Fold]:
    """Folds of pairs of places to learn from and to test on: a tenth of what is learnt from is set apart."""
    folds = []
    for fold, (train, test) in enumerate(pairs):
        chosen = hold_out(labels[train], seed, fold)
        folds.append(Fold(train[~chosen], train[chosen], test))
    return folds


def hold_out(labels: np.ndarray, seed: int, *draw: int) -> np.ndarray:
    """A tenth of every class, bool (N,), drawn by the seed and the numbers of the draw."""
    own = chance.generator(seed, chance.SPLIT, HOLD_OUT, *draw).integers(2**31)
    return held_out(labels, 1 / FOLDS, int(own))


def published_folds(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ten pairs of places to learn from and to validate on, as DiffPool's official code draws them.

    All samples are shuffled before each fold i, whose i-th tenth is validated on: so the ten parts are no partition,
    and about a third of the samples is never validated on.

    Args:
        count: N.
        seed: of the draws.
    """
    pairs = []
    for fold in range(FOLDS):
        order = chance.generator(seed, chance.SPLIT, PUBLISHED, fold).permutation(count)
        size = count // FOLDS
        part = slice(fold * size, (fold + 1) * size)
        pairs.append((np.delete(order, part), order[part]))
    return pairs
