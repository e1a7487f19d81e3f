"""`unlabeled compare`: runs beside each other, judged on the same data without labels and with."""

from dataclasses import asdict, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unlabeled.run import Run

PathText = str | PathLike[str]

LEAST = 8
"""Runs below which a correlation over them would say nothing."""
FIT = 0.95
"""The R^2 below which alpha means nothing."""

BETTER = {
    "rankme": "higher",
    "rankme_encoder": "higher",
    "alpha": "nearer to 1",
    "alignment": "lower",
    "uniformity": "lower",
    "mean_cosine": "nearer to 0",
    "spread": "higher",
    "dead_dimensions": "lower",
    "participation_ratio": "higher",
    "top_variance_share": "lower",
    "zipf_kl": "lower",
}
"""The label-free figures that runs are ranked by where `evaluate health` gives them, and which way each is better."""

LABELLED = "knn"
"""The labelled figure: accuracy of the k-NN protocol at its defaults."""


@dataclass(frozen=True)
class Compared:
    """One run among others.

    Args:
        run: the folder.
        method: its method.
        encoder: its network.
        health: its label-free figures, those of `evaluate health`.
        rank: for each figure that ranks (and "knn" where there are labels) the run's place, 1 the best; equal values
            share a place. A figure that is not defined for this run, or means nothing, has no place.
        labelled: its k-NN accuracy with interval and baselines, or None without labels.
    """

    run: str
    method: str
    encoder: str
    health: dict[str, float]
    rank: dict[str, int]
    labelled: dict[str, Any] | None


@dataclass(frozen=True)
class Comparison:
    """Runs judged on the same data.

    Args:
        runs: in the order given.
        correlation: for each label-free figure how well it orders the runs as the labelled one does (1: the same
            order, -1: the reverse), with p-values; None where there are no labels or fewer than eight runs.
        better: which way each figure is better.
        data: where the samples lie.
        samples: how many the label-free figures saw.
        notes: what to bear in mind, a sentence each.
        seed: of the split, the draw, the views and the permutations.
    """

    runs: list[Compared]
    correlation: dict[str, dict[str, float]] | None
    better: dict[str, str]
    data: str
    samples: int
    notes: list[str]
    seed: int


