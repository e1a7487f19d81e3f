"""One step of link prediction: a fresh training, judged on every question beside the simple scores."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from unlabeled import chance
from unlabeled.evaluation.link_prediction.classifier import FITTED, KINDS, PAST, Asked, PairFeatures, Question, auc_of
from unlabeled.evaluation.link_prediction.examples import NegativesName, Task, examples, splits
from unlabeled.evaluation.link_prediction.scores import degree_features, simple_scores
from unlabeled.evaluation.link_prediction.training import Epoch

Select = Literal["validation", "loss", "last"]


@dataclass(frozen=True)
class Answer:
    """What one step says to one question.

    Args:
        scores: of each way to score pairs, for each split the scores of its test examples.
        linked: for each split, whether these are linked.
        epoch: of each way that is trained, the epoch that was chosen.
        validation: AUC there, of each way that has one.
        learnt: pairs that a classifier learns from in a split.
    """

    scores: dict[str, list[np.ndarray]]
    linked: list[np.ndarray]
    epoch: dict[str, int] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    learnt: int = 0


def questions(
    whole: Any,
    count: int,
    tasks: Iterable[tuple[Task, int]],
    draws: int,
    seed: int,
    negatives: NegativesName = "uniform",
) -> Iterator[Question]:
    """The examples of one step, with self-pairs and without them where there are such.

    Args:
        whole: snapshots.
        count: t.
        tasks: which, and how many snapshots ahead.
        draws: splits of each.
        seed: of negatives and splits.
        negatives: how they are drawn.
    """
    for task, ahead in tasks:
        without = None
        for self_pairs in (False, True):
            draw = chance.generator(seed, chance.SPLIT, count, ahead)
            given = examples(whole, count, task, draw, ahead, self_pairs, negatives)
            if given is None or (without is not None and len(given.pairs) == without):
                continue  # too few links, or no link of a node to itself
            without = len(given.pairs)
            parts = splits(given, draws, draw)
            now = Asked(given, simple_scores(whole.prefix(count), given.pairs))
            yield Question(
                name_of(task, self_pairs, ahead),
                now,
                *parts,
                list(asked_before(whole, count, task, ahead, self_pairs, seed, negatives)),
            )


def asked_before(
    whole: Any, count: int, task: Task, ahead: int, self_pairs: bool, seed: int, negatives: NegativesName
) -> Iterator[Asked]:
    """The same question about snapshots that are known, of embeddings that saw none of them: at most `PAST`."""
    for back in range(ahead, PAST + 1):
        earlier = count - back
        if earlier >= 1:
            draw = chance.generator(seed, chance.SPLIT, count, ahead, back)
            given = examples(whole, earlier, task, draw, ahead, self_pairs, negatives)
            if given is not None:
                yield Asked(given, simple_scores(whole.prefix(earlier), given.pairs), back)


def name_of(task: Task, self_pairs: bool, ahead: int = 1) -> str:
    """Of a question: "next", "new self", "multi-step+3"."""
    return task + (f"+{ahead}" if task == "multi-step" else "") + (" self" if self_pairs else "")


@dataclass
class _Best:
    figure: float = -math.inf
    epoch: Epoch | None = None

    def offer(self, figure: float, epoch: Epoch) -> None:
        if figure > self.figure or self.epoch is None:
            self.figure, self.epoch = figure, epoch


def way_of(way: str, kind: PairFeatures, past: bool = False) -> str:
    """Of a way to embed, by what the classifier sees and learns from: "trained", "trained+dot", "trained+dot+past"."""
    return way + ("" if kind == "product" else f"+{kind}") + ("+past" if past else "")


def chosen(
    asked: list[Question], trained: Iterable[Epoch], select: Select
) -> tuple[dict[tuple[str, PairFeatures], Epoch], Epoch, Epoch]:
    """For each question and what the classifier sees, the epoch that is kept; that before training, and the last.

    Args:
        asked: the questions; those about several snapshots ahead choose one epoch together, by their mean.
        trained: epoch after epoch, the first untrained.
        select: the best on the validation links, of the lowest loss, or the last.
    """
    groups: dict[str, list[Question]] = {}
    for question in asked:
        groups.setdefault(_together(question.name), []).append(question)
    best = {(name, kind): _Best() for name in groups for kind in KINDS}
    untrained: Epoch | None = None
    for epoch in trained:
        if untrained is None:
            untrained = epoch
            continue
        for (name, kind), each in best.items():
            if select == "validation":
                fit = kind in FITTED
                found = [
                    question.validate(question.now.features(kind, epoch.recent), fit=fit) for question in groups[name]
                ]
                each.offer(float(np.mean(found)), epoch)
            else:
                each.offer(-epoch.loss if select == "loss" else epoch.number, epoch)
    assert untrained is not None
    kept = {(each.name, kind): best[_together(each.name), kind].epoch or epoch for each in asked for kind in KINDS}
    return kept, untrained, epoch


def _together(name: str) -> str:
    head, _, tail = name.partition("+")
    return head + (" self" if tail.endswith("self") else "")


def answers(
    known: Any,
    asked: list[Question],
    trained: Iterable[Epoch],
    deepwalk: Iterable[Epoch] | None,
    select: Select,
    untrained: Epoch | None = None,
) -> tuple[dict[str, Answer], Epoch]:
    """Judge one step; with the answers comes the epoch that goes on to the next one, the first question's or the last.

    Args:
        known: its snapshots.
        asked: its questions.
        trained: epochs of the method.
        deepwalk: epochs of a table of nodes on all links added up, or None to leave that out.
        select: how an epoch is chosen.
        untrained: what nothing was learnt for, where the first of `trained` is not that.
    """
    ours, first, last = chosen(asked, trained, select)
    table = chosen(asked, deepwalk, select)[0] if deepwalk is not None and asked else None
    found = {each.name: _answer(known, each, ours, untrained or first, table) for each in asked}
    return found, ours[asked[0].name, "product"] if asked else last


def _answer(
    known: Any,
    question: Question,
    ours: dict[tuple[str, PairFeatures], Epoch],
    untrained: Epoch,
    table: dict[tuple[str, PairFeatures], Epoch] | None,
) -> Answer:
    linked, simple = question.linked, question.now.simple
    told = _Told(question)
    told.add("degree_regression", degree_features(known, question.now.examples.pairs))
    told.add("scores_regression", np.log1p(question.now.counts))
    told.add_past("scores_regression+past", lambda asked: np.log1p(asked.counts))
    epochs: dict[str, int] = {}
    for kind in KINDS:
        best = {"trained": ours[question.name, kind], "random_encoder": untrained}
        best |= {} if table is None else {"deepwalk": table[question.name, kind]}
        for name, epoch in best.items():
            told.add(way_of(name, kind), question.now.features(kind, epoch.recent), fit=kind in FITTED)
            epochs[way_of(name, kind)] = epoch.number
            if name != "deepwalk" and kind in FITTED:  # a table of all links has no earlier embeddings
                seen = partial(Asked.features, kind=kind, recent=epoch.recent)
                told.add_past(way_of(name, kind, True), seen)
                epochs[way_of(name, kind, True)] = epoch.number
    held = linked[question.validation]
    return Answer(
        told.scores | {name: [each[split.test] for split in question.splits] for name, each in simple.items()},
        [linked[split.test] for split in question.splits],
        epochs,
        told.validation | {name: auc_of(each[question.validation], held) for name, each in simple.items()},
        len(question.splits[0].train),
    )


@dataclass
class _Told:
    """What classifiers say to a question, by name: test scores of each split, and validation AUC."""

    question: Question
    scores: dict[str, list[np.ndarray]] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)

    def add(
        self, name: str, features: np.ndarray, more: tuple[np.ndarray, np.ndarray] | None = None, fit: bool = True
    ) -> None:
        """Of one that sees these features of the examples, or without `fit` of the features themselves."""
        self.scores[name] = self.question.test(features, more, fit)
        self.validation[name] = self.question.validate(features, more, fit)

    def add_past(self, name: str, features: Callable[[Asked], np.ndarray]) -> None:
        """Of one that learns from the past too."""
        self.add(name, features(self.question.now), self.question.learnt_before(features))
