"""The file that a verb is asked to write: looked at before anything is computed."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from unlabeled.errors import UserError


def new_file(out: str | PathLike[str], endings: Sequence[str], overwrite: bool) -> Path:
    """A path that may be written to.

    Args:
        out: what was asked for with --out.
        endings: in small letters, one of which the name must have.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UserError: another ending, a file that is there, or no folder to put it in.
    """
    file = Path(out)
    if file.suffix.lower() not in endings:
        raise UserError(f"--out {file} has not the ending it needs; end it in {' or '.join(endings)}.")
    if file.exists() and not overwrite:
        raise UserError(f"{file} is there already; choose another --out, or add --overwrite.")
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent}; make it, or choose another --out.")
    return file
