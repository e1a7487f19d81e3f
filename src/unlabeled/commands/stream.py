"""`unlabeled evaluate stream`: components against classes, and what was forgotten on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unlabeled.commands.labelled import Opened
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.stream import Assigned

PathText = str | PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A stream's figures, on test samples of all classes, met or not.

    Args:
        protocol: stream.
        run: the folder.
        metric: cluster_accuracy: the share in the largest class of their component. It grows with the components.
        value: the same.
        interval: Wilson's, 95 %.
        components: K, that are active.
        components_used: that a test sample belongs to.
        hungarian_accuracy: of the best one-to-one naming of components by classes.
        knn_error: in the latent space, by the number of neighbours.
        classes: their names.
        order: names of the classes that the stream showed together, in its order; empty where it was shuffled.
        per_class: the share of each class in components named after it.
        steps: after which the figures over time are.
        components_over_time: K then.
        accuracy_over_time: cluster accuracy then, all classes.
        per_class_over_time: the same of each class, a row a time.
        forgotten: of each class, how far it is below its best time.
        confusion: a row a class, a column a component: counts.
        bound: on log p(x), nats a picture, the mean over test samples, and its parts.
        class_incremental: accuracy where components are classes (the trace); None where they are not.
        task_incremental: the same among the classes of the sample's own task, those that the stream showed together;
            a shuffled one shows all, unless `classes_at_once` says how many are a task.
        baselines: cluster accuracy of k-means with K clusters, in an untrained network's latent space and on pixels.
        baseline_knn_error: there, by the number of neighbours.
        births: of each component that was added: the step, the component it was copied from, what share of the poor
            samples that one explained, how many they were, and the mean of their bounds.
        sampled: whether z is a draw and not a mean.
        n_train: samples that k-NN and k-means learn from.
        n_test: samples.
        seed: of the split.
        split: where the test samples come from.
    """

    protocol: str = "stream"
    run: str
    metric: str = "cluster_accuracy"
    value: float
    interval: tuple[float, float]
    components: int
    components_used: int
    hungarian_accuracy: float
    knn_error: dict[str, float]
    classes: list[str]
    order: list[list[str]]
    per_class: list[float]
    steps: list[int]
    components_over_time: list[int]
    accuracy_over_time: list[float]
    per_class_over_time: list[list[float]]
    forgotten: list[float]
    confusion: list[list[int]]
    bound: dict[str, float]
    class_incremental: float | None
    task_incremental: float | None
    baselines: dict[str, float]
    baseline_knn_error: dict[str, dict[str, float]]
    births: list[dict[str, float]] = field(default_factory=list)
    sampled: bool
    n_train: int
    n_test: int
    seed: int
    split: str


def stream(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    sampled: bool = False,
    seed: int = 0,
) -> Streamed:
    """Whether a stream's components are the classes, the error of neighbours, and what was forgotten on the way.

    Example: unlabeled evaluate stream runs/stream --data train/ --test test/

    Args:
        run: the run's folder, of a method that finds components.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        sampled: draw the component and z of each sample for its neighbours, in place of the mean of the most probable.
        seed: of the split, and of k-means.

    Raises:
        UserError: the method finds no components, or there are no labels.
    """
    from unlabeled.commands.labelled import Labelled
    from unlabeled.errors import UserError

    opened = Labelled(run, data, test, labels, test_labels, seed).opened()
    if not hasattr(opened.trained.module, "assigned"):
        method = opened.trained.description["method"]
        raise UserError(f"{method} finds no components, so there is no stream to evaluate; train curl.")
    result = _streamed(opened, seed, sampled)
    opened.folder.keep_evaluation("stream-sampled" if sampled else "stream", result)
    return result


def _streamed(opened: "Opened", seed: int, sampled: bool) -> Streamed:
    """All of it, of a run that is opened."""
    from unlabeled.evaluation import stream as protocol
    from unlabeled.metrics.intervals import wilson

    folder = opened.folder
    train, tested, parts = _assigned(opened, opened.trained, seed, sampled)
    classes = len(opened.samples.classes)
    table = tested.table(classes)
    steps, tables = _over_time(opened, seed, classes)
    checkpoint = folder.checkpoint()
    memory: dict[str, Any] = {} if checkpoint is None else checkpoint.memory
    learnt = memory.get("classes") or list(opened.samples.classes)
    accuracies = _incremental(folder.config(), learnt, list(opened.samples.classes), tested)
    value, over_time = protocol.purity(table), [protocol.per_class(each) for each in tables]
    baselines, errors = _baselines(opened, len(table), classes, seed)
    return Streamed(
        run=str(folder.path),
        value=value,
        interval=wilson(value * len(tested.labels), len(tested.labels)),
        components=len(table),
        components_used=int((table.sum(1) > 0).sum()),
        hungarian_accuracy=protocol.matched_accuracy(table),
        knn_error=_named(protocol.knn_error(train, tested)),
        classes=list(opened.samples.classes),
        order=_order(folder.config(), learnt),
        per_class=protocol.per_class(table),
        steps=steps,
        components_over_time=[len(each) for each in tables],
        accuracy_over_time=[protocol.purity(each) for each in tables],
        per_class_over_time=over_time,
        forgotten=protocol.forgotten([*over_time, protocol.per_class(table)]),
        confusion=table.T.tolist(),
        bound=parts,
        class_incremental=accuracies[0],
        task_incremental=accuracies[1],
        baselines=baselines,
        baseline_knn_error=errors,
        births=[
            {name: each for name, each in birth.items() if name != "pictures"} for birth in memory.get("births", [])
        ],
        sampled=sampled,
        n_train=len(train.labels),
        n_test=len(tested.labels),
        seed=seed,
        split=opened.split,
    )


