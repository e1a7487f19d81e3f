"""`unlabeled pretrain --follow`: a folder's pictures, learnt as they arrive."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unlabeled.commands.pretrain import Pretrained
    from unlabeled.training.learner import Observed
    from unlabeled.training.settings import Execution, Settings


def followed(asked: "Settings", execution: "Execution", out: Path, resume: bool, idle: float | None) -> "Pretrained":
    """Learn a folder's pictures as they arrive.

    Args:
        asked: the settings, whose `max_steps` is where it ends.
        execution: how to execute.
        out: the run's folder.
        resume: go on with what is there.
        idle: seconds without a new picture after which it ends; None: never.

    Raises:
        UserError: no folder to watch, or a flag that it has no use for.
    """
    from unlabeled.commands.learner import endless
    from unlabeled.commands.pretrain import Pretrained, last_loss
    from unlabeled.errors import UserError
    from unlabeled.run import Run
    from unlabeled.training.following import Follower, first_size
    from unlabeled.training.learner import Learner
    from unlabeled.training.settings import check

    _refuse_ends(asked, execution)
    steps, asked = asked.max_steps, replace(asked, max_steps=None)
    settings, found = endless(asked, out, resume)
    if settings.data is None or not Path(settings.data).is_dir():
        raise UserError("--follow needs the folder that is watched as --data.")
    folder = Path(settings.data)
    longest = min((each for each in (idle, execution.max_time) if each is not None), default=None)
    if settings.image_size is None:
        settings = replace(settings, image_size=first_size(folder, longest))
    check(settings, execution)
    learner = Learner(found, settings, out, resume, execution.checkpoint_seconds)
    print(f"{settings.method}: following {folder}, from batch {learner.batches} on", file=sys.stderr)
    follower = Follower(learner, folder, idle, steps, execution.max_time, _tell)
    follower.run()
    names = {name for batch in follower.journal.batches[: learner.batches] for name in batch}
    return Pretrained(
        run=str(out),
        method=settings.method,
        modality="images",
        samples=len(names),
        skipped=len(Run(out).skipped()),
        epochs=0,
        steps=learner.loop.done,
        seconds=round(learner.loop.seconds, 3),
        samples_per_second=round(len(names) / max(learner.loop.seconds, 1e-9), 1),
        loss=last_loss(learner.run, learner.loop.watch),
        finished=steps is None or learner.loop.done >= steps,
        seed=settings.seed,
    )


def _refuse_ends(asked: "Settings", execution: "Execution") -> None:
    """Refuse what a folder that is followed has no use for.

    Raises:
        UserError: the flag.
    """
    from unlabeled.errors import UserError
    from unlabeled.training.settings import Execution, Settings

    usual, plain = Settings(asked.method), Execution()
    names = "order", "classes_at_once", "shuffle_classes", "epochs", "labels", "keep", "accumulate"
    wrong = [name for name in names if getattr(asked, name) != getattr(usual, name)]
    wrong += [name for name in ("devices", "num_nodes", "workers", "compile", "tensorboard")
              if getattr(execution, name) != getattr(plain, name)]  # fmt: skip
    if wrong:
        raise UserError(
            f"--follow learns in order of arrival, in one process, without labels or end, and has no use for "
            f"--{wrong[0].replace('_', '-')}; leave it out."
        )


def _tell(observed: "Observed") -> None:
    """Say when and why there is a new component."""
    added = observed.added
    if added is not None:
        print(
            f"step {observed.step}: component {added.component}, for {added.poor} samples at {added.bound:.1f} nats, "
            f"most of which component {added.source} had explained",
            file=sys.stderr,
        )
