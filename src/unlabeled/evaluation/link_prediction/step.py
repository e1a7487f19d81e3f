"""One step of link prediction: a fresh training, judged on every question beside the simple scores."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from unlabeled import chance
from unlabeled.evaluation.link_prediction.classifier import FITTED, KINDS, PairFeatures, auc_of
from unlabeled.evaluation.link_prediction.examples import Examples, NegativesName, Task, candidates, examples, splits
from unlabeled.evaluation.link_prediction.question import PAST, Asked, Features, Queries, Question
from unlabeled.evaluation.link_prediction.scores import degree_features, simple_scores
from unlabeled.evaluation.link_prediction.training import Epoch

Select = Literal["validation", "loss", "last"]

QUERIES = 200
"""Links of a question that are ranked among candidates, at most."""
BLOCK = 50_000
"""Pairs of such whose features are there at once, about."""


@dataclass(frozen=True)
class Answer:
    """What one step says to one question.

    Args:
        scores: of each way to score pairs, for each split the scores of its test examples.
        linked: for each split, whether these are linked.
        epoch: of each way that is trained, the epoch that was chosen.
        validation: AUC there, of each way that has one.
        learnt: pairs that a classifier learns from in a split.
        ranks: of each way, the places of links among candidates, (Q,).
    """

    scores: dict[str, list[np.ndarray]]
    linked: list[np.ndarray]
    epoch: dict[str, int] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    learnt: int = 0
    ranks: dict[str, np.ndarray] = field(default_factory=dict)


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
            tested = parts[1][0].test
            links = given.pairs[tested[given.linked[tested]]]
            yield Question(
                name_of(task, self_pairs, ahead),
                now,
                *parts,
                queries_of(whole, count, ahead, links, chance.generator(seed, chance.SPLIT, count, ahead, 0)),
                list(asked_before(whole, count, task, ahead, self_pairs, seed, negatives)),
            )


def queries_of(whole: Any, count: int, ahead: int, links: np.ndarray, generator: np.random.Generator) -> Queries:
    """Links (Q, 2) of snapshot t + `ahead` among candidates; of more than `QUERIES` of them, as many by chance."""
    known = whole.prefix(count)
    if len(links) > QUERIES:
        links = links[np.sort(generator.choice(len(links), QUERIES, replace=False))]
    other, valid = candidates(whole, count, ahead, links, generator)
    other = np.concatenate([links[:, 1:], other], 1)  # (Q, 1 + C)
    size = max(1, BLOCK // other.shape[1])
    blocks = []
    for start in range(0, len(links), size):
        far = other[start : start + size]
        pairs = np.stack([np.broadcast_to(links[start : start + size, :1], far.shape), far], 2).reshape(-1, 2)
        linked = np.zeros(far.shape, bool)
        linked[:, 0] = True
        blocks.append(Asked(Examples(pairs, linked.ravel()), simple_scores(known, pairs)))
    return Queries(blocks, valid)


def asked_before(
    whole: Any, count: int, task: Task, ahead: int, self_pairs: bool, seed: int, negatives: NegativesName
) -> Iterator[Asked]:
    """The same question about snapshots that are known, of the embeddings of an earlier one: at most `PAST`.

    Attention sees nothing later than that; the weights were trained on all known snapshots, those asked about too.
    """
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
    told.add("degree_regression", lambda asked: degree_features(known, asked.examples.pairs))
    told.add("scores_regression", lambda asked: np.log1p(asked.counts))
    told.add("scores_regression+past", lambda asked: np.log1p(asked.counts), past=True)
    epochs: dict[str, int] = {}
    for kind in KINDS:
        best = {"trained": ours[question.name, kind], "random_encoder": untrained}
        best |= {} if table is None else {"deepwalk": table[question.name, kind]}
        for name, epoch in best.items():
            sees = partial(Asked.features, kind=kind, recent=epoch.recent)
            for past in (False, True) if name != "deepwalk" and kind in FITTED else (False,):
                told.add(way_of(name, kind, past), sees, past, kind in FITTED)  # a table of all links has no past
                epochs[way_of(name, kind, past)] = epoch.number
    held = linked[question.validation]
    return Answer(
        told.scores | {name: [each[split.test] for split in question.splits] for name, each in simple.items()},
        [linked[split.test] for split in question.splits],
        epochs,
        told.validation | {name: auc_of(each[question.validation], held) for name, each in simple.items()},
        len(question.splits[0].train),
        told.ranks | {name: question.queries.ranks(partial(_simple, name=name)) for name in simple},
    )


def _simple(asked: Asked, name: str) -> np.ndarray:
    return asked.simple[name]


@dataclass
class _Told:
    """What classifiers say to a question, by name: test scores of each split, validation AUC, and ranks of links."""

    question: Question
    scores: dict[str, list[np.ndarray]] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    ranks: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, sees: Features, past: bool = False, fit: bool = True) -> None:
        """Of one that sees these features, learns from the past too, or without `fit` is the feature itself."""
        more = self.question.learnt_before(sees) if past else None
        features = sees(self.question.now)
        self.scores[name] = self.question.test(features, more, fit)
        self.validation[name] = self.question.validate(features, more, fit)
        self.ranks[name] = self.question.ranks(sees, more, fit)
