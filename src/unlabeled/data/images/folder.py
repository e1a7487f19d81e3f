"""A folder tree of picture files, or one such file."""

import hashlib
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from unlabeled.data.images.bulk import Looks, look_at_files, one_by_one
from unlabeled.data.images.collection import Images
from unlabeled.data.images.formats import (
    EXTENSIONS,
    FOREIGN,
    JUNK,
    NOT_REGULAR,
    NOT_UTF8,
    UNKNOWN,
    extension_of,
    foreign,
    is_utf8,
)
from unlabeled.data.images.header import Look, look
from unlabeled.data.images.labels import Labels, number
from unlabeled.data.images.names import Names
from unlabeled.data.images.pixels import decode
from unlabeled.data.skipped import Skipped
from unlabeled.errors import Unreadable, UserError

SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))
"""Sub-folders of these names are parts of a data set, not classes."""

_PLAIN = tuple(EXTENSIONS)  # as almost every file ends


class Files:
    """The reader of picture files.

    Args:
        root: the folder that the names are relative to.
        names: N names with forward slashes.
        sides: int64 (N,), the shorter side of each picture.
    """

    def __init__(self, root: str, names: Sequence[str], sides: np.ndarray) -> None:
        self.root, self.names, self.sides = root, Names(names), sides

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """See `Reader`."""
        name = self.names[row]
        try:
            return decode(os.path.join(self.root, name), at_least)  # noqa: PTH118, six times faster than Path
        except Unreadable as error:
            raise Unreadable(name, error.reason) from None

    def side(self, row: int) -> int:
        """See `Reader`."""
        return int(self.sides[row])

    def fingerprint(self, rows: np.ndarray) -> str:
        """See `Reader`: of names, lengths and times of change, as they are when first asked for."""
        digest = hashlib.blake2b(b"files", digest_size=16)
        digest.update(self.names.joined(rows))
        digest.update(self._stamps[rows].tobytes())
        return digest.hexdigest()

    @cached_property
    def _stamps(self) -> np.ndarray:
        """Length and time of change of every file, (N, 2)."""
        return stamps_of([os.path.join(self.root, self.names[row]) for row in range(len(self.names))])  # noqa: PTH118


def stamps_of(paths: Sequence[str]) -> np.ndarray:
    """Length in bytes and time of change in nanoseconds since 1970 of N files, (N, 2); -1 where one is not there."""
    stamps = np.full((len(paths), 2), -1, "<i8")
    for row, path in enumerate(paths):
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            continue
        stamps[row] = status.st_size, status.st_mtime_ns
    return stamps


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
    names, sides = _sift(root, walk)
    return Images(root, names, Files(root, names, sides), classes_of(names), walk.skipped, walk.ignored)


def open_labelled(root: str, labels: dict[str, str]) -> Images:
    """The picture files that are the keys of `labels`, sorted; "" is no label.

    Args:
        root: an absolute path.
        labels: name relative to the root → class.

    Raises:
        UserError: none of them can be read.
    """
    walk = Walk()
    for name in sorted(labels):
        if name.split("/")[0] == ".." or os.path.isabs(name):  # noqa: PTH117
            walk.skipped.append(Skipped(name, "a path out of the folder, which is refused"))
        else:
            walk.names.append(name)
    names, sides = _sift(root, walk)
    return Images(root, names, Files(root, names, sides), number([labels[name] for name in names]), walk.skipped)


def _sift(root: str, walk: Walk) -> tuple[list[str], np.ndarray]:
    """The names that can be read and the shorter sides of their pictures; the others are added to what is left out.

    Raises:
        UserError: there are none.
    """
    looks = look_at_files(root, walk.names)
    for row, reason in looks.reasons.items():
        name = walk.names[row]
        if reason == UNKNOWN and not extension_of(name):
            walk.ignored += 1
        else:
            walk.skipped.append(Skipped(name, reason))
    walk.skipped.sort()
    names = without(walk.names, looks.reasons)
    if not names:
        raise UserError(nothing(root, walk.skipped, walk.ignored))
    return names, readable(looks)


def without(names: Sequence[str], rows: Collection[int]) -> list[str]:
    """The names that are not in one of `rows`."""
    return [name for row, name in enumerate(names) if row not in rows] if rows else list(names)


