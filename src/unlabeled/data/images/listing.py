"""Which files of a folder are its shards."""

import os
import re

from unlabeled.data.images.folder import SPLITS
from unlabeled.data.images.formats import EXTENSIONS, extension_of
from unlabeled.errors import UserError


def shard_files(folder: str, kind: re.Pattern[str]) -> list[str]:
    """The names of the shards directly in a folder that holds no pictures, sorted; of several parts, the training one.

    Args:
        folder: an absolute path.
        kind: what a shard's name matches.

    Raises:
        UserError: there are several parts of a data set (`SPLITS`), none of them for training.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if kind.search(name) and not name.startswith("."))  # noqa: PTH208
    except OSError:
        return []
    if not names or _holds_pictures(folder):
        return []
    parts: dict[str, list[str]] = {}
    for name in names:
        word = re.split(r"[^a-z]", name.lower(), maxsplit=1)[0]
        parts.setdefault(word if word in SPLITS else "", []).append(name)
    if len(parts) == 1:
        return names
    training = sorted([*parts.get("train", []), *parts.get("training", [])])
    if training:
        return training
    raise UserError(f"{folder!r} holds several parts of a data set; give one of its files, such as {names[0]!r}.")


def _holds_pictures(folder: str) -> bool:
    """Whether a file below a folder has a picture's extension."""
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(extension_of(name) in EXTENSIONS and not name.startswith(".") for name in names):
            return True
    return False
