"""A folder tree of picture files, or one such file."""

import hashlib
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unlabeled.data.images.collection import Images
from unlabeled.data.images.formats import EXTENSIONS, FOREIGN, UNKNOWN
from unlabeled.data.images.header import Look, look
from unlabeled.data.images.labels import Labels, number
from unlabeled.data.images.pixels import decode
from unlabeled.data.skipped import Skipped
from unlabeled.errors import Unreadable, UserError

SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))
"""Sub-folders of these names are parts of a data set, not classes."""

_THREADS = 8
_PORTION = 256  # files that a thread looks at before it asks for more
_JUNK = "__MACOSX"  # what a Mac's archiver leaves behind


class Files:
    """The reader of picture files.

    The names are one byte string, not Python strings: reading must not touch the reference counts of a long list,
    which would copy it into every forked worker.

    Args:
        root: the folder that the names are relative to.
        names: N names with forward slashes.
        looks: what a look at each file showed.
    """

    def __init__(self, root: str, names: list[str], looks: list[Look]) -> None:
        encoded = [name.encode() for name in names]
        self.root = root
        self.text = b"".join(encoded)
        self.ends = np.cumsum([0, *map(len, encoded)])
        self.sides = np.array([min(one.width, one.height) for one in looks], np.int64)
        self.stamps = np.array([(one.bytes, one.modified) for one in looks], "<i8")  # (N, 2)

    def name(self, row: int) -> str:
        """The name of a row."""
        return self.text[self.ends[row] : self.ends[row + 1]].decode()

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """See `Reader`."""
        name = self.name(row)
        try:
            return decode(os.path.join(self.root, name), at_least)  # noqa: PTH118, six times faster than Path
        except Unreadable as error:
            raise Unreadable(name, error.reason) from None

    def side(self, row: int) -> int:
        """See `Reader`."""
        return int(self.sides[row])

    def fingerprint(self, rows: np.ndarray) -> str:
        """See `Reader`: of names, lengths and times of change, as they were when the folder was opened."""
        digest = hashlib.blake2b(b"files", digest_size=16)
        for row in rows.tolist():
            digest.update(self.text[self.ends[row] : self.ends[row + 1]] + b"\0")
        digest.update(self.stamps[rows].tobytes())
        return digest.hexdigest()


@dataclass
class Walk:
    """What a walk through a folder found.

    Args:
        names: files that may be pictures, relative to the root, sorted by the characters of the name.
        skipped: what is left out, with reasons.
        ignored: the number of files that are no pictures.
    """

    names: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    ignored: int = 0


def open_folder(root: str) -> Images:
    """The pictures below a folder.

    Hidden files and folders (a leading dot) are passed over. A link to a folder is not followed; a link to a file
    outside the folder is refused. A picture is what has a picture's extension, or none and a picture's content. The
    first sub-folders are the classes where every readable picture lies in one, there are at least two, and they
    are not merely the parts of a data set (`SPLITS`).

    Args:
        root: an absolute path.

    Raises:
        UserError: the folder cannot be listed, or holds no readable picture.
    """
    walk = walk_folder(root)
    looks = look_at(root, walk.names)
    names, kept = [], []
    for name, one in zip(walk.names, looks, strict=True):
        if one.reason is None:
            names.append(name)
            kept.append(one)
        elif one.reason == UNKNOWN and not _extension(name):
            walk.ignored += 1
        else:
            walk.skipped.append(Skipped(name, one.reason))
    walk.skipped.sort()
    if not names:
        raise UserError(_nothing(root, walk))
    return Images(root, names, Files(root, names, kept), classes_of(names), walk.skipped, walk.ignored)


def open_picture(path: str) -> Images:
    """One picture file as a data set of one; `path` is absolute.

    Raises:
        UserError: it cannot be read.
    """
    root, name = os.path.split(path)
    seen = look(path)
    if seen.reason is not None:
        raise UserError(
            f"the picture {path!r} cannot be read ({seen.reason}); give another file or a folder of pictures."
        )
    return Images(path, [name], Files(root, [name], [seen]))


