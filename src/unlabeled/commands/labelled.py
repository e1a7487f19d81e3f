"""What the labelled protocols of `evaluate` share: one split, the trained encoder, and the baselines beside it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
class Pairs:
    """What a labelled protocol works on.

    Args:
        folder: the run.
        layer: where representations come from: 0 the encoder's output, k the projector's k-th layer.
        split: where the test samples come from.
        of: "trained", "random_encoder" and "raw_input" to a function that makes training and test features.
    """

    folder: "Run"
    layer: int
    split: str
    of: Mapping[str, Callable[[], tuple["Features", "Features"]]]

    def keep(self, name: str, metric: str, seed: int, details: dict[str, dict[str, Any]]) -> Evaluated:
        """The result of a protocol, kept with the run.

        Args:
            name: of the protocol.
            metric: what its value is.
            seed: of the split.
            details: all that it says, of "trained" and of each baseline.
        """
        baselines = {which: detail for which, detail in details.items() if which != "trained"}
        ours = details["trained"].copy()
        result = Evaluated(
            protocol=name,
            run=str(self.folder.path),
            metric=metric,
            value=ours.pop("value"),
            interval=ours.pop("interval"),
            baselines={which: detail["value"] for which, detail in baselines.items()},
            n_train=ours.pop("n_train"),
            n_test=ours.pop("n_test"),
            seed=seed,
            split=self.split,
            details=ours,
            baseline_details=baselines,
            layer=self.layer,
        )
        self.folder.keep_evaluation(kept_as(name, self.layer), result)
        return result


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

    def pairs(self) -> Pairs:
        """Training and test samples on one split, as the trained encoder, the random one and the raw input see them.

        Raises:
            UserError: there is no such run, data or layer.
        """
        from unlabeled.commands.load import data_of, load, random_encoder
        from unlabeled.evaluation.raw import raw_features
        from unlabeled.evaluation.split import split
        from unlabeled.run import Run

        folder = Run.open(self.run)
        trained = load(folder.path, self.layer)
        samples, tested = data_of(folder, self.data, self.labels)
        if self.test is not None:
            tested = trained.modality.open(self.test, self.test_labels)
        tested = _matched(samples, tested)

        def pair(features_of: Callable[[Any], "Features"]) -> tuple["Features", "Features"]:
            train = features_of(samples)
            test = train if tested is samples else None if tested is None else features_of(tested)
            return split(train, test, self.seed)

        how: dict[str, Callable[[Any], Features]] = {
            "trained": trained.features,
            "random_encoder": random_encoder(folder, self.layer).features,
            "raw_input": lambda samples: raw_features(samples, trained.modality.raw),
        }
        of = {which: partial(pair, features_of) for which, features_of in how.items()}
        return Pairs(folder, trained.layer, "a fifth of the data" if tested is None else "given", of)

    def evaluate(self, name: str, metric: str, protocol: Protocol, guess: Protocol | None = None) -> Evaluated:
        """Run a protocol on the trained encoder, on the random one and on the raw input, on one split.

        Args:
            name: of the protocol.
            metric: what its value is.
            protocol: called for each.
            guess: another baseline, `random_labels`, which does not look at embeddings.
        """
        pairs, results = self.pairs(), {}
        for which, features in pairs.of.items():
            pair = features()
            results[which] = protocol(*pair)
        if guess is not None:
            results["random_labels"] = guess(*pair)
        return pairs.keep(name, metric, self.seed, {which: asdict(result) for which, result in results.items()})


def kept_as(protocol: str, layer: int) -> str:
    """The name of a result among the run's evaluations: that of one layer does not take the place of another's."""
    return f"{protocol}-layer{layer}" if layer else protocol


def _matched(samples: Any, tested: Any) -> Any:
    """Test samples with the classes of the data; the data itself where they are the same, so that ids leave one out."""
    from unlabeled.evaluation.split import matched

    if tested is None:
        return None
    if tested.fingerprint() == samples.fingerprint():
        return samples
    return matched(samples, tested)
