"""The file or folder that a verb is asked to write: looked at before anything is computed."""

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


def new_folder(asked: str | PathLike[str], flag: str, overwrite: bool) -> Path:
    """A folder that files may be written to; it is not made yet.

    Args:
        asked: what was asked for.
        flag: the flag it was asked for with.
        overwrite: whether files that are there may be replaced.

    Raises:
        UserError: something else of that name, files that are there, or no folder to make it in.
    """
    folder = Path(asked)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{flag} {folder} is no folder; give another.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder} holds files already; choose another {flag}, or add --overwrite.")
    if not folder.parent.is_dir():
        raise UserError(f"there is no folder {folder.parent}; make it, or choose another {flag}.")
    return folder
