"""What the labelled protocols of `evaluate` share: one split, the trained encoder, and the baselines beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.features import Features
    from unlabeled.run import Run

PathText = str | PathLike[str]
Protocol = Callable[["Features", "Features"], Any]
"""Training and test features to a dataclass with `value`, `interval`, `n_train`, `n_test` and all else it says."""


@dataclass(frozen=True)
class Evaluated:
    """One protocol's number, with its baselines.

    Args:
        protocol: its name.
        run: the folder.
        metric: what `value` is.
        value: on the test samples.
        interval: 95 %, over test samples.
        baselines: the same number for a random encoder of the same architecture, for the raw input, and for any
            other level of chance that the protocol has.
        n_train: samples with labels that the protocol learnt from.
        n_test: samples that it was tested on.
        seed: of the split.
        split: where the test samples come from.
        details: all else that the protocol says.
        baseline_details: the same for each baseline.
        layer: where the representations come from: 0 the encoder's output, k the k-th layer of its projector.
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
    layer: int = 0


@dataclass(frozen=True)
class Labelled:
    """What a labelled protocol is asked about.

    Args:
        run: the run's folder.
        data: labelled samples; by default the run's own.
        test: labelled samples to test on; by default a part of the data.
        labels: a CSV for the data.
        test_labels: the same for the test samples.
        seed: of the split.
        layer: where representations come from, as `--layer` has it: -1 is the projector's last.
    """

    run: PathText
    data: Any
    test: Any
    labels: PathText | None
    test_labels: PathText | None
    seed: int
    layer: int = 0

    def evaluate(self, name: str, metric: str, protocol: Protocol, guess: Protocol | None = None) -> Evaluated:
        """Run a protocol on the trained encoder, on the random one and on the raw input, on one split.

        Args:
            name: of the protocol.
            metric: what its value is.
            protocol: called for each.
            guess: another baseline, `random_labels`, which does not look at embeddings.
        """
        from unlabeled.evaluation.raw import raw_features
        from unlabeled.evaluation.split import split

        opened = self.opened()
        how: dict[str, Callable[[Any], Features]] = {
            "trained": opened.trained.features,
            "random_encoder": opened.random.features,
            "raw_input": lambda samples: raw_features(samples, opened.trained.modality.raw),
        }
        results = {}
        for which, features_of in how.items():
            pair = split(*opened.features(features_of), self.seed)
            results[which] = protocol(*pair)
        if guess is not None:
            results["random_labels"] = guess(*pair)
        return kept(opened.folder, name, metric, results, self.seed, opened.split, opened.trained.layer)

    def opened(self) -> "Opened":
        """Everything that the flags name.

        Raises:
            UserError: whatever of it cannot be opened.
        """
        from unlabeled.commands.load import data_of, load, random_encoder
        from unlabeled.run import Run

        folder = Run.open(self.run)
        trained = load(folder.path, self.layer)
        samples, tested = data_of(folder, self.data, self.labels)
        if self.test is not None:
            tested = trained.modality.open(self.test, self.test_labels)
        return Opened(folder, trained, random_encoder(folder, self.layer), samples, same_classes(samples, tested))


@dataclass(frozen=True)
class Opened:
    """What a labelled protocol works on.

    Args:
        folder: the run.
        trained: its encoder.
        random: the same network before training.
        samples: labelled.
        tested: labelled test samples, with the classes of `samples`; None where a part of `samples` is tested on.
    """

    folder: "Run"
    trained: "Encoder"
    random: "Encoder"
    samples: Any
    tested: Any

    @property
    def split(self) -> str:
        """Where the test samples come from."""
        return "a fifth of the data" if self.tested is None else "given"

    def features(self, features_of: Callable[[Any], "Features"]) -> "tuple[Features, Features | None]":
        """Those of the samples and of the test samples, each made once."""
        train = features_of(self.samples)
        if self.tested is None:
            return train, None
        return train, train if self.tested is self.samples else features_of(self.tested)


def kept(
    folder: "Run", name: str, metric: str, results: dict[str, Any], seed: int, split: str, layer: int = 0
) -> Evaluated:
    """The result of a protocol, kept with the run in place of the one before.

    Args:
        folder: the run.
        name: of the protocol.
        metric: what its value is.
        results: dataclasses with `value`, `interval`, `n_train`, `n_test` and all else that the protocol says:
            "trained", and each baseline by its name.
        seed: of the split.
        split: where the test samples come from.
        layer: where the representations come from.
    """
    details = {which: asdict(result) for which, result in results.items()}
    ours = details.pop("trained")
    result = Evaluated(
        protocol=name,
        run=str(folder.path),
        metric=metric,
        value=ours.pop("value"),
        interval=ours.pop("interval"),
        baselines={which: detail["value"] for which, detail in details.items()},
        n_train=ours.pop("n_train"),
        n_test=ours.pop("n_test"),
        seed=seed,
        split=split,
        details=ours,
        baseline_details=details,
        layer=layer,
    )
    folder.keep_evaluation(kept_as(name, layer), result)
    return result


def kept_as(protocol: str, layer: int) -> str:
    """The name of a result among the run's evaluations: that of one layer does not take the place of another's."""
    return f"{protocol}-layer{layer}" if layer else protocol


def same_classes(samples: Any, tested: Any) -> Any:
    """Test samples with the classes of the data; the data itself where they are the same, so that ids leave one out."""
    from unlabeled.evaluation.split import matched

    if tested is None:
        return None
    if tested.fingerprint() == samples.fingerprint():
        return samples
    return matched(samples, tested)
