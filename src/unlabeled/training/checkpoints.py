"""Checkpoints: all that a run needs to go on with the same bits, written beside and renamed."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from unlabeled.errors import UserError


@dataclass
class Checkpoint:
    """The state of a run after `step` steps.

    Args:
        step: steps done.
        method: the method's `state_dict`, with all that it keeps (queue, label table, components).
        optimizer: the optimiser's `state_dict`.
        data: the fingerprint of the data, which must not have changed.
        seconds: training time so far.
        memory: what the method remembers beside its weights, tensors and plain values; see `method.Remembers`.
    """

    step: int
    method: dict[str, Any]
    optimizer: dict[str, Any]
    data: str
    seconds: float
    memory: dict[str, Any] = field(default_factory=dict)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file beside `path`, flush it to disk and rename it: `path` is whole before and after.

    Raises:
        OSError: the file could not be written; the previous one is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.touch()
        mode = beside.stat().st_mode  # of a new file here; some libraries leave theirs readable by its owner alone
        write(beside)
        beside.chmod(mode)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a kill at any moment leaves the previous one whole."""
    write_atomically(path, lambda beside: torch.save(vars(checkpoint), beside))


def load(path: Path) -> Checkpoint | None:
    """Read a checkpoint, tensors and plain values only; None where there is none.

    Raises:
        UserError: the file is damaged or holds anything else.
    """
    if not path.exists():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception:  # whatever the unpickler met: the file is not ours to trust
        raise UserError(f"{path} is not a checkpoint of this library; delete it to start the run again.") from None
