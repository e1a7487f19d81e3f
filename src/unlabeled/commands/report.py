"""`unlabeled report`: a run as one page to look at."""

from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.reports.material import Facts, Material, Seen, Stream
    from unlabeled.run import Run

PathText = str | PathLike[str]
GENERATED = 16  # samples of each component
HEALTH = 2000  # samples that health is judged on where nobody has asked for it before


@dataclass(frozen=True)
class Reported:
    """The page that was written.

    Args:
        report: its path.
        bytes: its size.
        samples: of the data, 0 where the data is not there any more.
        mapped: how many of them are on the map.
        skipped: how many training left out.
        evaluations: the protocols on the page.
        notes: what is not on the page, and why.
    """

    report: str
    bytes: int
    samples: int
    mapped: int
    skipped: int
    evaluations: list[str]
    notes: list[str]


def report(
    run: PathText,
    data: Any = None,
    *,
    out: PathText | None = None,
    labels: PathText | None = None,
    limit: int = 10_000,
    overwrite: bool = False,
) -> Reported:
    """Write one HTML page that shows a run: settings, curves, evaluation, map, neighbours, views, what was skipped.

    The page is one file that needs no network. It shows the results that `evaluate` has kept with the run; where
    there is none, k-NN (with labels) and health are evaluated first. The same run gives the same page, byte for byte.

    Example: unlabeled report runs/photos

    Args:
        run: the run's folder.
        data: any samples; by default the run's own data.
        out: a file whose name ends in .html; by default report.html in the run's folder, which is written anew.
        labels: a CSV with columns path,label for the data.
        limit: at most this many samples on the map, drawn by the run's seed.
        overwrite: replace a file that is there already at --out.

    Raises:
        UserError: the run has no encoder, data that was given cannot be opened, or the file cannot be written there.
    """
    from unlabeled.commands.load import load
    from unlabeled.commands.output import new_file
    from unlabeled.errors import UserError
    from unlabeled.reports.page import page
    from unlabeled.run import Run
    from unlabeled.training.checkpoints import write_atomically

    if limit < 2:
        raise UserError(f"--limit takes a number of at least 2, got {limit}.")
    folder = Run.open(run)
    file = folder.path / "report.html" if out is None else new_file(out, (".html", ".htm"), overwrite)
    material = _material(folder, load(folder.path), data, labels, limit)
    content = page(material).encode()
    write_atomically(file, lambda beside: _write(beside, content))
    seen = material.seen
    absent = [seen] if isinstance(seen, str) else []
    plane = None if isinstance(seen, str) else seen.plane
    return Reported(
        report=str(file),
        bytes=len(content),
        samples=0 if isinstance(seen, str) else seen.samples,
        mapped=0 if plane is None else len(plane.names),
        skipped=len(material.skipped),
        evaluations=[each.protocol for each in material.comparisons] + [each.protocol for each in material.label_free],
        notes=material.notes + absent,
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _material(folder: "Run", encoder: "Encoder", data: Any, labels: PathText | None, limit: int) -> "Material":
    """Everything for the page, from the run's folder and from the data where that is there."""
    from unlabeled.commands.samples import data_of
    from unlabeled.data.source import describe
    from unlabeled.errors import UserError
    from unlabeled.reports.gathering import look
    from unlabeled.reports.material import Material
    from unlabeled.reports.results import comparison, label_free

    try:
        samples = data_of(folder, data, labels)[0]
    except UserError as problem:
        if data is not None or labels is not None:
            raise
        samples = None
        seen: Seen | str = f"The data is not there, so this cannot be shown: {problem}"
        described, place = "data that is not there any more", str(folder.config()["data"] or "the built-in sample")
    else:
        seen = look(_source(folder, encoder, samples), limit)
        described, place = describe(samples), samples.place
    results, notes = _results(folder, samples, data, labels, limit)
    strange = [each["protocol"] for each in results if not {"value", "figures"} & each.keys()]
    notes += [f"The result of {name} is of a form that this page does not show; see evaluations/." for name in strange]
    return Material(
        facts=_facts(folder, encoder, described, place),
        metrics=folder.metrics(),
        comparisons=[comparison(each) for each in results if "value" in each],
        label_free=[label_free(each) for each in results if "figures" in each],
        notes=notes,
        seen=seen,
        skipped=folder.skipped(),
        stream=_stream(folder, encoder, results),
    )


def _stream(folder: "Run", encoder: "Encoder", results: list[dict[str, Any]]) -> "Stream | None":
    """The components of a method that finds some, and what `evaluate stream` has kept about them."""
    from unlabeled.reports.components import strip
    from unlabeled.reports.material import Component, Stream

    module: Any = encoder.module
    if not hasattr(module, "mixture"):
        return None
    checkpoint = folder.checkpoint()
    births = {} if checkpoint is None else {each["component"]: each for each in checkpoint.memory.get("births", [])}
    found = []
    for number in range(int(module.mixture.active)):
        birth = births.get(number)
        causes = None if birth is None else strip(birth["pictures"].numpy())
        made = module.mixture.sample(number, GENERATED).mul(255).round().byte().cpu().numpy()
        facts = None if birth is None else {name: each for name, each in birth.items() if name != "pictures"}
        found.append(Component(number, facts, causes, strip(made)))
    kept = next((each for each in results if each["protocol"] == "stream"), {})
    return Stream(found, kept.get("steps", []), kept.get("classes", []), kept.get("per_class_over_time", []))


def _source(folder: "Run", encoder: "Encoder", samples: Any) -> Any:
    """The samples and all ways to look at them."""
    from unlabeled.commands.health import views_of
    from unlabeled.reports.gathering import Source

    return Source(
        samples=samples,
        represent=partial(encoder.features, labelled=False),
        views=views_of(folder, encoder),
        plain=encoder.view,
        thumbnail=encoder.modality.thumbnail,
        side=encoder.modality.side(encoder.size),
        inside=partial(encoder.modality.inside, getattr(encoder.module, "encoder", encoder.module)),
        shows=encoder.modality.shows,
        seed=folder.config()["seed"],
    )


def _results(
    folder: "Run", samples: Any, data: Any, labels: PathText | None, limit: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """What `evaluate` has kept of this encoder; where that is nothing, k-NN and health, evaluated now.

    Returns:
        Results as `--json` prints them, and a sentence for each that there cannot be.
    """
    from unlabeled.commands.evaluate import health, knn
    from unlabeled.errors import UserError
    from unlabeled.run import as_kept

    results, notes = folder.evaluations(), []
    if samples is None:
        return results, [] if results else ["Nothing was evaluated while the data was there."]
    if not any("value" in each and not each.get("layer") for each in results):
        if samples.labels is None:
            timed = folder.description()["modality"] == "temporal_graphs"
            how = "link-prediction RUN, or knn RUN --labels NODES.csv" if timed else "knn RUN --data PATH"
            notes.append(f"The data has no labels; evaluate what can be: unlabeled evaluate {how}.")
        elif len(samples) > limit:
            notes.append(f"The data has more than {limit:,} samples; evaluate them first: unlabeled evaluate knn RUN.")
        else:
            try:
                results.append(as_kept(knn(folder.path, data=data, labels=labels)))
            except UserError as problem:
                notes.append(f"k-NN is not there: {problem}")
    if not any(each["protocol"] == "health" and not each.get("layer") for each in results):
        try:
            results.append(as_kept(health(folder.path, data=data, limit=HEALTH)))
        except UserError as problem:
            notes.append(f"Health is not there: {problem}")
    return results, notes


def _facts(folder: "Run", encoder: "Encoder", described: str, place: str) -> "Facts":
    """What was trained on what."""
    from unlabeled.reports.material import Facts

    about, checkpoint = encoder.description, folder.checkpoint()
    return Facts(
        name=folder.path.resolve().name,
        modality=about["modality"],
        method=about["method"],
        encoder=about["encoder"],
        parameters=sum(each.numel() for each in encoder.module.parameters()),
        width=int(getattr(encoder.module, "width", 0)),
        data=described,
        place=place,
        steps=about["step"],
        seconds=None if checkpoint is None else checkpoint.seconds,
        config=folder.config(),
        environment=folder.environment(),
    )