def _named(errors: dict[int, float]) -> dict[str, float]:
    return {str(k): error for k, error in errors.items()}


def _groups(config: dict[str, Any], count: int, together: int) -> list[list[int]]:
    """Of so many classes those that a run's stream showed together, in its order."""
    from unlabeled.data.streams import shown_together

    found = shown_together(np.arange(count), together, config["seed"], bool(config.get("shuffle_classes")))
    return [each.tolist() for each in found]


def _order(config: dict[str, Any], learnt: list[str]) -> list[list[str]]:
    """`Streamed.order`."""
    if config.get("order", "shuffled") == "shuffled":
        return []
    return [[learnt[each] for each in group] for group in _groups(config, len(learnt), config["classes_at_once"])]


def _incremental(
    config: dict[str, Any], learnt: list[str], names: list[str], tested: "Assigned"
) -> tuple[float | None, float | None]:
    """Class- and task-incremental accuracy of a run whose components are classes, by the names of the classes."""
    from unlabeled.evaluation.stream import incremental

    if not config.get("supervised"):
        return None, None
    place = {name: number for number, name in enumerate(learnt)}
    labels = np.array([place.get(name, -1) for name in names], np.int64)[tested.labels]
    mixed = config.get("order", "shuffled") == "shuffled" and config["classes_at_once"] == 1
    together = len(learnt) if mixed else config["classes_at_once"]
    return incremental(replace(tested, labels=labels), _groups(config, len(learnt), together))


def _assigned(
    opened: "Opened", encoder: "Encoder", seed: int, sampled: bool = False
) -> "tuple[Assigned, Assigned, dict[str, float]]":
    """What a model makes of training and test samples, and the mean bound on the test samples with its parts."""
    from unlabeled.evaluation.stream import Assigned

    module: Any = encoder.module
    count, width = int(module.mixture.active), module.mixture.latent
    train, test = opened.pair(partial(_rows, encoder, partial(module.described, sampled=sampled)), seed)

    def cut(features: "Features") -> Assigned:
        rows = features.embeddings
        assert features.labels is not None
        return Assigned(rows[:, :count], rows[:, count : count + width], features.ids, features.labels)

    means = test.embeddings[:, count + width :].astype(float).mean(0)
    parts = dict(zip(("bound", "log_likelihood", "latent_kl", "component_kl"), means.tolist(), strict=True))
    own = cut(train)
    return own, own if test is train else cut(test), parts


def _rows(encoder: "Encoder", encode: Callable[[Any], Any], samples: Any) -> "Features":
    """Rows of every sample, with its label, drawn alike whenever they are made."""
    from unlabeled.evaluation.extraction import encode_with, extract

    module: Any = encoder.module
    module.before_step(0)
    return extract(encode_with(module, encode), samples, encoder.view, encoder.batch).features().of(samples)


def _over_time(opened: "Opened", seed: int, classes: int) -> tuple[list[int], list[Any]]:
    """The steps after which weights were kept, and the table of components and classes of the test samples then."""
    from unlabeled.run import read_weights

    module: Any = opened.trained.module
    now = {name: each.clone() for name, each in module.state_dict().items()}
    samples = opened.samples if opened.tested is None else opened.tested
    steps, tables = [], []
    try:
        for step, file in opened.folder.kept().items():
            module.load_state_dict(read_weights(file))
            count = int(module.mixture.active)
            rows = partial(_rows, opened.trained, lambda views: module.assigned(views)[0])
            tested = _tested(opened, rows(samples), seed)
            steps.append(step)
            tables.append(_table(tested, count, classes))
    finally:
        module.load_state_dict(now)
    return steps, tables


def _tested(opened: "Opened", features: "Features", seed: int) -> "Features":
    """The test rows among features of the samples that are tested on."""
    from unlabeled.evaluation.split import split

    return features if opened.tested is not None else split(features, None, seed)[1]


def _table(features: "Features", count: int, classes: int) -> Any:
    from unlabeled.metrics.contingency import contingency

    assert features.labels is not None
    return contingency(features.embeddings.argmax(1), features.labels, count, classes)


def _baselines(
    opened: "Opened", components: int, classes: int, seed: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Cluster accuracy and k-NN errors in an untrained network's latent space, and on pixels."""
    from unlabeled.evaluation.stream import Assigned, by_kmeans, knn_error

    def pixels(samples: Any) -> "Features":
        return _rows(opened.trained, lambda views: module.pictures(views).flatten(1), samples)

    module: Any = opened.trained.module
    train, test, _ = _assigned(opened, opened.random, seed)
    raw = [
        Assigned(each.embeddings[:, :0], each.embeddings, each.ids, each.labels)  # type: ignore[arg-type]
        for each in opened.pair(pixels, seed)
    ]
    pairs = {"random_encoder": (train, test), "raw_input": (raw[0], raw[1])}
    accuracies = {name: by_kmeans(*pair, components, classes, seed) for name, pair in pairs.items()}
    return accuracies, {name: _named(knn_error(*pair)) for name, pair in pairs.items()}
