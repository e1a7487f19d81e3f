"""`unlabeled evaluate`: how good an encoder is, beside the baselines that it must beat."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.health import Health
    from unlabeled.run import Run

PathText = str | PathLike[str]


@dataclass(frozen=True)
class Evaluated:
    """One protocol's number, with its baselines.

    Args:
        protocol: its name.
        run: the folder.
        metric: what `value` is.
        value: on the test samples.
        interval: 95 %, over test samples.
        baselines: the same number for a random encoder of the same architecture, and for the raw input.
        n_train: samples with labels that the protocol learnt from.
        n_test: samples that it was tested on.
        seed: of the split.
        split: where the test samples come from.
        details: all else that the protocol says.
        baseline_details: the same for each baseline.
    """

    protocol: str
    run: str
    metric: str
    value: float
    interval: tuple[float, float]
    baselines: dict[str, float]
    n_train: int
    n_test: int
    seed: int
    split: str
    details: dict[str, Any]
    baseline_details: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Healthy:
    """Label-free figures of an encoder, and of the same architecture at random weights."""

    protocol: str
    run: str
    n: int
    figures: dict[str, float]
    baselines: dict[str, dict[str, float]]
    warnings: list[str]
    seed: int


def knn(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    k: int = 20,
    temperature: float = 0.07,
    seed: int = 0,
) -> Evaluated:
    """Classify test samples by their nearest neighbours among the training samples, weighted by similarity.

    Example: unlabeled evaluate knn runs/photos --data photos/

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        k: neighbours that vote, at least 1.
        temperature: of the vote's weights exp(similarity / temperature), above 0.
        seed: of the split.
    """
    from unlabeled.evaluation.knn import knn as protocol

    def evaluate_one(train: "Features", tested: "Features") -> Any:
        return protocol(train, tested, k=k, temperature=temperature)

    return _labelled("knn", evaluate_one, run, data, test, labels, test_labels, seed)


def linear(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    seed: int = 0,
) -> Evaluated:
    """Fit a linear classifier on frozen representations, its penalty chosen on a tenth of the training samples.

    Example: unlabeled evaluate linear runs/photos --data train/ --test test/

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        seed: of the split and of the validation samples.
    """
    from unlabeled.evaluation.linear import linear as protocol

    def evaluate_one(train: "Features", tested: "Features") -> Any:
        return protocol(train, tested, seed=seed)

    return _labelled("linear", evaluate_one, run, data, test, labels, test_labels, seed)


def health(run: PathText, *, data: Any = None, limit: int = 10_000, seed: int = 0) -> Healthy:
    """Judge an encoder without labels: effective rank, spectrum, alignment, uniformity, signs of collapse.

    Example: unlabeled evaluate health runs/photos

    Args:
        run: the run's folder.
        data: any samples; by default the run's own data.
        limit: at most this many samples, drawn by the seed.
        seed: of the draw and of the views.
    """
    from unlabeled.commands.load import data_of, load
    from unlabeled.run import Run

    folder = Run.open(run)
    load(folder.path)  # says first of all whether there is an encoder
    samples = data_of(folder, data)[0]
    ours, random = (health_of(folder, samples, limit, seed, random) for random in (False, True))
    result = Healthy(
        protocol="health",
        run=str(folder.path),
        n=min(limit, len(samples)),
        figures=ours.figures(),
        baselines={"random_encoder": random.figures()},
        warnings=ours.warnings(),
        seed=seed,
    )
    folder.keep_evaluation("health", result)
    return result


def health_of(folder: "Run", samples: Any, limit: int, seed: int, random: bool = False) -> "Health":
    """Label-free figures of a run's encoder, or of the random one, on the views that its method trains on.

    Args:
        folder: the run.
        samples: opened data.
        limit: at most this many samples, drawn by the seed.
        seed: of the draw and of the views.
        random: judge the encoder as it was before training.
    """
    from unlabeled.commands.load import load, random_encoder
    from unlabeled.evaluation.health import health as protocol

    encoder = random_encoder(folder) if random else load(folder.path)
    extracted = encoder.extract(_drawn(samples, limit, seed), _views_of(folder, encoder), seed)
    return protocol(*extracted.views[:2])


PROTOCOLS: dict[str, Callable[..., Evaluated | Healthy]] = {"knn": knn, "linear": linear, "health": health}
"""Protocol to function."""


def evaluate(protocol: str, run: PathText, **options: Any) -> Evaluated | Healthy:
    """Evaluate a run by `protocol`, a name in `PROTOCOLS`; `options` are that function's arguments.

    Raises:
        UserError: no such protocol or option, or whatever the protocol cannot do.
    """
    from unlabeled.errors import UserError
    from unlabeled.training.settings import completed

    if protocol not in PROTOCOLS:
        raise UserError(f"no protocol is called {protocol!r}; the protocols are {', '.join(PROTOCOLS)}.")
    function = PROTOCOLS[protocol]
    return function(run, **completed(function, "--", options, "run"))


def _labelled(
    name: str,
    protocol: Callable[["Features", "Features"], Any],
    run: PathText,
    data: Any,
    test: Any,
    labels: PathText | None,
    test_labels: PathText | None,
    seed: int,
) -> Evaluated:
    """Run a labelled protocol on the trained encoder, the random one and the raw input, on one split."""
    from unlabeled.commands.load import data_of, load, random_encoder
    from unlabeled.evaluation.raw import raw_features
    from unlabeled.evaluation.split import matched, split
    from unlabeled.run import Run

    folder = Run.open(run)
    trained = load(folder.path)
    train_samples, test_samples = data_of(folder, data, labels)
    if test is not None:
        test_samples = trained.modality.open(test, test_labels)
    if test_samples is not None:
        test_samples = matched(train_samples, test_samples)
    how: dict[str, Callable[[Any], Features]] = {
        "trained": trained.features,
        "random_encoder": random_encoder(folder).features,
        "raw_input": lambda samples: raw_features(samples, trained.modality.raw),
    }
    results = {}
    for which, features_of in how.items():
        train = features_of(train_samples)
        tested = None if test_samples is None else features_of(test_samples)
        results[which] = protocol(*split(train, tested, seed))
    details = {which: asdict(result) for which, result in results.items()}
    ours = details.pop("trained")
    result = Evaluated(
        protocol=name,
        run=str(folder.path),
        metric="accuracy",
        value=ours.pop("value"),
        interval=ours.pop("interval"),
        baselines={which: detail["value"] for which, detail in details.items()},
        n_train=ours.pop("n_train"),
        n_test=ours.pop("n_test"),
        seed=seed,
        split="a fifth of the data" if test_samples is None else "given",
        details=ours,
        baseline_details=details,
    )
    folder.keep_evaluation(name, result)
    return result


def _drawn(samples: Any, limit: int, seed: int) -> Any:
    """At most `limit` samples, drawn by the seed."""
    from unlabeled import chance
    from unlabeled.errors import UserError

    if limit < 2:
        raise UserError(f"--limit takes a number of at least 2, got {limit}.")
    if len(samples) <= limit:
        return samples
    drawn = chance.generator(seed, chance.SPLIT).choice(len(samples), limit, replace=False)
    drawn.sort()
    return samples.subset(drawn)


def _views_of(folder: "Run", encoder: "Encoder") -> Any:
    """The views that the run's method was trained on."""
    from unlabeled import methods
    from unlabeled.training.settings import called

    config, name = folder.config(), encoder.description["modality"]
    preset = getattr(methods.find(config["method"]), "views", {}).get(name, encoder.modality.views)
    return called(preset, "--views.", config["views"], size=encoder.size)
