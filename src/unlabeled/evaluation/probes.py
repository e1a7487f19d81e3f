"""The probes protocol: a linear classifier on the map of every stage of a frozen encoder, all fitted together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from unlabeled import chance
from unlabeled.distributed import world_size
from unlabeled.encoders.images import Stage
from unlabeled.errors import UserError
from unlabeled.evaluation.extraction import extract_blocks
from unlabeled.evaluation.fitting import Recipe, check_learning_rates, descend, is_finite, not_finite
from unlabeled.evaluation.stage_probe import StageProbe
from unlabeled.metrics.accuracy import correct_at, majority, mean_per_class
from unlabeled.metrics.intervals import wilson
from unlabeled.training.batch_norm import over_processes
from unlabeled.training.loader import Steps, Views
from unlabeled.training.method import Batch

Look = Callable[[Tensor], Sequence[Stage]]
"""Views in the encoder's form to the maps of its stages, in evaluation mode."""

DROPS, PARTS = (10, 20, 30), 36
"""The learning rate falls to a tenth after so many of so many parts of the training: the published epochs."""


@dataclass(frozen=True)
class StageAccuracy:
    """How right the linear classifier on one stage is.

    Args:
        stage: its name.
        accuracy: on the one plain view of each test sample.
        interval: of it, Wilson, 95 %.
        crops_accuracy: of the mean of the scores of several crops, None where they were not looked at.
        crops_interval: of that.
        channels: C, of the map.
        side: of the map.
        values: of the pooled map, which the classifier sees.
    """

    stage: str
    accuracy: float
    interval: tuple[float, float]
    crops_accuracy: float | None
    crops_interval: tuple[float, float] | None
    channels: int
    side: int
    values: int


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What `probes` found of one network.

    Args:
        value: accuracy of the last stage on the plain view: not of the best, which the test samples would choose.
        interval: of `value`, Wilson, 95 %.
        per_class: the mean of the classes' accuracies, of the same.
        n_train: training samples.
        n_test: test samples.
        classes: C, of the training samples.
        majority: the accuracy of always answering the largest class of the training samples.
        stages: all of them, first to last.
        batch_size: of a step, over all processes.
        steps: of SGD.
        learning_rate: of the first steps.
        weight_decay: as it was given.
        seed: of the views, of their order, and of the classifiers' first weights.
    """

    value: float
    interval: tuple[float, float]
    per_class: float
    n_train: int
    n_test: int
    classes: int
    majority: float
    stages: list[StageAccuracy]
    batch_size: int
    steps: int
    learning_rate: float
    weight_decay: float
    seed: int


def probes(
    looks: Mapping[str, Look],
    samples: tuple[Any, Any],
    labels: tuple[np.ndarray, np.ndarray],
    views: Views,
    judged: Sequence[tuple[Views, int]],
    recipe: Recipe,
    learning_rate: float = 0.01,
) -> dict[str, Probed]:
    """Fit a linear classifier on every stage of some networks, all on the same views, and judge those of the last step.

        minimise over all W_s, b_s:   sum over stages s of   mean CE(W_s norm(pool(map_s(view))) + b_s, y)

    The protocol of SeLa's AlexNet (Asano et al. 2020; official `eval_linear_probes.py`), for any network with stages.
    The networks are looked at without gradient and in evaluation mode, which equals absorbing their batch norms. The
    classifiers share nothing but the views, so each is what it would be alone. The learning rate falls to a tenth
    after 10, 20 and 30 of 36 parts of the training. Departures: biases are not decayed; the last step is judged, not
    the best epoch on the test samples; the plain view and the mean over crops are two figures.

    Args:
        looks: name to network.
        samples: to learn from and to test on, every one labelled.
        labels: int64 (N,) and (M,), 0 to C - 1, of these.
        views: one view of each sample, drawn.
        judged: the plain view and, where they are asked for, several crops, joined sample by sample; of each, how many
            samples are looked at at a time.
        recipe: of SGD; its `drops` are set here.
        learning_rate: of the first steps, whatever the batch, above 0.

    Returns:
        For each network what was found.

    Raises:
        UserError: a network has no stages, a batch is too small for batch norm, no weights are finite, or as `descend`.
    """
    (train, test), size = samples, recipe.batch(len(samples[0]))
    probing = fitted_probes(looks, train, labels[0], views, recipe, learning_rate)
    judgements = [probing.judge(test, labels[1], each, batch) for each, batch in judged]
    tested = judgements[0].labels
    return {
        name: Probed(
            value=float(judgements[0].correct[name][-1].mean()),
            interval=_interval(judgements[0].correct[name][-1]),
            per_class=mean_per_class(judgements[0].correct[name][-1], tested),
            n_train=len(train),
            n_test=len(tested),
            classes=int(labels[0].max()) + 1,
            majority=majority(labels[0], tested),
            stages=_stages(name, each, judgements),
            batch_size=size,
            steps=recipe.steps(len(train)),
            learning_rate=learning_rate,
            weight_decay=recipe.weight_decay,
            seed=recipe.seed,
        )
        for name, each in probing.probes.items()
    }


def fitted_probes(
    looks: Mapping[str, Look],
    train: Any,
    labels: np.ndarray,
    views: Views,
    recipe: Recipe,
    learning_rate: float,
) -> "Probing":
    """The classifiers of `probes`, fitted and not yet judged; arguments are those of `probes`."""
    check_learning_rates([learning_rate])
    size = recipe.batch(len(train))
    if size // world_size() < 2:
        raise UserError(
            f"probes need batches of at least 2 samples a process for their batch norm, got {size // world_size()}; "
            "raise --batch-size or give more training samples."
        )
    first = Steps(train, views, recipe.seed, 1)[0].batch.views
    probing = Probing(looks, first, int(labels.max()) + 1, recipe.seed)
    rates = [(probe, learning_rate * 256 / size) for probe in probing.all()]
    descend(probing.loss(labels), rates, train, views, _falling(recipe, len(train)), "probes")
    if not any(is_finite(probe) for probe in probing.all()):
        raise not_finite("probes")
    return probing


@dataclass(frozen=True)
class Judged:
    """Which test samples every classifier is right about.

    Args:
        correct: name of a network to bool (stages, M).
        labels: int64 (M,), of the samples that could be read.
    """

    correct: dict[str, np.ndarray]
    labels: np.ndarray


class Probing:
    """Networks and a classifier on each of their stages.

    Args:
        looks: name to network.
        views: any, in the encoder's form; tell how large the maps are.
        classes: how many.
        seed: of the first weights; stage n of every network starts from the same place of chance.
    """

    def __init__(self, looks: Mapping[str, Look], views: Tensor, classes: int, seed: int) -> None:
        self.looks, self.classes = looks, classes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.probes: dict[str, list[StageProbe]] = {}
        for name, look in looks.items():
            with torch.no_grad():
                stages = look(views.to(self.device))
            self.probes[name] = [
                StageProbe(stage, classes, chance.generator(seed, chance.INITIALISATION, number)).to(self.device)
                for number, stage in enumerate(stages)
            ]
            for probe in self.probes[name]:
                over_processes(probe)

    def all(self) -> list[StageProbe]:
        """The classifiers of all networks, network by network."""
        return [probe for row in self.probes.values() for probe in row]

    def scores(self, views: Tensor) -> list[Tensor]:
        """What all classifiers answer, each (B, classes), to views in the encoder's form."""
        views = views.to(self.device)
        maps = []
        for look in self.looks.values():
            with torch.no_grad():
                maps += [stage.map for stage in look(views)]
        return [probe(each) for probe, each in zip(self.all(), maps, strict=True)]

    def loss(self, labels: np.ndarray) -> Callable[[Batch], Tensor]:
        """A batch to the sum of all classifiers' cross-entropies, with the labels (N,) of the training samples."""
        answers = torch.from_numpy(labels).to(self.device)

        def loss(batch: Batch) -> Tensor:
            answer = answers[batch.index.to(self.device)]
            return torch.stack([cross_entropy(each, answer) for each in self.scores(batch.views)]).sum()

        return loss

    def judge(self, test: Any, labels: np.ndarray, views: Views, batch: int) -> Judged:
        """Look at all test samples, at the mean of the scores of each one's views.

        Args:
            test: samples.
            labels: int64 (M,), of these.
            views: the plain view, or several joined sample by sample.
            batch: samples at a time.
        """
        probes = self.all()
        for probe in probes:
            probe.eval()
        correct, kept = [], []
        for block in extract_blocks(lambda seen: torch.cat(self.scores(seen), 1), test, views, batch):
            if len(block.ids):
                # (B, V P C), view by view, to the mean over the views (B, P, C)
                scores = block.views[0].reshape(len(block.ids), -1, len(probes), self.classes).mean(1)
                scores = np.where(np.isfinite(scores), scores, -np.inf)  # of a classifier that has diverged: no answer
                found = [correct_at(scores[:, number], labels[block.ids]) for number in range(len(probes))]
                correct.append(np.stack(found))
                kept.append(block.ids)
        whole = np.concatenate(correct, 1)  # (P, M)
        ends = np.cumsum([len(row) for row in self.probes.values()])
        rows = np.split(whole, ends[:-1])
        return Judged(dict(zip(self.probes, rows, strict=True)), labels[np.concatenate(kept)])


def _falling(recipe: Recipe, count: int) -> Recipe:
    """The recipe with its drops where the published ones lie, half a step before the step that they are for."""
    steps, share = recipe.steps(count), recipe.batch(count) / count
    firsts = [-(-steps * part // PARTS) for part in DROPS]
    return replace(recipe, drops=tuple((first - 0.5) * share for first in firsts))


def _stages(name: str, probes: list[StageProbe], judgements: list[Judged]) -> list[StageAccuracy]:
    found = []
    for number, probe in enumerate(probes):
        plain, *crops = (each.correct[name][number] for each in judgements)
        found.append(
            StageAccuracy(
                stage=probe.stage,
                accuracy=float(plain.mean()),
                interval=_interval(plain),
                crops_accuracy=float(crops[0].mean()) if crops else None,
                crops_interval=_interval(crops[0]) if crops else None,
                channels=probe.channels,
                side=probe.side,
                values=probe.linear.in_features,
            )
        )
    return found


def _interval(correct: np.ndarray) -> tuple[float, float]:
    return wilson(int(correct.sum()), len(correct))
