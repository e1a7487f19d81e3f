"""`unlabeled evaluate graph-classification`: ten folds of labelled graphs."""

import sys
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from unlabeled.commands.labelled import Evaluated, PathText

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.graph_classification import Folded, Labelled
    from unlabeled.run import Run

BASELINES = ("random_encoder", "raw_input")


@dataclass(frozen=True)
class GraphsEvaluated(Evaluated):
    """Accuracy over ten folds, with its baselines, frozen under one classifier, in the same folds.

    `n_test` counts each tested graph once, also where published folds test it several times.

    Args:
        deviation: over the folds.
        folds: the accuracy of each.
        transductive: whether the encoder was pre-trained on any of the graphs that it is tested on, without their
            labels; None where the data that it was trained on is no longer there to be compared.
        training: frozen, finetune or scratch.
        folding: fair or published.
    """

    deviation: float = 0.0
    folds: list[float] = field(default_factory=list)
    transductive: bool | None = False
    training: str = "frozen"
    folding: str = "fair"


def graph_classification(
    run: PathText,
    *,
    data: Any = None,
    labels: PathText | None = None,
    training: Literal["frozen", "finetune", "scratch"] = "frozen",
    protocol: Literal["fair", "published"] = "fair",
    classifier: Literal["svm", "linear-svm", "logistic"] = "svm",
    epochs: int = 100,
    patience: int = 25,
    stop_on: Literal["accuracy", "loss"] = "accuracy",
    batch_size: int = 20,
    learning_rate: tuple[float, ...] = (1e-3,),
    repeats: int = 3,
    folds: int = 10,
    fold_seed: int = 0,
    seed: int = 0,
) -> GraphsEvaluated:
    """Classify whole graphs in ten folds, from frozen representations or trained on their labels.

    Under the fair protocol (Errica et al. 2020) a tenth of what is not tested chooses every setting; the published
    one is that of DiffPool's official code, which picks the epoch on the folds that it reports and so reads too high.
    The fair protocol takes folds that come with the data (10fold_idx). Whatever the training, the baselines are
    frozen: a classifier, its settings chosen on a tenth of what it learns from, in the same folds. Finished trainings
    are kept with the run.

    Examples:
      unlabeled evaluate graph-classification runs/graphs
      unlabeled evaluate graph-classification runs/graphs --training scratch --protocol published

    Args:
        run: the run's folder.
        data: labelled graphs; by default the run's own data, the training part of a built-in sample.
        labels: a CSV with columns path,label for the data.
        training: frozen: a classifier on the run's representations; finetune: everything from the run's weights;
            scratch: everything from random weights, the paper's own supervised use.
        protocol: fair or published; published is of finetune and scratch, which have epochs to choose.
        classifier: of frozen representations and, whatever the training, of the baselines: a support vector machine
            with Gaussian kernel, a linear one, or logistic regression; its settings are chosen inside each fold.
        epochs: of finetune and scratch, at most.
        patience: epochs with a worse figure on the hold-out after which fair training stops.
        stop_on: that figure, which chooses the epoch too: accuracy, or loss, the mean cross-entropy.
        batch_size: graphs a step, at least 2.
        learning_rate: of Adam; of several, each fold's validation part chooses.
        repeats: trainings of each fold from different weights under the fair protocol, whose accuracies are averaged.
        folds: how many of the ten are run, 2 to 10; fewer for a first look.
        fold_seed: of the folds where the data brings none, and of their validation parts: trainings of several seeds
            share their folds.
        seed: of everything drawn in training.

    Raises:
        UserError: a run of other data than graphs, no labels, too few graphs, or numbers outside their range.
    """
    from unlabeled.commands.labelled import kept_as
    from unlabeled.commands.load import load, random_encoder
    from unlabeled.commands.samples import data_of
    from unlabeled.errors import UserError, in_range
    from unlabeled.evaluation import graph_classification as protocols
    from unlabeled.evaluation.fold_training import Training
    from unlabeled.evaluation.folds import published_folds, with_validation
    from unlabeled.evaluation.sanity import sanity
    from unlabeled.run import Run

    in_range(seed=(seed, 0), fold_seed=(fold_seed, 0), repeats=(repeats, 1), folds=(folds, 2))
    if folds > 10:
        raise UserError(f"--folds takes at most 10, got {folds}.")
    if training == "frozen" and protocol == "published":
        raise UserError("--protocol published chooses an epoch, and frozen has none; add --training scratch.")
    how: dict[str, Any] = {"epochs": epochs, "patience": patience, "stop_on": stop_on, "batch_size": batch_size}
    _of_training(training, how | {"learning_rate": learning_rate, "repeats": repeats})
    ways = [Training(epochs, patience, batch_size, rate, stop_on=stop_on) for rate in learning_rate]
    if not ways:
        raise UserError("--learning-rate takes at least one number above 0.")
    folder = Run.open(run)
    trained, random = load(folder.path), random_encoder(folder)
    samples = data_of(folder, data, labels)[0]
    if trained.description["modality"] != "graphs":
        kind = trained.description["modality"]
        raise UserError(f"{folder.path} is a run of {kind}, and graph-classification is of graphs; use linear or knn.")
    trained.check(samples)
    met = False if training == "scratch" else _met(folder, samples)
    samples, parts = _folds(samples, fold_seed)
    pairs = published_folds(len(samples), fold_seed)[:folds]
    parts = parts[:folds] if protocol == "fair" else with_validation(pairs, samples.labels, fold_seed)
    features = _features(trained, random, samples)
    if training != "frozen":
        start = trained if training == "finetune" else random
        what = _labelled(folder, start, samples, training == "scratch", seed)
        ours = (
            protocols.fair(what, parts, ways[0], learning_rate, repeats)
            if protocol == "fair"
            else protocols.published(what, pairs, ways[0])
        )
    else:
        ours = protocols.frozen(features["trained"], samples.labels, parts, classifier)
    others = {name: protocols.frozen(features[name], samples.labels, parts, classifier) for name in BASELINES}
    _tell_unconverged(classifier, [ours, *others.values()])
    asked = {"classifier": classifier, "training": training, "fold_seed": fold_seed}
    details = {"deviation": ours.deviation} | asked | (how if training != "frozen" else {}) | ours.details
    result = replace(
        _result(folder, ours, others, seed, protocol, parts, details),
        training=training,
        transductive=met,
        sanity=sanity(features["trained"], samples.labels),
    )
    folder.keep_evaluation(kept_as(f"graph-classification-{training}-{protocol}", 0), result)
    return result


