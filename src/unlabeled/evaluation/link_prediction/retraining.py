"""A run's configuration trained anew on each prefix of the snapshots, and what is kept of every finished step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from torch import Tensor

from unlabeled.evaluation.features import key_of
from unlabeled.evaluation.link_prediction.examples import NegativesName, Task
from unlabeled.evaluation.link_prediction.kept import kept_or_made
from unlabeled.evaluation.link_prediction.step import Answer, Select, answers, questions
from unlabeled.evaluation.link_prediction.training import epochs
from unlabeled.run import read_weights
from unlabeled.training.checkpoints import write_atomically
from unlabeled.training.launching import launch
from unlabeled.training.settings import Settings

FUTURE = 6
"""Snapshots ahead of the task multi-step (DySAT, appendix C)."""

DEEPWALK: dict[str, Any] = {"learning_rate": 0.01, "weight_decay": 0.0, "num_positives": 50, "projection_layers": 0}
"""What the table of embeddings is trained with in place of the run's: at the run's rate it would hardly move."""

MODALITY = "temporal_graphs"


@dataclass(frozen=True)
class Retraining:
    """What is trained and asked how: all that a finished step depends on besides the step.

    Args:
        method: the run's class.
        settings: the run's, without a history.
        whole: all snapshots.
        draws: splits of a step.
        select: how an epoch is chosen.
        deepwalk_epochs: of the table beside it.
        incremental: each training sees its last snapshot alone, and what the one before made of the others (IncSAT).
        negatives: how pairs without a link are drawn.
        folder: the run's.
    """

    method: Callable[..., Any]
    settings: Settings
    whole: Any
    draws: int
    select: Select
    deepwalk_epochs: int
    incremental: bool
    negatives: NegativesName
    folder: Path

    @cached_property
    def place(self) -> Path:
        """Where finished steps are kept: another configuration, data or way to ask has another place."""
        told = self.settings.config() | {"data": None, "labels": None, "held_out": None}
        told["incremental"] = self.incremental
        told["deepwalk_epochs"] = self.deepwalk_epochs
        if self.negatives != "uniform":
            told["negatives"] = self.negatives
        key = key_of(repr(sorted(told.items())), self.whole.fingerprint(), str(self.draws), self.select, "7")
        return self.folder / "evaluations" / "link-prediction" / key

    def step(self, count: int, multi: bool) -> dict[str, Answer]:
        """What a training on the first `count` snapshots answers, made where it isn't kept.

        Args:
            count: snapshots, at least 1.
            multi: ask about each of the next six snapshots, otherwise about the next one.
        """
        file = self.place / f"{'multi' if multi else 'step'}-{count:04}.npz"
        return kept_or_made(file, lambda: self._made(count, multi))

    def _made(self, count: int, multi: bool) -> dict[str, Answer]:
        tasks: list[tuple[Task, int]] = [("next", 1), ("new", 1), ("new-nodes", 1)]
        if multi:
            tasks = [("multi-step", ahead) for ahead in range(1, FUTURE + 1)]
        asked = list(questions(self.whole, count, tasks, self.draws, self.settings.seed, self.negatives))
        if count < self._first or (not asked and not self.incremental):
            return {}
        known, fabric = self.whole.prefix(count), launch(1, 1, self.settings.precision)
        settings, untrained = self.settings, None
        if self.incremental and count > self._first:
            untrained = next(epochs(self.method, settings, known, MODALITY, fabric))  # what follows on was learnt
            settings = replace(
                settings,
                network=settings.network | {"incremental": True},
                arguments=settings.arguments | {"history": self._history(count - 1)},
            )
        ours = epochs(self.method, settings, known, MODALITY, fabric, self.incremental)
        links = replace(known.aggregate(), attributes=None)  # a table has no use for them
        deepwalk = epochs(self.method, self._table, links, MODALITY, fabric)
        found, going_on = answers(known, asked, ours, deepwalk, self.select, untrained)
        if self.incremental and not multi:  # six snapshots ahead choose another epoch, which nothing goes on from
            self._keep(count, going_on.history)
        return found

    @cached_property
    def _first(self) -> int:
        """The fewest snapshots with nodes to train on: the first ones of a window may be empty."""
        return int(np.argmax(self.whole.nodes >= 2)) + 1

    @property
    def _table(self) -> Settings:
        """Of DeepWalk, a table of embeddings under the same objective."""
        return replace(
            self.settings,
            encoder="node_table",
            epochs=self.deepwalk_epochs,
            max_steps=None,
            arguments=self.settings.arguments | DEEPWALK,
        )

    def _history(self, count: int) -> Tensor:
        """What an incremental training makes of the first `count` snapshots, one after the other."""
        file = self._history_file(count)
        if not file.exists():
            self._made(count, False)
        return read_weights(file)["history"]

    def _keep(self, count: int, history: Any) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        tensors = {"history": history.cpu().contiguous()}
        write_atomically(self._history_file(count), lambda beside: save_file(tensors, beside))

    def _history_file(self, count: int) -> Path:
        return self.place / f"history-{count:04}.safetensors"
