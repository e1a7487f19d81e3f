"""Streams: the order in which a labelled source is met. Labels decide the order alone; no method sees them by it."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from unlabeled import chance
from unlabeled.errors import UserError

OrderName = Literal["shuffled", "by-class", "drift"]
CLASSES = 2**31
"""The place of the draw of the classes' order, beyond any epoch's."""


class Order(Protocol):
    """Which samples a step meets."""

    def places(self, step: int) -> tuple[int, np.ndarray]:
        """The number that the step's draws of views are made by, and its samples' places, int64 (B,)."""


@dataclass
class Shuffled:
    """Every epoch is one permutation of the data; the last, smaller batch of an epoch is left out.

    Args:
        count: samples.
        batch_size: B, at most `count`.
        seed: of the permutations.
    """

    count: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        self._order: tuple[int, np.ndarray] | None = None

    def places(self, step: int) -> tuple[int, np.ndarray]:
        """The epoch, and a run of its permutation."""
        epoch, start = divmod(step, self.count // self.batch_size)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, chance.order(self.seed, epoch, self.count)
        return epoch, self._order[1][start * self.batch_size : (start + 1) * self.batch_size]


def shown_together(classes: np.ndarray, together: int, seed: int, shuffle: bool) -> list[np.ndarray]:
    """The groups of a stream by class, in its order.

    Args:
        classes: int64 (C,).
        together: classes of a group.
        seed: of the run.
        shuffle: whether the classes come in an order drawn by the seed, and not in that of their numbers.
    """
    order = chance.generator(seed, chance.ORDER, CLASSES).permutation(classes) if shuffle else classes
    return [order[start : start + together] for start in range(0, len(order), together)]


class Sequential:
    """One group of classes after the other, each for P = steps // groups steps, an endless shuffled repeat of itself.

    With drift, at s steps into a period the first quarter still has floor((P/2 - 2s) B/P) samples of the group before,
    and the last quarter already floor((2s - 3P/2) B/P) of the next: half the batch at the boundary, none at a quarter
    from it (CURL's `blend_classes`).

    Args:
        labels: int64 (N,); samples with -1 are never met.
        batch_size: B.
        steps: of the whole stream; those that are left over belong to the last group.
        seed: of all permutations.
        together: classes of a group.
        drift: whether groups blend.
        shuffle: whether the classes come in an order drawn by the seed, and not in that of their numbers.

    Raises:
        UserError: there are no labels, or fewer steps than groups.
    """

    def __init__(
        self,
        labels: np.ndarray | None,
        batch_size: int,
        steps: int,
        seed: int,
        together: int = 1,
        drift: bool = False,
        shuffle: bool = False,
    ) -> None:
        classes = np.unique(labels[labels >= 0]) if labels is not None else np.empty(0)
        if labels is None or not len(classes):
            raise UserError(
                "a stream by class needs labels; sort the data into one folder a class, or give --order shuffled."
            )
        self.groups = shown_together(classes, together, seed, shuffle)
        self.members = [np.flatnonzero(np.isin(labels, group)) for group in self.groups]
        self.period = steps // len(self.groups)
        if not self.period:
            raise UserError(
                f"a stream of {len(self.groups)} classes, one after the other, takes at least as many steps, not "
                f"{steps}; raise --max-steps or --epochs."
            )
        self.batch_size, self.seed = batch_size, seed
        none: np.ndarray = np.zeros(self.period, np.int64)
        self.before, self.after = self._foreign() if drift else (none, none.copy())
        self._kept: dict[int, tuple[int, np.ndarray]] = {}

    def _foreign(self) -> tuple[np.ndarray, np.ndarray]:
        """How many samples of the group before and of the next there are at each step of a period, int64 (P,) each."""
        s, period, batch = np.arange(self.period), self.period, self.batch_size
        before = (period - 4 * s) * batch // (2 * period)  # floor((P/2 - 2s) B / P), in whole numbers
        after = (4 * s - 3 * period) * batch // (2 * period)
        return before.clip(min=0), after.clip(min=0)

    def counts(self, step: int) -> dict[int, int]:
        """Group to how many samples of it the step meets; groups are met in this order within a batch."""
        group, into = self._place(step)
        before = int(self.before[into]) if group and into < self.period else 0
        after = int(self.after[into]) if group + 1 < len(self.groups) else 0
        found = {group - 1: before, group: self.batch_size - before - after, group + 1: after}
        return {each: count for each, count in found.items() if count}

    def places(self, step: int) -> tuple[int, np.ndarray]:
        """The step itself, and its samples."""
        parts = [self._run(group, self._met(group, step), count) for group, count in self.counts(step).items()]
        return step, np.concatenate(parts)

    def _place(self, step: int) -> tuple[int, int]:
        group = min(step // self.period, len(self.groups) - 1)
        return group, step - group * self.period

    def _met(self, group: int, step: int) -> int:
        """How many samples of a group were met before a step."""
        now, into = self._place(step)
        into_period = min(into, self.period)
        early = int(self.after.sum()) if group else 0  # met by the group before
        if now < group:
            return int(self.after[:into].sum())
        own = into if now == group else self.period
        met = early + own * self.batch_size
        met -= int(self.before[: min(own, self.period)].sum()) if group else 0
        met -= int(self.after[: min(own, self.period)].sum()) if group + 1 < len(self.groups) else 0
        return met if now == group else met + int(self.before[:into_period].sum())

    def _run(self, group: int, start: int, count: int) -> np.ndarray:
        """`count` places of a group's endless repeat, from its `start`-th on."""
        members, out = self.members[group], []
        while count:
            turn, offset = divmod(start, len(members))
            if self._kept.get(group, (-1,))[0] != turn:
                self._kept[group] = turn, chance.generator(self.seed, chance.ORDER, turn, group).permutation(members)
            part = self._kept[group][1][offset : offset + count]
            out.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(out)


def stream(
    name: OrderName,
    labels: np.ndarray | None,
    count: int,
    batch_size: int,
    steps: int,
    seed: int,
    together: int = 1,
    shuffle: bool = False,
) -> Order:
    """The order that `--order` names.

    Args:
        name: shuffled, by-class, or drift (by-class, with neighbours blended).
        labels: int64 (N,), which only a stream by class looks at.
        count: N.
        batch_size: over all processes.
        steps: of the whole run.
        seed: of the run.
        together: classes at once.
        shuffle: whether classes come in an order drawn by the seed.

    Raises:
        UserError: as `Sequential`.
    """
    if name == "shuffled":
        return Shuffled(count, batch_size, seed)
    return Sequential(labels, batch_size, steps, seed, together, name == "drift", shuffle)
