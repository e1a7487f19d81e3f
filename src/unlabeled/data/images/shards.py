"""WebDataset shards: `.tar` files whose members of one key are one sample."""

import hashlib
import io
import json
import os
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from unlabeled.data.images.bulk import Looks, in_portions, one_by_one
from unlabeled.data.images.collection import Images
from unlabeled.data.images.folder import classes_of, nothing, readable, stamps_of, without
from unlabeled.data.images.formats import EXTENSIONS, FOREIGN, JUNK, UNKNOWN, extension_of, foreign
from unlabeled.data.images.header import fetch_from, look_at_part
from unlabeled.data.images.labels import UNLABELLED, WHOLE, Labels, number
from unlabeled.data.images.names import Names
from unlabeled.data.images.pixels import TRUNCATED, decode_bytes, reason_of
from unlabeled.data.images.tar import Damaged, Member, members
from unlabeled.data.skipped import Skipped
from unlabeled.errors import Unreadable, UserError

TAR = re.compile(r"\.(tar(\.(gz|bz2|xz|zst|lz4))?|tgz|tbz2?|txz)$", re.IGNORECASE)
"""Names of tar files, packed ones with them: those are refused by a sentence of their own."""

_PACKED = re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18")
_LABEL = 1 << 20  # bytes of a .json file that are read for its label
_NO_NUMBER = "no whole number, so that its picture is unlabelled"


