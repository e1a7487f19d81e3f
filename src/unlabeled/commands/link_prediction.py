"""`unlabeled evaluate link-prediction`: which links come next, step by step, beside what simple counts say."""

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from unlabeled.commands.labelled import Evaluated

if TYPE_CHECKING:
    from unlabeled.evaluation.link_prediction.retraining import Retraining
    from unlabeled.evaluation.link_prediction.step import Answer
    from unlabeled.run import Run


@dataclass(frozen=True)
class LinkPredicted(Evaluated):
    """How well links of a later snapshot are told from pairs without one; `value` is a mean over steps (macro-AUC).

    Args:
        task: which links.
        micro_auc: AUC of the test pairs of all steps pooled.
        average_precision: mean over steps.
        mean_reciprocal_rank: mean over steps of 1 / rank of a link among the nodes that its first end could be linked
            to, or a thousand of them; of test links of the first split, at most 200 a step.
        hits: the share of these that are among the first 1, 10 and 50.
        steps: of each its time, AUC, deviation over splits, average precision, chosen epoch, test links, and baselines.
        self_pairs: whether links of a node to itself count.
        other_self_pairs: the value where they count the other way; None where there are no such links.
        select: how the epoch is chosen.
        incremental: whether training was.
        negatives: how pairs without a link are drawn.
        features: what the classifier sees of a pair.
        past: whether it learns from earlier snapshots too.
        validation: mean over steps of the AUC on the validation pairs, of which nothing is a test pair.
        skipped: steps that are left out, and why.
    """

    task: str = "next"
    micro_auc: float = 0.0
    average_precision: float = 0.0
    mean_reciprocal_rank: float = 0.0
    hits: dict[str, float] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    self_pairs: bool = False
    other_self_pairs: float | None = None
    select: str = "validation"
    incremental: bool = False
    negatives: str = "uniform"
    features: str = "product"
    past: bool = False
    validation: float = 0.0
    skipped: list[str] = field(default_factory=list)


def link_prediction(
    run: str | PathLike[str],
    *,
    task: Literal["next", "new", "multi-step", "new-nodes"] = "next",
    steps: int | None = None,
    self_pairs: bool = False,
    splits: int = 10,
    select: Literal["validation", "loss", "last"] = "validation",
    deepwalk_epochs: int = 100,
    incremental: bool = False,
    negatives: Literal["uniform", "historical"] = "uniform",
    features: Literal["product", "l1", "dot", "scores", "sigmoid"] = "product",
    past: bool = False,
) -> LinkPredicted:
    """Predict the links of later snapshots: a fresh model on every prefix of the data, with the run's settings.

    Of each step, a fifth of the links and of as many pairs without a link choose the epoch, and a logistic regression
    on products of embeddings learns from a quarter of the rest and is tested on the others, ten splits over. Steps
    that are finished are kept with the run, and the command goes on where it was stopped. Every training starts
    afresh, that of a run made with --init too. One training serves the tasks next, new and new-nodes, with self-pairs
    and without, and all `features`.

    Example: unlabeled evaluate link-prediction runs/mail --task new

    Args:
        run: the run's folder, of temporal graphs.
        task: all links of the next snapshot; those that are new; those of each of the next six snapshots, of one model;
            those of nodes that are first seen in the last snapshot.
        steps: only the last so many steps, at least 1; by default all. The task multi-step has one.
        self_pairs: count links of a node to itself, as the official code does; they are free hits.
        splits: random splits of a step, at least 1.
        select: the epoch that is kept: best on the validation links (the protocol's, which sees links of the next
            snapshot), of the lowest loss, or the last.
        deepwalk_epochs: of the baseline DeepWalk, at least 1.
        incremental: each training sees its last snapshot alone, and what the one before made of the others (IncSAT).
        negatives: pairs without a link are any alike (the protocol's), or first of all those that were linked before,
            which a score that only remembers cannot tell from links.
        features: what the regression sees of a pair: the product of its embeddings, entry by entry (the protocol's);
            l1, their absolute differences; dot, the product's sum beside it; or scores, the simple scores too. With
            sigmoid there is no regression, and the score of a pair is the sigmoid of its dot product.
        past: let the regression learn from the links of the last three snapshots that are trained on too, each seen
            from the embeddings of the snapshot before; with few links in a snapshot that is most of what there is.

    Raises:
        UserError: the run is of another modality, or there are too few snapshots or links.
    """
    from unlabeled import methods
    from unlabeled.commands.samples import data_of
    from unlabeled.errors import UserError, in_range
    from unlabeled.evaluation.link_prediction.retraining import Retraining
    from unlabeled.run import Run
    from unlabeled.training.progress import Progress
    from unlabeled.training.settings import Settings

    if past and features == "sigmoid":
        raise UserError("--past is for the regression to learn from, and --features sigmoid has none; leave one out.")
    if task == "multi-step" and steps is not None:
        raise UserError("the task multi-step is one training and the six snapshots after it; leave --steps out.")
    in_range(steps=(1 if steps is None else steps, 1), splits=(splits, 1), deepwalk_epochs=(deepwalk_epochs, 1))
    folder = Run.open(run)
    if folder.description()["modality"] != "temporal_graphs":
        raise UserError(f"{folder.path} is no run on timed links; link prediction is for `unlabeled pretrain dysat`.")
    whole, settings = data_of(folder)[0].all(), Settings.of(folder.config())
    incremental = incremental or settings.network.get("incremental", False)
    if incremental and settings.encoder == "node_table":
        raise UserError(f"{folder.path} is a table of nodes, which sees no history; leave --incremental out.")
    settings = replace(
        settings,
        init=None,  # a start from weights that may have seen later snapshots
        network=settings.network | {"incremental": False},
        arguments=settings.arguments | {"history": None},
    )
    asked = Retraining(
        method=methods.find(settings.method),
        settings=settings,
        whole=whole,
        draws=splits,
        select=select,
        deepwalk_epochs=deepwalk_epochs,
        incremental=incremental,
        negatives=negatives,
        folder=folder.path,
    )
    counts = _counts(whole.count, task, steps)
    found: dict[int, dict[str, Answer]] = {}
    with Progress("link prediction", len(counts), "steps") as progress:
        for number, count in enumerate(counts):
            found[count] = asked.step(count, task == "multi-step")
            progress.update(number + 1)
    result = _result(folder, asked, task, self_pairs, features, past, found)
    ending = "" if negatives == "uniform" else f"-{negatives}"
    ending += "" if features == "product" else f"-{features}"
    ending += "-past" if past else ""
    folder.keep_evaluation(f"link-prediction-{task}{'-incremental' if incremental else ''}{ending}", result)
    return result