def readable(looks: Looks) -> np.ndarray:
    """The shorter sides of those that can be read."""
    return np.delete(looks.sides, list(looks.reasons)) if looks.reasons else looks.sides


def open_picture(path: str) -> Images:
    """One picture file as a data set of one; `path` is absolute.

    Raises:
        UserError: it cannot be read.
    """
    root, name = os.path.split(path)
    seen = look(path) if is_utf8(name) else Look(NOT_UTF8)
    if seen.reason is not None:
        raise UserError(
            f"the picture {path!r} cannot be read ({seen.reason}); give another file or a folder of pictures."
        )
    return Images(path, [name], Files(root, [name], np.array([seen.side])))


def open_pictures(paths: Sequence[str]) -> Images:
    """Picture files in the order given, as a data set without labels; the paths are absolute, and the names.

    Raises:
        UserError: none of them can be read.
    """
    looks = one_by_one([look(path) if is_utf8(path) else Look(NOT_UTF8) for path in paths])
    skipped = [Skipped(_writable(paths[row]), reason) for row, reason in looks.reasons.items()]
    names = without(paths, looks.reasons)
    if not names:
        first = f", the first because: {skipped[0].reason}" if skipped else ""
        raise UserError(f"none of {len(paths)} pictures can be read{first}; give other files.")
    return Images("a list of pictures", names, Files("", names, readable(looks)), None, skipped)


def _writable(name: str) -> str:
    """A name that can be written down, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def classes_of(names: list[str]) -> Labels | None:
    """The first sub-folders as classes, by the rule of `open_folder`; None where there are none."""
    first = [name.split("/", 1)[0] if "/" in name else "" for name in names]
    used = set(first)
    if "" in used or len(used) < 2 or all(name.lower() in SPLITS for name in used):
        return None
    return number(first)


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
                    own = entry.name
                    if (
                        own.endswith(_PLAIN)
                        and own[0] != "."
                        and own.isascii()
                        and entry.is_file(follow_symlinks=False)
                    ):
                        walk.names.append(folder + own)  # what `_sort_in` would do with almost every file, in less time
                    else:
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
    own = entry.name
    if own[0] == "." or own == JUNK:
        return
    name = folder + own
    if not own.isascii() and not is_utf8(own):
        walk.skipped.append(Skipped(_writable(name), NOT_UTF8))
        return
    extension = extension_of(own)
    may_be_picture = extension in EXTENSIONS or not extension
    if not entry.is_file(follow_symlinks=False):
        if entry.is_dir(follow_symlinks=False):
            folders.append(name + "/")
            return
        reason = _refused(entry, real, may_be_picture)
        if reason:
            walk.skipped.append(Skipped(name, reason))
            return
    if may_be_picture:
        walk.names.append(name)
    elif extension in FOREIGN:
        walk.skipped.append(Skipped(name, foreign(extension)))
    else:
        walk.ignored += 1


def _refused(entry: os.DirEntry[str], real: str, may_be_picture: bool) -> str | None:
    """The reason to leave out what is neither a file nor a folder below the folder whose real path is `real`."""
    if not entry.is_symlink():
        return NOT_REGULAR if may_be_picture else None
    target = os.path.realpath(entry.path)
    try:
        mode = os.stat(target).st_mode  # noqa: PTH116
    except OSError:
        return "a link to nothing" if extension_of(entry.name) in EXTENSIONS else None
    if stat.S_ISDIR(mode):
        return "a link to a folder, which is not followed"
    if not may_be_picture:
        return None
    if not target.startswith(real.rstrip(os.sep) + os.sep):
        return "a link out of the folder, which is refused"
    return None if stat.S_ISREG(mode) else NOT_REGULAR


def nothing(place: str, skipped: Sequence[Skipped], ignored: int) -> str:
    """The sentence for a place without a readable picture."""
    if skipped:
        count = f"{len(skipped):,} {'was' if len(skipped) == 1 else 'were'} skipped"
        return f"no readable picture in {place!r}: {count}, the first is {skipped[0]}; give a folder of pictures."
    if ignored:
        return f"no picture in {place!r}, only {ignored:,} files of other kinds; give a folder of pictures."
    return f"no picture in {place!r}, it is empty; give a folder of pictures."