def compare(
    *runs: PathText,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    limit: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Rank runs by each label-free figure, and by k-NN accuracy where there are labels; all on the same data.

    From eight runs on it also says how well each label-free figure agrees with the labels, over these runs.

    Example: unlabeled compare runs/a runs/b runs/c --data labelled/

    Args:
        runs: the runs' folders, each once.
        data: samples to judge all runs on; by default the first run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        limit: label-free figures are measured on at most this many samples, drawn by the seed.
        seed: of the split, of the draw and views, and of the permutations behind p-values.

    Raises:
        UserError: no run, a run given twice, a folder that is no run or has no encoder, or data that does not fit.
    """
    from unlabeled.commands.health import Looks, health_of
    from unlabeled.commands.load import projector_layers
    from unlabeled.commands.samples import data_of

    folders = _opened(runs)
    bare = [folder for folder in folders if not projector_layers(folder)]
    looks = Looks(limit, layer=0 if bare else None, seed=seed)
    looks.check()
    samples, tested = data_of(folders[0], data, labels)
    given = any(each is not None for each in (test, labels, test_labels))
    accuracies, problem = _accuracies(folders, samples, tested, test, test_labels, seed, given)
    judged = [health_of(folder, samples, looks) for folder in folders]
    healths = [each.figures() for each in judged]
    named = [name for name in BETTER if any(name in health for health in healths)]
    scores = {name: [_goodness(name, health) for health in healths] for name in named}
    if accuracies is not None:
        scores[LABELLED] = [accuracy["value"] for accuracy in accuracies]
    places = {name: _ranked(values) for name, values in scores.items()}
    compared = []
    for number, folder in enumerate(folders):
        description = folder.description()
        rank = {name: place for name, of_runs in places.items() if (place := of_runs[number]) is not None}
        labelled = None if accuracies is None else accuracies[number]
        compared.append(
            Compared(str(folder.path), description["method"], description["encoder"], healths[number], rank, labelled)
        )
    return Comparison(
        runs=compared,
        correlation=_correlation(scores, len(folders), seed),
        better={name: BETTER.get(name, "higher") for name in scores},
        data=samples.place,
        samples=judged[0].sanity.n,
        notes=[*_notes(folders, data is None, problem), _ranked_by(bare)],
        seed=seed,
    )


def _opened(runs: tuple[PathText, ...]) -> "list[Run]":
    """The runs' folders, each with an encoder, all of one modality."""
    from unlabeled.errors import UserError
    from unlabeled.run import Run

    if not runs:
        raise UserError("compare needs at least one run; give the folders that pretrain made.")
    folders = [Run.open(run) for run in runs]
    seen: dict[Any, Run] = {}
    for folder in folders:
        twin = seen.setdefault(folder.path.resolve(), folder)
        if twin is not folder:
            raise UserError(f"{folder.path} is given twice; give each run once.")
    kinds = {folder.description()["modality"]: folder for folder in folders}
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise UserError(f"{first.path} is of {one} and {second.path} of {other}; compare runs of one kind of data.")
    return folders


def _accuracies(
    folders: "list[Run]", samples: Any, tested: Any, test: Any, test_labels: Any, seed: int, given: bool
) -> tuple[list[dict[str, Any]] | None, str]:
    """The labelled figure of each run on one split; or None and why, where the data's labels do not allow it.

    Raises:
        UserError: labels were asked for, and do not allow it.
    """
    from unlabeled.commands.load import load, random_encoder
    from unlabeled.commands.samples import tested_of
    from unlabeled.errors import UserError
    from unlabeled.evaluation.knn import knn
    from unlabeled.evaluation.raw import raw_features
    from unlabeled.evaluation.split import matched, pair_of

    if samples.classes is None and not given:
        return None, "The data has no labels, so that the runs are ranked without."
    first = load(folders[0].path)
    try:
        tested = tested_of(first, test, test_labels, tested)
        tested = None if tested is None else matched(samples, tested)

        def protocol(features_of: Any) -> Any:
            return knn(*pair_of(features_of, samples, tested, seed))

        raw = protocol(lambda of: raw_features(of, first.raw)).value
        found = []
        for folder in folders:
            ours, random = protocol(load(folder.path).features), protocol(random_encoder(folder).features)
            baselines = {"random_encoder": random.value, "raw_input": raw}
            found.append({"protocol": LABELLED, "metric": "accuracy", **asdict(ours), "baselines": baselines})
    except UserError as problem:
        if given:
            raise
        return None, f"The runs are ranked without labels: {problem}"
    return found, ""


def _goodness(name: str, health: dict[str, float]) -> float | None:
    """A figure turned so that more is better, or None where it is not defined or means nothing."""
    value = health.get(name)
    if value is None or (name == "alpha" and health["alpha_r2"] < FIT):
        return None
    turned = {"higher": value, "lower": -value, "nearer to 1": -abs(value - 1), "nearer to 0": -abs(value)}
    return turned[BETTER[name]]


def _ranked(values: list[float | None]) -> list[int | None]:
    """Places from 1, the largest value first; equal values share the first of theirs."""
    known = [value for value in values if value is not None]
    return [None if value is None else 1 + sum(other > value for other in known) for value in values]


def _correlation(scores: dict[str, list[float | None]], count: int, seed: int) -> dict[str, dict[str, float]] | None:
    """Of each label-free figure with the labelled one, over the runs for which both are defined."""
    from unlabeled.metrics.correlation import rank_correlation

    if count < LEAST or LABELLED not in scores:
        return None
    found = {}
    for name in [each for each in BETTER if each in scores]:
        pairs = [pair for pair in zip(scores[name], scores[LABELLED], strict=True) if pair[0] is not None]
        if len(pairs) >= LEAST:
            one, other = np.array(pairs, np.float64).T
            agreement = rank_correlation(one, other, seed)
            if agreement is not None:
                found[name] = asdict(agreement)
    return found


def _ranked_by(bare: "list[Run]") -> str:
    """What rankme is of, given the runs that keep no projector."""
    if not bare:
        return "rankme is of the projectors' outputs, rankme_encoder of the encoders'."
    return f"rankme is of the encoders' outputs, for {bare[0].path} keeps no projector."


def _notes(folders: "list[Run]", own_data: bool, problem: str) -> list[str]:
    """What a reader of the ranking must know."""
    configs = [folder.config() for folder in folders]
    notes = []
    if own_data and len({str(config["data"]) for config in configs}) > 1:
        notes.append(f"The runs were trained on different data; all are judged on that of {folders[0].path}.")
    if len({(config["method"], config["encoder"], str(config["network"])) for config in configs}) > 1:
        notes.append("The runs differ in method or encoder: rankme compares only runs of one method and one encoder.")
    if len({(config["image_size"], str(config["views"]), config["method"]) for config in configs}) > 1:
        notes.append("The runs differ in their views, and each is measured on its own: weaker views align more easily.")
    if problem:
        notes.append(problem)
    elif len(folders) < LEAST:
        notes.append(f"No correlation with the labels: {len(folders)} of the {LEAST} runs it needs to mean anything.")
    return notes
