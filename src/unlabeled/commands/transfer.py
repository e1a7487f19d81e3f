"""`unlabeled evaluate transfer`: one encoder on many labelled sources, beside others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from unlabeled.commands.labelled import Evaluated, Opened, PathText, kept
from unlabeled.data.images.named import is_named
from unlabeled.errors import UserError

if TYPE_CHECKING:
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.transfer import OnSource


@dataclass(frozen=True)
class Source:
    """One labelled source: an entry of a `--data` list in YAML.

    Args:
        data: labelled samples; None for the run's own.
        test: labelled samples to test on; None for a fifth of the data.
        name: by default the last part of the path.
        labels: a CSV for the data.
        test_labels: the same for the test samples.
        metric: "accuracy", or "per_class" for the mean of the classes' accuracies.
    """

    data: Any
    test: Any = None
    name: str = ""
    labels: str | None = None
    test_labels: str | None = None
    metric: str = "accuracy"


def transfer(
    run: PathText,
    *,
    data: tuple[str, ...] = (),
    test: tuple[str, ...] = (),
    metric: Literal["accuracy", "per_class"] = "accuracy",
    against: PathText | None = None,
    layer: int = 0,
    seed: int = 0,
) -> Evaluated:
    """Fit a linear classifier on each of many labelled sources, and test whether it beats others on the same samples.

    The encoder stays as it is and nothing is augmented; each source's penalty is chosen on a tenth of its training
    samples. Beside it stand the same network before training, the raw input, and the run of --against; on each
    source a paired test says whether the difference is more than chance: p above 0.05 is a tie.

    Examples:
      unlabeled evaluate transfer runs/photos --data food/train pets/train --test food/test pets/test
      unlabeled evaluate transfer runs/photos --data sources.yaml --against runs/other

    Args:
        run: the run's folder.
        data: labelled sources (class = first sub-folder), or one YAML file with a list of them, each with data and
            perhaps test, name, labels, test_labels, metric; by default the run's own data.
        test: labelled samples to test on, one for each source in the same order, - for a fifth of that source.
        metric: what each source is judged by; both are shown.
        against: another run.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last;
            of --against too.
        seed: of the splits, of the validation samples and of the exchanges.
    """
    from unlabeled.commands.load import load, random_encoder
    from unlabeled.commands.samples import data_of, tested_of
    from unlabeled.evaluation.raw import raw_features
    from unlabeled.evaluation.split import matched
    from unlabeled.evaluation.transfer import summed
    from unlabeled.run import Run

    folder, sources = Run.open(run), sources_of(data, test, metric)
    trained, random = load(folder.path, layer), random_encoder(folder, layer)
    ways: dict[str, Callable[[Any], Features]] = {
        "trained": trained.features,
        "random_encoder": random.features,
        "raw_input": lambda samples: raw_features(samples, trained.raw),
    }
    if against is not None:
        other = load(against, layer)
        if other.modality is not trained.modality:
            raise UserError(f"{against} was trained on another kind of data than {run}, so they cannot be compared.")
        ways["against"] = other.features
    found: dict[str, list[OnSource]] = {which: [] for which in ways}
    for source in sources:
        samples, tested = data_of(folder, source.data, source.labels)
        tested = tested_of(trained, source.test, source.test_labels, tested)
        opened = Opened(folder, trained, random, samples, None if tested is None else matched(samples, tested))
        for which, each in _beside(source, opened, ways, seed).items():
            found[which].append(each)
    results = {which: summed(records, seed) for which, records in found.items()}
    tests = "given" if all(source.test is not None for source in sources) else "given, or a fifth of the data"
    return kept(folder, "transfer", "mean_over_sources", results, seed, tests, layer=trained.layer)


def _beside(
    source: Source, opened: Opened, ways: "dict[str, Callable[[Any], Features]]", seed: int
) -> "dict[str, OnSource]":
    """Every encoder on one source, those beside ours with the paired test."""
    from unlabeled.evaluation.transfer import answers, compared

    given = {}
    for which, features_of in ways.items():
        given[which] = answers(source.name, source.metric, *opened.pair(features_of, seed), seed)
    ours = given.pop("trained")
    beside = {which: replace(each.found, against=compared(ours, each, seed)) for which, each in given.items()}
    return {"trained": ours.found} | beside


def sources_of(data: Sequence[Any], test: Sequence[Any], metric: str) -> list[Source]:
    """What `--data`, `--test` and `--metric` name: at least one source, each by a name of its own.

    Raises:
        UserError: another number of test samples than of sources, or a list that cannot be read.
    """
    if len(data) == 1 and _is_list(data[0]):
        if test:
            raise UserError("a list of sources names their test samples itself; leave out --test.")
        return _named(_listed(Path(data[0])))
    if test and len(test) != max(1, len(data)):
        raise UserError(
            f"--test names {len(test)} and --data {len(data)} sources; give one for each in the same order, - for a "
            "fifth of that source."
        )
    sources = data or (None,)
    tests = [None if isinstance(each, str) and each == "-" else each for each in test] or [None] * len(sources)
    return _named([Source(each, tested, metric=metric) for each, tested in zip(sources, tests, strict=True)])


def _is_list(source: Any) -> bool:
    return isinstance(source, str | PathLike) and Path(source).suffix.lower() in (".yaml", ".yml")


def _listed(path: Path) -> list[Source]:
    """The sources of a YAML file, whose paths are taken from the folder that it is in."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        entries = None
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path} holds no list of sources; write one entry a source: - data: PATH.")
    known = [field.name for field in fields(Source)]
    for entry in entries:
        if not isinstance(entry, dict) or "data" not in entry or not all(isinstance(v, str) for v in entry.values()):
            raise UserError(
                f"an entry of {path} names no data: {entry!r}; write - data: PATH, and beside it {known[1:]}."
            )
        for name in entry.keys() - set(known):
            raise UserError(f"an entry of {path} has {name!r}, which is none of {', '.join(known)}.")
    return [Source(**{name: _placed(name, value, path.parent) for name, value in entry.items()}) for entry in entries]


def _placed(name: str, value: str, folder: Path) -> str:
    """A path as seen from the list's folder; a name, a metric or the name of a data set as it is."""
    return value if name in ("name", "metric") or is_named(value) else str(folder / value)


def _named(sources: list[Source]) -> list[Source]:
    """The same with names: the last part of the path, or all of it where two are alike."""
    last = [source.name or _text(source.data, whole=False) for source in sources]
    names = [
        source.name or (name if last.count(name) == 1 else _text(source.data, whole=True))
        for source, name in zip(sources, last, strict=True)
    ]
    return [replace(source, name=name) for source, name in zip(sources, names, strict=True)]


def _text(data: Any, whole: bool) -> str:
    if data is None:
        return "the run's data"
    if not isinstance(data, str | PathLike):
        return "data in memory"
    return fspath(data) if whole or is_named(data) else Path(data).name or fspath(data)