def open_pictures(paths: Sequence[str]) -> Images:
    """Picture files in the order given, as a data set without labels; the paths are absolute, and the names.

    Raises:
        UserError: none of them can be read.
    """
    looks = look_at("", paths)
    kept = [(path, one) for path, one in zip(paths, looks, strict=True) if one.reason is None]
    skipped = [Skipped(path, one.reason) for path, one in zip(paths, looks, strict=True) if one.reason is not None]
    if not kept:
        first = f", the first because: {skipped[0].reason}" if skipped else ""
        raise UserError(f"none of {len(paths)} pictures can be read{first}; give other files.")
    names = [path for path, _ in kept]
    return Images("a list of pictures", names, Files("", names, [one for _, one in kept]), None, skipped)


def classes_of(names: list[str]) -> Labels | None:
    """The first sub-folders as classes, by the rule of `open_folder`; None where there are none."""
    first = [name.split("/", 1)[0] if "/" in name else "" for name in names]
    used = set(first)
    if "" in used or len(used) < 2 or all(name.lower() in SPLITS for name in used):
        return None
    return number(first)


def look_at(root: str, names: Sequence[str]) -> list[Look]:
    """A look at each of the files, in order, by several threads (a disk or a network answers them side by side)."""

    def portion(start: int) -> list[Look]:
        return [look(os.path.join(root, name)) for name in names[start : start + _PORTION]]  # noqa: PTH118

    with ThreadPoolExecutor(_THREADS) as pool:
        return [one for part in pool.map(portion, range(0, len(names), _PORTION)) for one in part]


def walk_folder(root: str) -> Walk:
    """List a folder tree; no file is opened.

    Raises:
        UserError: the root cannot be listed.
    """
    walk, real, folders = Walk(), os.path.realpath(root), [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(f"{root}/{folder}") as entries:
                for entry in entries:
                    _sort_in(entry, folder, real, walk, folders)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            if not folder:
                raise UserError(
                    f"the folder {root!r} cannot be listed ({reason}); give one that you may read."
                ) from None
            walk.skipped.append(Skipped(folder.rstrip("/"), reason))
    walk.names.sort()
    return walk


def _sort_in(entry: os.DirEntry[str], folder: str, real: str, walk: Walk, folders: list[str]) -> None:
    """Decide what one entry of a folder is."""
    if entry.name.startswith(".") or entry.name == _JUNK:
        return
    name = folder + entry.name
    try:
        name.encode()
    except UnicodeEncodeError:
        walk.skipped.append(Skipped(os.fsencode(name).decode("utf-8", "backslashreplace"), "its name is not UTF-8"))
        return
    if entry.is_symlink():
        reason = _refused_link(entry.path, real, _extension(name))
        if reason:
            walk.skipped.append(Skipped(name, reason))
            return
    elif entry.is_dir(follow_symlinks=False):
        folders.append(name + "/")
        return
    extension = _extension(name)
    if extension in FOREIGN:
        walk.skipped.append(Skipped(name, f"pictures of the kind {extension} are not read: convert it to JPEG or PNG"))
    elif extension in EXTENSIONS or not extension:
        walk.names.append(name)
    else:
        walk.ignored += 1


def _refused_link(path: str, real: str, extension: str) -> str | None:
    """The reason to leave out a link that lies below the folder whose real path is `real`, or None."""
    target = os.path.realpath(path)
    try:
        mode = os.stat(target).st_mode  # noqa: PTH116
    except OSError:
        return "a link to nothing" if extension in EXTENSIONS else None
    if stat.S_ISDIR(mode):
        return "a link to a folder, which is not followed"
    if not target.startswith(real.rstrip(os.sep) + os.sep) and (extension in EXTENSIONS or not extension):
        return "a link out of the folder, which is refused"
    return None


def _extension(name: str) -> str:
    return Path(name).suffix.lower()


def _nothing(root: str, walk: Walk) -> str:
    if walk.skipped:
        count = f"{len(walk.skipped):,} {'was' if len(walk.skipped) == 1 else 'were'} skipped"
        return f"no readable picture in {root!r}: {count}, the first is {walk.skipped[0]}; give a folder of pictures."
    if walk.ignored:
        return f"no picture in {root!r}, only {walk.ignored:,} files of other kinds; give a folder of pictures."
    return f"no picture in {root!r}, it is empty; give a folder of pictures."
