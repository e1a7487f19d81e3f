"""SeLa: clusters of equal size, found by optimal transport, are the labels that a classifier learns."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlabeled import chance
from unlabeled.distributed import collect_rows
from unlabeled.errors import UserError
from unlabeled.training.course import Course
from unlabeled.training.heads import width_of
from unlabeled.training.labeller import Labeller, labels_of
from unlabeled.training.method import Batch, Plan
from unlabeled.training.optimizers import LEARNING_RATES, OPTIMIZERS, OptimizerName, plain_sgd
from unlabeled.training.passes import Passes
from unlabeled.training.relabelling import (
    ASSIGNMENTS,
    RELABEL_HEADS,
    RELABEL_SCHEDULES,
    Assignment,
    HeadLogits,
    RelabelHeads,
    RelabelSchedule,
    Task,
    random_balanced,
    sizes_entropy,
    steps_of,
)
from unlabeled.training.schedules import DECAYS, DecayName
from unlabeled.views import images

FIGURES = ("marginal_error", "solver_passes", "labels_changed", "size_entropy", "clusters_used")
"""What is kept of the last relabelling, each the mean over the heads that took part."""


class SeLa(nn.Module):
    """A label for every sample, learnt by T linear classifiers and re-assigned so that all clusters stay equally large.

        loss = mean over heads t and samples i of -log softmax(W_t f(v_i) + c_t)[L_ti]
        L_t  = argmax over balanced assignments, now and then: `unlabeled.objectives.balanced_assignment`

    f: sample -> (B, D); W_t (K, D), c_t (K,); L int64 (T, N). One view a sample: invariance comes from the label
    that stays while the view changes. Y. M. Asano, C. Rupprecht, A. Vedaldi: Self-labelling via simultaneous
    clustering and representation learning, ICLR 2020; defaults are the official code's for ImageNet. Departures:
    the number of clusters follows the number of samples; the transport is solved in the log domain to its marginal
    error; round-robin goes by the number of the relabelling and not of the epoch.

    Args:
        encoder: f, any module that gives (B, `encoder.width`).
        clusters: K of each head, at most as many as samples; by default one for 400 samples, 10 to 3000 (the paper's
            3000 of ImageNet and 128 of CIFAR).
        heads: T.
        strength: lambda of the transport, above 0; the paper's 25, and 10 on small pictures.
        marginals: K shares of the samples that the clusters get, of sum 1, or whole numbers in their proportion; equal
            ones by default.
        tolerance: largest relative error of a cluster's share at which the transport is solved.
        solver_precision: of the transport; float64 is official, and float32 in logarithms gives the same labels.
        solver_device: where the transport is solved: auto is the network's device, cpu saves a GPU's memory.
        assignment: transport; kmeans of the representations, which the paper compares it with; or argmax: the
            classifier's own prediction, without the constraint that keeps clusters from collapsing.
        relabellings: how often in the whole run, the last of which falls past its end; 0 keeps random labels.
        relabel_schedule: quadratic (ever more seldom) or linear; both begin before the first step.
        relabel_heads: all each time, or one after the other.
        relabel_mode: of the network while it labels; train is official, eval uses the batch norm's averages.
        relabel_views: what it looks at; augmented is official, plain is without chance.
        labels_from: a run of the same data whose labels are learnt as they are, and never assigned anew.
        optimizer: the paper's SGD (momentum 0.9, everything decayed), or LARS or AdamW.
        learning_rate: for a batch of 256 over all processes, scaled linearly with the batch; by default SGD 0.05 (the
            paper's), LARS 0.3, AdamW 0.001.
        weight_decay: at least 0.
        decay: of the learning rate: three tenfold drops at 37.5, 75 and 87.5 % of the steps (ImageNet), two at 60 and
            80 % (CIFAR), thirds (a third, two thirds and eight ninths), or a cosine.
        warmup: share of the steps in which the learning rate rises from 0, within [0, 1].
    """

    views: ClassVar = {"images": images.sela}
    labels: Tensor
    balance: Tensor
    last: Tensor
    relabelled: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        clusters: int | None = None,
        heads: int = 1,
        strength: float = 25.0,
        marginals: tuple[float, ...] = (),
        tolerance: float = 1e-3,
        solver_precision: Literal["float32", "float64"] = "float32",
        solver_device: Literal["auto", "cpu"] = "auto",
        assignment: Assignment = "transport",
        relabellings: int = 100,
        relabel_schedule: RelabelSchedule = "quadratic",
        relabel_heads: RelabelHeads = "all",
        relabel_mode: Literal["train", "eval"] = "train",
        relabel_views: Literal["augmented", "plain"] = "augmented",
        labels_from: str | PathLike[str] | None = None,
        optimizer: OptimizerName = "sgd",
        learning_rate: float | None = None,
        weight_decay: float = 1e-5,
        decay: DecayName = "three-drops",
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        if min(heads, 2 if clusters is None else clusters) < 1 or relabellings < 0:
            raise ValueError("clusters and heads take numbers of at least 1, relabellings of at least 0")
        if not 0 < strength < float("inf") or not tolerance > 0:
            raise ValueError(f"strength and tolerance take numbers above 0, got {strength} and {tolerance}")
        self.encoder, self.width = encoder, width_of(encoder)
        self.asked, self.heads, self.strength, self.tolerance = clusters, heads, strength, tolerance
        self.marginals = torch.tensor(marginals, dtype=torch.float64) if len(marginals) else None
        self.solver_type = {"float32": torch.float32, "float64": torch.float64}[solver_precision]
        self.solver_device = None if solver_device == "auto" else torch.device("cpu")
        self.assign, self.relabellings = ASSIGNMENTS[assignment], relabellings
        self.times, self.chosen = RELABEL_SCHEDULES[relabel_schedule], RELABEL_HEADS[relabel_heads]
        self.in_training, self.plain = relabel_mode == "train", relabel_views == "plain"
        self.labels_from = labels_from
        rate = (LEARNING_RATES | {"sgd": 0.05})[optimizer] if learning_rate is None else learning_rate
        moved_by = (OPTIMIZERS | {"sgd": plain_sgd})[optimizer]
        self.course = Course(moved_by, rate, weight_decay, warmup, DECAYS[decay])
        self.when: dict[int, int] = {}
        self.seconds = 0.0

    def prepare(self, samples: Any) -> None:
        """Make the heads and the table of labels: balanced at random, or those of another run.

        Raises:
            UserError: more clusters than samples, marginals of another number, or labels of other data.
        """
        if self.labels_from is not None:
            labels, clusters = labels_of(self.labels_from, samples)
            if self.asked not in (None, clusters):
                raise UserError(f"--labels-from has {clusters} clusters; leave --clusters {self.asked} out.")
            self.heads, self.relabellings, self.asked = len(labels), 0, clusters
        self.clusters = clusters = default_clusters(len(samples)) if self.asked is None else self.asked
        if clusters > len(samples):
            raise UserError(f"--clusters {clusters} is more than the {len(samples)} samples of the data; lower it.")
        if self.marginals is not None and not _are_shares(self.marginals, clusters):
            raise UserError(
                f"--marginals takes a share above 0 for each of the {clusters} clusters, of sum 1 or whole numbers, "
                f"got {len(self.marginals)} of sum {float(self.marginals.sum()):g}."
            )
        if self.labels_from is None:
            labels = random_balanced(len(samples), clusters, self.heads)
        self.register_buffer("labels", labels)
        self.register_buffer("balance", torch.zeros(self.heads, clusters))
        self.register_buffer("last", torch.zeros(len(FIGURES)))
        self.register_buffer("relabelled", torch.zeros((), dtype=torch.int64))
        self.classifiers = nn.Linear(self.width, self.heads * clusters)  # T heads side by side
        self.per_sample = len(samples)

    def look_through(self, passes: Passes) -> None:
        """Take the means to label all samples."""
        self.passes = passes

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy with the table's labels, the mean over heads and views."""
        logits = self.classifiers(self.encoder(batch.views))  # (views x B, T K)
        labels = self.labels[:, batch.index].T.repeat(len(logits) // len(batch.index), 1)  # (views x B, T)
        return cross_entropy(logits.reshape(labels.numel(), -1), labels.reshape(-1))

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Linear scaling with the batch; the schedule of the rate, and that of the relabellings."""
        per_epoch = self.per_sample // batch_size
        self.when = steps_of(self.times(self.relabellings, steps / per_epoch), per_epoch, steps)
        return self.course.plan(self, steps, batch_size)

    def before_step(self, step: int) -> None:
        """Label all samples anew where the schedule says so."""
        if step in self.when:
            began = time.monotonic()
            self.relabel(self.when[step])
            self.seconds += time.monotonic() - began

    @torch.no_grad()
    def relabel(self, number: int) -> None:
        """The labels of the heads whose turn it is, from one pass over the data (sections 3.2 and 3.5).

        Args:
            number: of the relabelling, from 0: which draws the views have, and whose turn it is.
        """
        with self._mode():
            features, own = self.passes.rows(self.encoder, number, self.plain, "labelling")
        own = own.to(self.labels.device)
        places = torch.cat(collect_rows(own))
        where = self.solver_device or self.labels.device
        kind = torch.promote_types(self.solver_type, self.classifiers.weight.dtype)  # of a float64 network never less
        weights, biases = (each.to(where, kind) for each in self.classifiers.parameters())
        figures = []
        for head in self.chosen(number, self.heads):
            rows = slice(head * self.clusters, (head + 1) * self.clusters)
            logits = HeadLogits(features, weights[rows], biases[rows])
            rng = chance.generator(self.passes.seed, chance.PASS, number, head)
            task = Task(
                logits,
                own,
                self.labels[head, own],
                self.strength,
                self.marginals,
                self.tolerance,
                self.balance[head],
                rng,
            )
            found = self.assign(task)
            labels = torch.cat(collect_rows(found.labels)).to(places.device)
            changed = (self.labels[head, places] != labels).double().mean().item()
            self.labels[head, places] = labels
            self.balance[head] = found.bias.to(self.balance)
            evenness = sizes_entropy(self.labels[head], self.clusters)
            figures.append((found.marginal_error, found.passes, changed, *evenness))
        self.last.copy_(torch.tensor(figures, dtype=torch.float64).mean(0))
        self.relabelled += 1

    @contextmanager
    def _mode(self) -> Iterator[None]:
        """The encoder in the mode of relabelling, and then as it was."""
        was = self.encoder.training
        self.encoder.train(self.in_training)
        try:
            yield
        finally:
            self.encoder.train(was)

    def figures(self) -> dict[str, float]:
        """Those of the last relabelling, and the seconds that all took since training was started or resumed."""
        done = int(self.relabelled)
        if not done:
            return {}
        named = dict(zip(FIGURES, self.last.tolist(), strict=True))
        return {"relabellings": done, "relabel_seconds": round(self.seconds, 3), **named}

    def labeller(self) -> Labeller:
        """The heads and the balance of each."""
        shape = (self.heads, self.clusters)
        weight, bias = self.classifiers.weight.reshape(*shape, -1), self.classifiers.bias.reshape(shape)
        return Labeller(weight, bias, self.balance, self.strength)


def _are_shares(marginals: Tensor, clusters: int) -> bool:
    """Whether they are what `balanced_assignment` takes."""
    whole = bool((marginals == marginals.round()).all())
    return (
        len(marginals) == clusters and bool((marginals > 0).all()) and (whole or abs(float(marginals.sum()) - 1) < 1e-4)
    )


def default_clusters(samples: int) -> int:
    """One cluster for 400 samples, 10 to 3000, and never more than samples."""
    return min(samples, max(10, min(3000, samples // 400)))