def _of_training(training: str, how: dict[str, Any]) -> None:
    """What would change nothing is refused."""
    from inspect import signature

    from unlabeled.errors import UserError

    defaults = signature(graph_classification).parameters
    given = [name for name, value in how.items() if value != defaults[name].default]
    if training == "frozen" and given:
        raise UserError(
            f"--{given[0].replace('_', '-')} is of training, and --training frozen has none; leave it out, or add "
            "--training scratch or finetune."
        )


def _met(folder: "Run", samples: Any) -> bool | None:
    """Whether a run, or one that it began from, was trained on any of some graphs; None where that cannot be told."""
    from unlabeled.errors import UserError
    from unlabeled.run import Run

    met, init = _met_here(folder, samples), folder.config().get("init")
    if met or init is None:
        return met
    try:
        before = _met(Run.open(init), samples)
    except UserError:  # weights alone do not say what they have seen
        before = None
    return before if met is False or before else None


def _met_here(folder: "Run", samples: Any) -> bool | None:
    from unlabeled.commands.samples import data_of
    from unlabeled.errors import UserError

    checkpoint = folder.checkpoint()
    if checkpoint is None:
        return None
    if checkpoint.data == samples.fingerprint():
        return True
    try:
        own = data_of(folder)[0]
    except UserError:
        return None
    return None if own.fingerprint() != checkpoint.data else not own.digests().isdisjoint(samples.digests())