def _counts(snapshots: int, task: str, steps: int | None) -> list[int]:
    """How many snapshots each training sees."""
    from unlabeled.errors import UserError
    from unlabeled.evaluation.link_prediction.retraining import FUTURE

    ahead = FUTURE if task == "multi-step" else 1
    if snapshots <= ahead:
        raise UserError(
            f"the data has {snapshots} snapshots, and {task} needs more than {ahead}; use a shorter --window."
        )
    if task == "multi-step":
        return [snapshots - FUTURE]
    return list(range(1, snapshots))[-(steps or snapshots) :]


def _result(
    folder: "Run",
    asked: "Retraining",
    task: Any,
    self_pairs: bool,
    features: Any,
    past: bool,
    found: "dict[int, dict[str, Answer]]",
) -> LinkPredicted:
    from unlabeled.errors import UserError
    from unlabeled.evaluation.link_prediction.examples import LEAST
    from unlabeled.evaluation.link_prediction.retraining import FUTURE
    from unlabeled.evaluation.link_prediction.step import way_of
    from unlabeled.evaluation.link_prediction.summary import answers_to, details_of, figures_of, records

    ahead = range(1, FUTURE + 1) if task == "multi-step" else (1,)
    ours, other = (answers_to(found, task, ahead, with_self) for with_self in (self_pairs, not self_pairs))
    shown = asked.whole.starts_shown()
    if not ours:
        raise UserError(
            f"none of {len(found)} steps has {LEAST} links to predict, and pairs without; use another --window."
        )
    told = figures_of(list(ours.values()), features, past)
    otherwise = figures_of(list(other.values()), features, past) if other else None
    details = {name: details_of(each) for name, each in told.items()}
    best = details.pop("trained")
    has_self = any(name.endswith("self") for answers in found.values() for name in answers)
    return LinkPredicted(
        protocol="link-prediction",
        run=str(folder.path),
        metric="macro_auc",
        value=best["value"],
        interval=best["interval"],
        baselines={way: each["value"] for way, each in details.items()},
        n_train=sum(answer.learnt for answer in ours.values()),
        n_test=sum(len(answer.linked[0]) for answer in ours.values()),
        seed=asked.settings.seed,
        split=f"{task}, {len(ours)} steps, {asked.draws} splits of each",
        details={name: best[name] for name in ("micro_auc", "average_precision", "mean_reciprocal_rank")},
        baseline_details=details,
        task=task,
        micro_auc=best["micro_auc"],
        average_precision=best["average_precision"],
        mean_reciprocal_rank=best["mean_reciprocal_rank"],
        hits=best["hits"],
        steps=records(ours, told, way_of("trained", features, past), shown),
        self_pairs=self_pairs,
        other_self_pairs=otherwise["trained"].macro_auc if has_self and otherwise else None,
        select=asked.select,
        incremental=asked.incremental,
        negatives=asked.negatives,
        features=features,
        past=past,
        validation=best["validation"],
        skipped=[
            f"{shown[count + far - 1]}: fewer than {LEAST} links, or pairs without one"
            for count in found for far in ahead if (count, far) not in ours
        ],
    )  # fmt: skip
