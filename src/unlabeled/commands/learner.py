"""`unlabeled.learner`: a stream that has no end, in Python."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.training.learner import Learner
    from unlabeled.training.settings import Settings


def learner(
    method: str = "curl",
    *,
    out: str | PathLike[str],
    image_size: int | None = None,
    batch_size: int | None = None,
    encoder: str | None = None,
    seed: int = 0,
    precision: str = "32-true",
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    network: dict[str, Any] | None = None,
    **arguments: Any,
) -> "Learner":
    """A learner of a stream of pictures that has no end: `observe` batches, any number of times.

    For example::

        with unlabeled.learner("curl", out="runs/stream", image_size=28) as learner:
            for batch in camera:
                seen = learner.observe(batch)
                if seen.added:
                    print(f"component {seen.added.component} at step {seen.step}")

    It rehearses from a snapshot taken at every new component unless `snapshot_every` is given: there are no periods.

    Args:
        method: one that can: curl.
        out: the run folder to make, or with `resume` the one to go on with.
        image_size: side of the pictures as the network sees them; they are cut and scaled to it.
        batch_size: what most batches hold, by default 100; others may hold more or fewer.
        encoder: its name, by default the method's.
        seed: of everything drawn by chance.
        precision: of the arithmetic.
        checkpoint_seconds: time between checkpoints; what was learnt since the last is lost in a kill, and `batches`
            says where to go on.
        resume: go on with the run at `out`.
        network: arguments of the encoder.
        arguments: the method's own.

    Raises:
        UserError: in one sentence, whatever of this cannot be done.
    """
    from unlabeled.errors import UserError
    from unlabeled.training.learner import Learner
    from unlabeled.training.settings import MEMORY, Execution, Settings, check

    if image_size is None and not resume:
        raise UserError("a learner needs image_size, the side of the pictures in pixels, for it has seen none yet.")
    usual = Settings.batch_size if resume else 100  # the first says nothing of the run that goes on
    asked = Settings(
        method=method, data=MEMORY, batch_size=batch_size or usual, image_size=image_size, encoder=encoder, seed=seed,
        precision=precision, network=network or {}, arguments=arguments,
    )  # fmt: skip
    settings, found = endless(asked, out, resume)
    check(settings, Execution(checkpoint_seconds=checkpoint_seconds))
    return Learner(found, settings, Path(out), resume, checkpoint_seconds)


def endless(asked: "Settings", out: str | PathLike[str], resume: bool) -> "tuple[Settings, Any]":
    """The settings of a learner without an end, and its method.

    Raises:
        UserError: the method cannot, or what was asked for needs an end.
    """
    from dataclasses import replace

    from unlabeled import methods
    from unlabeled.errors import UserError
    from unlabeled.run import Run

    settings = asked.resumed(Run.open(out)) if resume else asked
    found: Any = methods.find(settings.method)
    if not hasattr(found, "endless"):
        able = [name for name in methods.names() if hasattr(methods.find(name), "endless")]
        raise UserError(f"{settings.method} does not learn from a stream without an end; these do: {', '.join(able)}.")
    encoder = settings.encoder or getattr(found, "encoders", {}).get("images")
    return replace(settings, encoder=encoder), found
