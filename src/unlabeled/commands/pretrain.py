"""`unlabeled pretrain`: data without labels in, an encoder out."""

import math
import sys
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from unlabeled.run import Run
    from unlabeled.training.pretraining import Session
    from unlabeled.training.settings import Execution, Settings
    from unlabeled.training.watch import Watch

Precision = Literal["32-true", "64-true", "bf16-mixed"]


@dataclass(frozen=True)
class Pretrained:
    """A finished (or stopped) run; usable wherever a run's path is.

    Args:
        run: the folder.
        method: its name.
        modality: of the data.
        samples: how many there are.
        skipped: how many could not be read.
        epochs: whole passes over the data that were made.
        steps: that were made.
        seconds: of training, all calls together.
        samples_per_second: of this call.
        loss: mean over the last steps.
        health: label-free figures of the encoder on the data, those of `evaluate health`.
        finished: whether the run reached its last step.
        seed: of the run.
    """

    run: str
    method: str
    modality: str
    samples: int
    skipped: int
    epochs: int
    steps: int
    seconds: float
    samples_per_second: float
    loss: float
    health: dict[str, float] = field(default_factory=dict)
    finished: bool = True
    seed: int = 0

    def __fspath__(self) -> str:
        return self.run


def pretrain(
    method: str,
    data: Any = None,
    *,
    out: str | PathLike[str],
    labels: str | PathLike[str] | None = None,
    epochs: int = 100,
    max_steps: int | None = None,
    max_time: float | None = None,
    batch_size: int = 256,
    accumulate: int = 1,
    image_size: int | None = None,
    encoder: str | None = None,
    init: str | PathLike[str] | None = None,
    seed: int = 0,
    devices: int = 1,
    num_nodes: int = 1,
    precision: Precision = "32-true",
    order: Literal["shuffled", "by-class", "drift"] = "shuffled",
    classes_at_once: int = 1,
    shuffle_classes: bool = False,
    keep: int | None = None,
    workers: int | None = None,
    checkpoint_seconds: float = 60.0,
    compile: bool = False,
    tensorboard: bool = False,
    resume: bool = False,
    follow: bool = False,
    follow_idle: float | None = None,
    views: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
    **arguments: Any,
) -> Pretrained:
    """Learn an encoder from data without labels.

    Example: unlabeled pretrain simclr --data photos/ --out runs/photos --epochs 100

    Args:
        method: a name that `unlabeled methods` lists.
        data: a folder of pictures, .tar shards, parquet with pictures, an .npz or IDX file, torchvision:NAME:FOLDER; a
            folder of graphs in the TU collection's form, or networkx:atlas; a table of timed links, CSV or parquet;
            in Python also an array, a pair of arrays, a torch data set or a list of graphs. By default a small real
            sample that comes with the installation.
        out: the run folder to make.
        labels: a CSV with columns path,label, of timed links node,label; kept for evaluation, never seen by the method.
        epochs: passes over the data.
        max_steps: train for this many steps and no more; the learning rate falls to 0 there.
        max_time: stop after this many seconds, wherever training is; --resume goes on.
        batch_size: samples a step, over all processes.
        accumulate: make the batch of a step in so many equal parts, one after the other, and move by the mean of their
            gradients: memory of one part. Losses that compare samples (SimCLR's negatives) and batch norm then see
            the samples of a part only, as in a batch of that size; a loss that is a mean over samples is unchanged.
        image_size: side of the views in pixels; by default the pictures' own up to 64, else 96.
        encoder: a timm or torchvision model, or small_resnet, by default chosen by the size of the views; for graphs
            diffpool (the default) or flat; for timed links self_attention (the default) or node_table.
        init: a run or a .safetensors file whose weights the encoder starts from.
        seed: of everything drawn by chance.
        devices: processes on this machine, one a device; under torchrun leave it out.
        num_nodes: machines; start the command on each by torchrun (and leave this out) or SLURM.
        precision: of the arithmetic.
        order: shuffled; or as a stream whose labels decide the order alone: by-class, one class after the other for
            equally many steps, or drift, where neighbours blend. A stream is --max-steps long.
        classes_at_once: that a stream by class shows together.
        shuffle_classes: the classes of a stream come in an order drawn by the seed, and not by their names.
        keep: how often on the way, at even distances, the weights are kept in the run's folder kept, for looking
            back; by default as the method needs it.
        workers: processes that make views; 0 makes them in the training process; by default by the machine.
        checkpoint_seconds: time between checkpoints.
        compile: let torch.compile make the encoder's kernels; needs a C++ compiler, takes a minute or more at the
            start, changes results by rounding alone.
        tensorboard: write the figures of metrics.jsonl for TensorBoard too, in the run's folder tensorboard.
        resume: go on with the run at --out, with its own settings.
        follow: learn the pictures that appear in the folder --data, each once, in order of arrival, until --max-steps,
            --max-time, Ctrl-C or --follow-idle; one process.
        follow_idle: end after so many seconds without a new picture.
        views: arguments of the method's view preset.
        network: arguments of the encoder.
        arguments: the method's own.

    Returns:
        What `--json` prints.

    Raises:
        UserError: in one sentence, whatever of this cannot be done.
    """
    from unlabeled.commands.follow import followed
    from unlabeled.data.source import settled
    from unlabeled.errors import UserError
    from unlabeled.training.launching import processes
    from unlabeled.training.settings import MEMORY, Execution, Settings

    def place(path: str | PathLike[str] | None) -> str | None:
        return None if path is None else str(Path(path).absolute())

    named = data is None or isinstance(data, str | PathLike)
    asked = Settings(
        method=method,
        data=(None if data is None else settled(data)) if named else MEMORY,
        labels=place(labels),
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        accumulate=accumulate,
        image_size=image_size,
        encoder=encoder,
        init=place(init),
        seed=seed,
        precision=precision,
        order=order,
        classes_at_once=classes_at_once,
        shuffle_classes=shuffle_classes,
        keep=keep,
        views=views or {},
        network=network or {},
        arguments={name: place(value) if name in _paths(method) else value for name, value in arguments.items()},
    )
    execution = Execution(*processes(devices, num_nodes), workers, max_time, checkpoint_seconds, compile, tensorboard)
    if follow_idle is not None and not follow:
        raise UserError("--follow-idle is of --follow; give both, or leave it out.")
    if follow:
        return followed(asked, execution, Path(out), resume, follow_idle)
    session = _session(asked, execution, Path(out), resume, None if named else data)
    _announce(session)
    session.train()
    return _result(session)


