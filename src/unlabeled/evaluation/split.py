"""Training and test rows of labelled protocols."""

from collections.abc import Callable
from typing import Any

import numpy as np

from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.metrics.spread import finite_rows

HELD_OUT, EPISODES, DRAWS, CLUSTERS, RANDOM_CLUSTERS, SHARES, EXCHANGES = range(1, 8)
"""What protocols draw for: the first place under `chance.SPLIT`, so that no two share draws."""


def split(train: Features, test: Features | None, seed: int, share: float = 0.2) -> tuple[Features, Features]:
    """The rows to learn from and the rows to test on.

    Args:
        train: all labelled rows, or those to learn from where `test` is given.
        test: the rows to test on, or None to draw them: `share` of each class (rounded, at least one where the
            class has two), by a seed and the samples' places alone, so that every encoder meets the same split.
        seed: of the draw.
        share: within (0, 1).

    Raises:
        UserError: there are no labels, or no class has two samples.
    """
    for features in (train, test):
        if features is not None and features.labels is None:
            raise UserError("this protocol needs labels; give --labels (or sort pictures into one folder a class).")
    if test is not None:
        return train, test
    assert train.labels is not None
    rng = chance.generator(seed, chance.SPLIT)
    tested = np.zeros(len(train.ids), bool)
    for label in np.unique(train.labels):
        rows = rng.permutation(np.flatnonzero(train.labels == label))
        tested[rows[: min(max(1, round(share * len(rows))), len(rows) - 1)]] = True
    if not tested.any():
        raise UserError("no class has two labelled samples, so none can be held out; give --test.")
    return train.rows(np.flatnonzero(~tested)), train.rows(np.flatnonzero(tested))


def held_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows are for validation: `share` of them, alike from each class, never the whole of a class.

    The rows are put in an order drawn by the seed, then class by class, and every (1/share)-th is
    taken from a start drawn too: so that classes of fewer than 1/share rows are held out in their turn.

    Args:
        labels: int64 (N,) from 0.
        share: within (0, 1).
        seed: of the draws.

    Returns:
        bool (N,), all False where no class has two rows.
    """
    rng = chance.generator(seed, chance.SPLIT, HELD_OUT)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    start = rng.random()
    steps = np.floor(np.arange(len(labels) + 1) * share + start)
    chosen = np.zeros(len(labels), bool)
    chosen[order[np.diff(steps) > 0]] = True
    if not chosen.any():  # fewer than 1/share rows: one of a class that has another
        several = np.flatnonzero(np.bincount(labels)[labels] > 1)
        chosen[rng.permutation(several)[:1]] = True
    kept = np.bincount(labels[~chosen], minlength=int(labels.max()) + 1)
    last = order[np.unique(labels[order], return_index=True)[1]]  # one row of each class
    chosen[last[kept == 0]] = False
    return chosen


def pair_of(features_of: Callable[[Any], Features], samples: Any, tested: Any, seed: int) -> tuple[Features, Features]:
    """The rows to learn from and the rows to test on, of one encoder.

    Args:
        features_of: samples to features.
        samples: the data.
        tested: test samples as `matched` gives them, or None to draw them from the data.
        seed: of the draw.

    Returns:
        As `split`; one object twice where the data is its own test data.

    Raises:
        UserError: as `split`.
    """
    train = features_of(samples)
    test = train if tested is samples else None if tested is None else features_of(tested)
    return split(train, test, seed)


def labelled_pair(
    train: Features, test: Features, protocol: str, apart: bool = False
) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels of two sets as places among the sorted classes of the first, and the number of these classes.

    Args:
        train: what a protocol learns from.
        test: what it is tested on.
        protocol: its name, for messages.
        apart: whether the test samples must be others, for the protocol leaves none out of its own answer.

    Raises:
        UserError: labels absent, no rows, fewer than two classes, a test class that was never trained,
            embeddings of two widths, or values that are not finite.
    """
    if apart and test is train:
        raise UserError(f"{protocol} needs test samples that it does not learn from; give others as --test.")
    for name, features in (("training", train), ("test", test)):
        if features.labels is None:
            raise UserError(
                f"{protocol} needs labels and the {name} samples have none: sort them into one folder a class, "
                "or give --labels."
            )
        if not len(features.embeddings):
            raise UserError(f"{protocol} needs at least one sample, and there are no {name} samples: give more data.")
        wrong = int((~finite_rows(features.embeddings)).sum())
        if wrong:
            raise UserError(
                f"{protocol} needs finite embeddings, and {wrong} of {len(features.embeddings)} {name} embeddings hold "
                "infinite values or values that are not a number: train again at a lower learning rate."
            )
    if train.embeddings.shape[1] != test.embeddings.shape[1]:
        raise UserError(
            f"{protocol} needs both sets embedded by one encoder; the widths are {train.embeddings.shape[1]} "
            f"for training and {test.embeddings.shape[1]} for test samples."
        )
    assert train.labels is not None and test.labels is not None
    names, labels = np.unique(train.labels, return_inverse=True)
    if len(names) < 2:
        raise UserError(f"{protocol} needs at least 2 classes, and all training samples are of one: add another class.")
    unknown = np.setdiff1d(test.labels, names)
    if len(unknown):
        raise UserError(
            f"{protocol} can only answer with classes of the training samples, and the test samples hold "
            f"{len(unknown)} others (the first has label {unknown[0]}): add samples of them to the training data."
        )
    return labels.astype(np.int64), np.searchsorted(names, test.labels).astype(np.int64), len(names)


def matched(train: Any, test: Any) -> Any:
    """Test samples whose labels number the classes as the training samples do.

    Where they are the same data this is `train` itself, so that protocols can leave each sample out of its own list.

    Raises:
        UserError: a class of the test samples is not among the training samples'.
    """
    if test.fingerprint() == train.fingerprint():
        return train
    if train.classes is None or test.classes is None or train.classes == test.classes:
        return test
    unknown = sorted(set(test.classes) - set(train.classes))
    if unknown:
        raise UserError(
            f"the test samples have classes that the training samples lack: {', '.join(unknown[:5])}; "
            "use the same folder names in both."
        )
    return test.relabel(train.classes)