def _features(trained: "Encoder", random: "Encoder", samples: Any) -> "dict[str, np.ndarray]":
    """The run's representations and those of the baselines, (N, D) each.

    Raises:
        UserError: some are no finite numbers.
    """
    from unlabeled.errors import UserError
    from unlabeled.evaluation.raw import raw_features
    from unlabeled.metrics.spread import finite_rows

    raw = raw_features(samples, trained.raw)
    made = {"trained": trained.features(samples), "random_encoder": random.features(samples), "raw_input": raw}
    found = {name: each.embeddings for name, each in made.items()}
    if not all(finite_rows(each).all() for each in found.values()):
        raise UserError("the representations hold values that are no finite numbers; train again at a lower rate.")
    return found


def _folds(samples: Any, seed: int) -> tuple[Any, Any]:
    """The labelled graphs and their folds.

    Raises:
        UserError: no labels, or too few.
    """
    import numpy as np

    from unlabeled.errors import UserError
    from unlabeled.evaluation.folds import fair_folds

    if samples.labels is None:
        raise UserError("graph-classification needs labels, and the data has none; give --labels.")
    known = np.flatnonzero(np.asarray(samples.labels) >= 0)
    if len(np.unique(samples.labels[known])) < 2:
        raise UserError("graph-classification needs at least 2 classes, and all graphs are of one.")
    given = samples.folds
    samples = samples if len(known) == len(samples) else samples.subset(known)
    return samples, fair_folds(samples.labels, seed, given, samples.names)


def _labelled(folder: "Run", start: "Encoder", samples: Any, anew: bool, seed: int) -> "Labelled":
    """What finetune and scratch train on."""
    from unlabeled import chance
    from unlabeled.commands.load import built
    from unlabeled.evaluation.features import key_of, key_of_weights
    from unlabeled.evaluation.graph_classification import Labelled

    network: Any = getattr(start.module, "encoder", start.module)

    def fresh(number: int) -> "nn.Module":
        if not anew:
            copy: nn.Module = deepcopy(network)
            return copy
        chance.seed_torch(seed, chance.INITIALISATION, number)
        return built(start.modality, start.description)

    weights = "anew" if anew else key_of_weights(network.state_dict())
    key = key_of(weights, samples.fingerprint(), samples.labels.tobytes().hex(), str(start.description["network"]))
    folded = folder.path / "evaluations" / "graph-classification"
    return Labelled(samples, samples.labels, start.view, network.width, fresh, key, folded, seed)


def _tell_unconverged(classifier: str, found: "list[Folded]") -> None:
    """One line to people where fits of the classifier have not converged."""
    count = sum(each.details.get("unconverged_fits", 0) for each in found)
    if count:
        print(f"{count} fits of {classifier} did not converge, those of candidates too", file=sys.stderr)


def _result(
    folder: "Run",
    ours: "Folded",
    others: "dict[str, Folded]",
    seed: int,
    protocol: str,
    folds: Any,
    details: dict[str, Any],
) -> GraphsEvaluated:
    import numpy as np

    return GraphsEvaluated(
        protocol="graph-classification",
        run=str(folder.path),
        metric="accuracy",
        value=ours.value,
        interval=ours.interval,
        baselines={name: each.value for name, each in others.items()},
        n_train=len(folds[0].learnt),
        n_test=len(np.unique(np.concatenate([fold.test for fold in folds]))),
        seed=seed,
        split=f"{'ten' if len(folds) == 10 else f'{len(folds)} of ten'} folds, {protocol}",
        details=details,
        baseline_details={
            name: {"value": each.value, "interval": each.interval, "deviation": each.deviation, "folds": each.folds}
            | each.details
            for name, each in others.items()
        },
        deviation=ours.deviation,
        folds=ours.folds,
        folding=protocol,
    )