def _session(asked: "Settings", execution: "Execution", out: Path, resume: bool, data: Any) -> "Session":
    """The training that was asked for, ready to begin or to go on.

    Args:
        asked: the settings.
        execution: how to execute.
        out: the run's folder.
        resume: go on with what is there.
        data: what was handed over in Python; None where the settings name it.

    Raises:
        UserError: whatever of this cannot be done.
    """
    from unlabeled import methods
    from unlabeled.data.source import recognise
    from unlabeled.errors import UserError
    from unlabeled.run import Run
    from unlabeled.training.pretraining import Session
    from unlabeled.training.settings import MEMORY, check

    if resume and (out / "arrivals.jsonl").exists():
        raise UserError(f"{out} follows a folder; add --follow to go on with it.")
    settings = asked.resumed(Run.open(out)) if resume else asked
    check(settings, execution)
    if data is None and settings.data == MEMORY:
        raise UserError(f"{out} was trained on data in memory; resume it from Python with the same data.")
    source = settings.data if data is None else data
    found = methods.find(settings.method)
    modality = methods.looks_at(found)[0] if source is None else recognise(source)
    if modality not in methods.looks_at(found):
        able = [name for name in methods.names() if modality in methods.looks_at(methods.find(name))]
        raise UserError(f"{settings.method} does not learn from {modality}; these do: {', '.join(able)}.")
    return Session(found, settings, execution, out, resume, source, modality)


def last_loss(run: "Run", watch: "Watch") -> float:
    """The last mean loss; of a run that had ended before, and has seen none in this call, as it was logged."""
    lines = run.metrics()
    return float(lines[-1]["loss"] if lines and math.isnan(watch.last_loss) else watch.last_loss)


def _paths(method: str) -> set[str]:
    """The arguments of a method and its data that are paths, kept so that they mean the same from any folder."""
    from unlabeled.methods import find, looks_at
    from unlabeled.modalities import MODALITIES

    hints = get_type_hints(find(method).__init__)  # type: ignore[misc]
    for name in looks_at(find(method)):
        hints |= get_type_hints(MODALITIES[name].open)
    return {name for name, hint in hints.items() if PathLike in {get_origin(each) or each for each in get_args(hint)}}


def _announce(session: "Session") -> None:
    """Say what is about to be trained on what, on the first process."""
    from unlabeled.data.source import describe
    from unlabeled.distributed import rank, world_size

    settings, loop = session.settings, session.loop
    if rank() == 0:
        parts = f" in {settings.accumulate} parts" if settings.accumulate > 1 else ""
        parts += f" by {world_size()} processes" if world_size() > 1 else ""
        listed = f", listed in {session.run.path / 'skipped.txt'}" if session.samples.skipped else ""
        print(f"{describe(session.samples)}{listed}", file=sys.stderr)
        print(
            f"{settings.method}: {settings.encoder}"
            f"{f' on views of {settings.image_size} pixels' if settings.image_size else ''}, "
            f"batch {settings.batch_size}{parts}, steps {loop.done} to {loop.budget.steps}, seed {settings.seed}",
            file=sys.stderr,
        )


def _result(session: "Session") -> Pretrained:
    """The run in figures; its health is measured over at most 2,000 samples, by all processes together."""
    from unlabeled.commands.health import Looks, health_of

    loop, samples, seed = session.loop, session.samples, session.settings.seed
    health = health_of(session.run, samples, Looks(limit=2000, seed=seed)).figures()
    return Pretrained(
        run=str(session.run.path),
        method=session.settings.method,
        modality=session.modality,
        samples=len(samples),
        skipped=len(session.run.skipped()),
        epochs=loop.done // (len(samples) // session.settings.batch_size),
        steps=loop.done,
        seconds=round(loop.seconds, 3),
        samples_per_second=round(loop.steps_per_second * session.settings.batch_size, 1),
        loss=last_loss(session.run, loop.watch),
        health=health,
        finished=loop.done >= loop.budget.steps,
        seed=seed,
    )