class Shards:
    """The reader of pictures inside tar files. Nothing is kept open: safe for threads, forks and other processes.

    Args:
        paths: the tar files.
        names: N names.
        places: int64 (N, 3): number of the tar file, first byte of the picture in it, number of bytes.
        sides: int64 (N,), the shorter side of each picture.
    """

    def __init__(self, paths: Sequence[str], names: Sequence[str], places: np.ndarray, sides: np.ndarray) -> None:
        self.paths, self.names, self.places, self.sides = list(paths), Names(names), places, sides

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """See `Reader`."""
        name, (shard, start, length) = self.names[row], self.places[row].tolist()
        try:
            with open(self.paths[shard], "rb", buffering=0) as file:  # noqa: PTH123
                content = fetch_from(file, start)(0, length)
        except Exception as error:
            raise Unreadable(name, reason_of(error)) from None
        if len(content) < length:
            raise Unreadable(name, TRUNCATED)
        return decode_bytes(content, name, at_least)

    def side(self, row: int) -> int:
        """See `Reader`."""
        return int(self.sides[row])

    def fingerprint(self, rows: np.ndarray) -> str:
        """See `Reader`: of names and places, and of each shard's length and time of change when first asked for."""
        digest = hashlib.blake2b(b"shards", digest_size=16)
        digest.update(self.names.joined(rows))
        digest.update(self._stamps[self.places[rows, 0]].tobytes())
        digest.update(self.places[rows, 1:].astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def _stamps(self) -> np.ndarray:
        return stamps_of(self.paths)


def is_tar(path: str) -> bool:
    """Whether a regular file is a tar file, by its name or its first bytes."""
    if TAR.search(path):
        return True
    try:
        with Path(path).open("rb") as file:
            return file.read(262)[257:] == b"ustar"
    except OSError:
        return False


@dataclass
class _Index:
    """What the shards hold. Arrays, so that a million members stay small.

    Args:
        names: of pictures, or what may be pictures; below the root.
        places: three numbers each, as `Shards` has them.
        labels: of each picture, or None.
        skipped: what is left out, with reasons.
        ignored: the number of members that are neither pictures nor labels.
    """

    names: list[str] = field(default_factory=list)
    places: "array[int]" = field(default_factory=lambda: array("q"))
    labels: list[str | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    ignored: int = 0


def open_shards(paths: Sequence[str], prefixes: Sequence[str], place: str) -> Images:
    """The pictures of tar files in the order of shards and keys.

    A sample is the members that share a key: the path up to the first dot of the last part. Its picture is the member
    with a picture's extension, else one with none and a picture's content; of several, the one with the fewest dots in
    its extension and the first name. Its label is the whole number in its `.cls`, else `label` or `class` in its
    `.json`; where no picture has either, the first folders in the shards are the classes by the rule of `open_folder`.
    Hidden members are passed over. Nothing is ever unpacked to disk.

    Args:
        paths: the tar files, absolute.
        prefixes: what stands before the names of each one's members.
        place: what the user gave.

    Raises:
        UserError: a file that is packed, or no readable picture in any.
    """
    index = _Index()
    for shard, (path, prefix) in enumerate(zip(paths, prefixes, strict=True)):
        _add(index, shard, path, prefix)
    places = np.array(index.places, np.int64).reshape(-1, 3)
    looks = _look_at(paths, places)
    for row, reason in looks.reasons.items():
        if reason == UNKNOWN and not extension_of(index.names[row]):
            index.ignored += 1
        else:
            index.skipped.append(Skipped(index.names[row], reason))
    index.skipped.sort()
    names = without(index.names, looks.reasons)
    if not names:
        raise UserError(nothing(place, index.skipped, index.ignored))
    kept = np.delete(places, list(looks.reasons), axis=0)
    labels = [label for row, label in enumerate(index.labels) if row not in looks.reasons]
    reader = Shards(paths, names, kept, readable(looks))
    answers = _answers(names, labels, [len(prefixes[shard]) for shard in kept[:, 0].tolist()])
    return Images(place, names, reader, answers, index.skipped, index.ignored)


def _answers(names: list[str], labels: list[str | None], prefixed: list[int]) -> Labels | None:
    if any(label is not None for label in labels):
        return number(labels)
    return classes_of([name[length:] for name, length in zip(names, prefixed, strict=True)])


def _add(index: _Index, shard: int, path: str, prefix: str) -> None:
    """Add what one tar file holds."""
    found: list[tuple[str, int, str, int, int]] = []  # key, oddness of the extension, name, start, length
    by_class: dict[str, str] = {}
    by_json: dict[str, str] = {}
    try:
        with Path(path).open("rb") as file:
            if _PACKED.match(file.read(6)):
                raise UserError(f"{path!r} is compressed, so that no picture in it can be found; decompress it first.")
            try:
                for member in members(file, os.fstat(file.fileno()).st_size):
                    key, extension = _split(member.name)
                    if member.refused:
                        index.skipped.append(Skipped(prefix + _shown(member.name), member.refused))
                    elif _is_hidden(member.name):
                        continue
                    elif extension in ("cls", "json"):
                        answers = by_class if extension == "cls" else by_json
                        _read_label(file, member, key, answers, index.skipped, prefix)
                    elif _may_be_picture(member.name, index, prefix):
                        odd = extension.count(".") if extension else len(member.name)
                        found.append((key, odd, member.name, member.start, member.length))
            except Damaged as damage:
                index.skipped.append(Skipped(prefix.rstrip("/") or Path(path).name, str(damage)))
    except OSError as error:
        index.skipped.append(Skipped(prefix.rstrip("/") or Path(path).name, reason_of(error)))
    found.sort()
    for key, same in groupby(found, key=lambda one: one[0]):
        first, *others = same
        index.names.append(prefix + first[2])
        index.places.extend((shard, first[3], first[4]))
        index.labels.append(by_class.get(key, by_json.get(key)))
        reason = f"a second picture of one sample, of which {Path(first[2]).name} is kept"
        index.skipped.extend(Skipped(prefix + other[2], reason) for other in others)


def _split(name: str) -> tuple[str, str]:
    """WebDataset's key of a member, and its extension in lower case."""
    folder, slash, own = name.rpartition("/")
    stem, _, extension = own.partition(".")
    return folder + slash + stem, extension.lower()


def _is_hidden(name: str) -> bool:
    return any(part == JUNK or (part.startswith(".") and part != "..") for part in name.split("/"))


def _shown(name: str) -> str:
    """A name that can be written down, whatever bytes it has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _may_be_picture(name: str, index: _Index, prefix: str) -> bool:
    extension = extension_of(name)
    if extension in FOREIGN:
        index.skipped.append(Skipped(prefix + name, foreign(extension)))
    elif extension and extension not in EXTENSIONS:
        index.ignored += 1
    else:
        return True
    return False


def _read_label(
    file: io.BufferedReader, member: Member, key: str, answers: dict[str, str], skipped: list[Skipped], prefix: str
) -> None:
    """Add the label that a `.cls` or `.json` member gives to its key, or list it with what is wrong with it."""
    file.seek(member.start)
    content = file.read(min(member.length, _LABEL))
    label, reason = (_class_of if member.name.lower().endswith(".cls") else _json_label)(content)
    if reason:
        skipped.append(Skipped(prefix + member.name, reason))
    elif label is not None:
        answers[key] = label


def _class_of(content: bytes) -> tuple[str | None, str | None]:
    """The label of a `.cls`, or what is wrong with it."""
    text = content[:64].decode("ascii", "replace").strip()
    if len(content) > 64 or not WHOLE.fullmatch(text):
        return None, _NO_NUMBER
    return _named(int(text)), None


def _named(label: int) -> str | None:
    """A whole number as the name of a class; -1 means unlabelled, as everywhere."""
    return None if label == UNLABELLED else str(label)


def _json_label(content: bytes) -> tuple[str | None, str | None]:
    """The label in a `.json`, or None where it has none, or what is wrong with it."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None, "no sound JSON, so that its picture is unlabelled"
    label = said.get("label", said.get("class")) if isinstance(said, dict) else None
    if label is None or isinstance(label, str):
        return label or None, None
    if isinstance(label, int) and not isinstance(label, bool) and WHOLE.fullmatch(str(label)):
        return _named(label), None
    return None, "its label is neither a whole number nor text, so that its picture is unlabelled"


def _look_at(paths: Sequence[str], places: np.ndarray) -> Looks:
    """A look at each of the pictures, which come shard after shard."""

    def portion(start: int, stop: int) -> Looks:
        seen = []
        for shard, rows in groupby(places[start:stop].tolist(), key=lambda one: one[0]):
            with open(paths[shard], "rb", buffering=0) as file:  # noqa: PTH123
                seen += [look_at_part(fetch_from(file, first, length), length) for _, first, length in rows]
        return one_by_one(seen)

    return in_portions(len(places), portion)
