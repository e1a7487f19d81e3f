"""From the answers of all steps to figures: means over steps, and all pairs pooled."""

from dataclasses import dataclass

import numpy as np

from unlabeled.evaluation.link_prediction.classifier import auc_of
from unlabeled.evaluation.link_prediction.step import Answer
from unlabeled.metrics.auc import average_precision
from unlabeled.metrics.intervals import of_mean


@dataclass(frozen=True)
class Figures:
    """Of one way to score pairs.

    Args:
        macro_auc: mean over steps of the AUC, each the mean over its splits.
        micro_auc: AUC of the test scores of all steps pooled, mean over splits.
        average_precision: as macro_auc.
        interval: 95 %, of a mean over steps.
        auc: of each step.
        deviation: of each step, over its splits.
        precision: of each step.
    """

    macro_auc: float
    micro_auc: float
    average_precision: float
    interval: tuple[float, float]
    auc: list[float]
    deviation: list[float]
    precision: list[float]


def figures(steps: list[Answer], way: str) -> Figures:
    """Of the answers of all steps to one question, those of one way to score.

    Args:
        steps: at least one.
        way: a name among their scores.
    """
    each = [
        [auc_of(scores, linked) for scores, linked in zip(step.scores[way], step.linked, strict=True)] for step in steps
    ]
    precision = [
        float(
            np.mean(
                [
                    average_precision(scores[linked], scores[~linked])
                    for scores, linked in zip(step.scores[way], step.linked, strict=True)
                ]
            )
        )
        for step in steps
    ]
    pooled = [
        auc_of(np.concatenate([step.scores[way][split] for step in steps]),
               np.concatenate([step.linked[split] for step in steps]))
        for split in range(len(steps[0].linked))
    ]  # fmt: skip
    means = np.array([np.mean(one) for one in each])
    return Figures(
        float(means.mean()),
        float(np.mean(pooled)),
        float(np.mean(precision)),
        of_mean(means),
        means.tolist(),
        [float(np.std(one)) for one in each],
        precision,
    )
