"""From the answers of all steps to figures: means over steps, and all pairs pooled."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unlabeled.evaluation.link_prediction.classifier import PairFeatures, auc_of
from unlabeled.evaluation.link_prediction.examples import Task
from unlabeled.evaluation.link_prediction.step import Answer, name_of, way_of
from unlabeled.metrics.auc import average_precision
from unlabeled.metrics.intervals import of_auc, of_few

HITS = (1, 10, 50)


@dataclass(frozen=True)
class Figures:
    """Of one way to score pairs.

    Args:
        macro_auc: mean over steps of the AUC, each the mean over its splits.
        micro_auc: AUC of the test scores of all steps pooled, mean over splits.
        average_precision: as macro_auc.
        interval: 95 %, of a mean over steps; of one step, of an AUC of so many pairs.
        auc: of each step.
        deviation: of each step, over its splits.
        precision: of each step.
        validation: AUC on the validation examples of each step.
        mean_reciprocal_rank: mean over steps of the mean of 1 / rank of a link among candidates.
        hits: of each k of `HITS`, the share of links that are among the first k.
    """

    macro_auc: float
    micro_auc: float
    average_precision: float
    interval: tuple[float, float]
    auc: list[float]
    deviation: list[float]
    precision: list[float]
    validation: list[float]
    mean_reciprocal_rank: float
    hits: dict[str, float]


def figures(steps: list[Answer], way: str) -> Figures:
    """Of the answers of all steps to one question, those of one way to score.

    Args:
        steps: at least one.
        way: a name among their scores.
    """
    pairs = [list(zip(step.scores[way], step.linked, strict=True)) for step in steps]
    each = [[auc_of(scores, linked) for scores, linked in step] for step in pairs]
    precision = [
        float(np.mean([average_precision(scores[linked], scores[~linked]) for scores, linked in step]))
        for step in pairs
    ]
    together = [[np.concatenate(part) for part in zip(*split, strict=True)] for split in zip(*pairs, strict=True)]
    pooled = [auc_of(scores, linked) for scores, linked in together]
    means = np.array([np.mean(one) for one in each])
    return Figures(
        float(means.mean()),
        float(np.mean(pooled)),
        float(np.mean(precision)),
        of_few(means) if len(means) > 1 else of_auc(means[0], *_sizes(steps[0].linked[0])),
        means.tolist(),
        [float(np.std(one)) for one in each],
        precision,
        [step.validation.get(way, float("nan")) for step in steps],
        float(np.mean([np.mean(1 / step.ranks[way]) for step in steps])),
        {str(k): float(np.mean([np.mean(step.ranks[way] <= k) for step in steps])) for k in HITS},
    )


def _sizes(linked: np.ndarray) -> tuple[int, int]:
    return int(linked.sum()), int((~linked).sum())


def figures_of(steps: list[Answer], features: PairFeatures, past: bool) -> dict[str, Figures]:
    """Of all ways to score, what embeds nodes with what the classifier sees of ours and, where it can, learns from.

    Args:
        steps: at least one.
        features: what it sees.
        past: whether it learns from earlier snapshots too.
    """
    ways = {name: name for name in steps[0].scores if "+" not in name}
    for name in ways.keys() & {"trained", "random_encoder", "deepwalk", "scores_regression"}:
        sees = name if name == "scores_regression" else way_of(name, features)
        ways[name] = f"{sees}+past" if past and f"{sees}+past" in steps[0].scores else sees
    return {name: figures(steps, way) for name, way in ways.items()}


def answers_to(
    found: dict[int, dict[str, Answer]], task: Task, ahead: Iterable[int], self_pairs: bool
) -> dict[tuple[int, int], Answer]:
    """The answers to one question, by (snapshots trained on, snapshots ahead).

    Args:
        found: of each step, all its answers by name.
        task: the question's.
        ahead: how many snapshots ahead it asks.
        self_pairs: of a step without links of a node to itself, the answer without them serves.
    """
    out = {}
    for count, answers in found.items():
        for far in ahead:
            plain = answers.get(name_of(task, False, far))
            answer = answers.get(name_of(task, True, far), plain) if self_pairs else plain
            if answer is not None:
                out[count, far] = answer
    return out


def details_of(figures: Figures) -> dict[str, Any]:
    """What is told of one way to score."""
    return {
        "value": figures.macro_auc,
        "interval": figures.interval,
        "micro_auc": figures.micro_auc,
        "average_precision": figures.average_precision,
        "mean_reciprocal_rank": figures.mean_reciprocal_rank,
        "hits": figures.hits,
        "validation": float(np.mean(figures.validation)),
    }


def records(
    answers: dict[tuple[int, int], Answer], told: dict[str, Figures], way: str, starts: list[str]
) -> list[dict[str, Any]]:
    """A record of each step.

    Args:
        answers: by (snapshots trained on, snapshots ahead).
        told: the figures of each way to score, "trained" among them.
        way: what the answers call that.
        starts: of all snapshots.
    """
    ours = told["trained"]
    return [
        {
            "time": starts[count + far - 1],
            "trained_on": count,
            "test_links": int(answer.linked[0].sum()),
            "auc": ours.auc[row],
            "deviation": ours.deviation[row],
            "average_precision": ours.precision[row],
            "epoch": answer.epoch[way],
            "validation": ours.validation[row],
            "baselines": {other: each.auc[row] for other, each in told.items() if other != "trained"},
        }
        for row, ((count, far), answer) in enumerate(answers.items())
    ]
