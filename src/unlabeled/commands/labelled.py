"""What the labelled protocols of `evaluate` share: one split, the trained encoder, and the baselines beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.sanity import Sanity
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
        sanity: the trained encoder's representations of the data at a glance.
        test_sanity: those of the test samples, where these are other data.
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
    sanity: "Sanity | None" = None
    test_sanity: "Sanity | None" = None


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
        devices: processes on this machine that share the work.
    """

    run: PathText
    data: Any
    test: Any
    labels: PathText | None
    test_labels: PathText | None
    seed: int
    layer: int = 0
    devices: int = 1

    def evaluate(self, name: str, metric: str, protocol: Protocol, guess: Protocol | None = None) -> Evaluated:
        """Run a protocol on the trained encoder, on the random one and on the raw input, on one split.

        Args:
            name: of the protocol.
            metric: what its value is.
            protocol: called for each.
            guess: another baseline, `random_labels`, which does not look at embeddings.
        """
        opened = self.opened()
        results = {}
        for which, features_of in opened.ways().items():
            pair = opened.pair(features_of, self.seed)
            results[which] = protocol(*pair)
        if guess is not None:
            results["random_labels"] = guess(*pair)
        return kept(opened.folder, name, metric, results, self.seed, opened.split, opened)

    def opened(self) -> "Opened":
        """Everything that the flags name.

        Raises:
            UserError: whatever of it cannot be opened.
        """
        from unlabeled.commands.load import load, random_encoder
        from unlabeled.commands.samples import data_of, tested_of
        from unlabeled.errors import in_range
        from unlabeled.evaluation.split import matched
        from unlabeled.run import Run
        from unlabeled.training.launching import join

        in_range(seed=(self.seed, 0))
        folder = Run.open(self.run)
        join(self.devices)
        trained = load(folder.path, self.layer)
        samples, tested = data_of(folder, self.data, self.labels)
        tested = tested_of(trained, self.test, self.test_labels, tested)
        tested = None if tested is None else matched(samples, tested)
        return Opened(folder, trained, random_encoder(folder, self.layer), samples, tested)


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

    def ways(self) -> "dict[str, Callable[[Any], Features]]":
        """How the trained encoder and each baseline turn samples into features."""
        from unlabeled.evaluation.raw import raw_features

        return {
            "trained": self.trained.features,
            "random_encoder": self.random.features,
            "raw_input": lambda samples: raw_features(samples, self.trained.raw),
        }

    def pair(self, features_of: Callable[[Any], "Features"], seed: int) -> "tuple[Features, Features]":
        """The rows to learn from and the rows to test on, of one way to make features."""
        from unlabeled.evaluation.split import pair_of

        return pair_of(features_of, self.samples, self.tested, seed)


def kept(
    folder: "Run",
    name: str,
    metric: str,
    results: dict[str, Any],
    seed: int,
    split: str,
    opened: Opened | None = None,
    layer: int = 0,
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
        opened: what it worked on, where that was one data set, so that its representations are told at a glance.
        layer: where the representations come from, where it was not.
    """
    details = {which: asdict(result) for which, result in results.items()}
    ours = details.pop("trained")
    layer = layer if opened is None else opened.trained.layer
    several = opened is not None and opened.tested is not None and opened.tested is not opened.samples
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
        sanity=None if opened is None else _sanity(opened.trained, opened.samples),
        test_sanity=_sanity(opened.trained, opened.tested) if opened is not None and several else None,
    )
    folder.keep_evaluation(kept_as(name, layer), result)
    return result


def _sanity(encoder: "Encoder", samples: Any) -> "Sanity":
    from unlabeled.evaluation.sanity import sanity

    features = encoder.features(samples)
    return sanity(features.embeddings, features.labels)


def kept_as(protocol: str, layer: int) -> str:
    """The name of a result among the run's evaluations: that of one layer does not take the place of another's."""
    return f"{protocol}-layer{layer}" if layer else protocol
