"""Pictures that appear in a folder, each once, in order of arrival; and the journal that outlives a kill."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlabeled.data.images.folder import open_pictures
from unlabeled.data.images.formats import EXTENSIONS, NOT_UTF8, is_utf8
from unlabeled.data.images.header import look
from unlabeled.errors import Unreadable, UserError

SETTLED = 2.0
"""Seconds in which a file that cannot be read must not have changed until it counts as unreadable, not half-written."""


@dataclass(frozen=True)
class Arrival:
    """A new file: its name below the folder, and its pixels, uint8 (H, W, 3); or None and why it cannot be read."""

    name: str
    pixels: np.ndarray | None
    reason: str = ""


class Arrivals:
    """The pictures of a folder, and of the folders in it, as they come.

    A file that cannot be read is taken for half-written and waited for; once it has not changed for some seconds, it
    is unreadable. Hidden files and those without a picture's extension are left alone, so that a writer may write
    beside and rename.

    Args:
        folder: to look into.
        known: names that were met before; it grows by those that are met.
        settled: seconds, as `SETTLED`.
    """

    def __init__(self, folder: Path, known: set[str], settled: float = SETTLED) -> None:
        self.folder, self.known, self.settled = folder, known, settled
        self._waiting: dict[str, tuple[tuple[int, int], float]] = {}

    def look(self) -> Iterator[Arrival]:
        """What has come since the last look, the oldest first; each is known once it is given out.

        Raises:
            UserError: the folder is not there.
        """
        for _, name, state in sorted(self._new()):
            arrival = self._read(name)
            if arrival.pixels is None and not self._is_settled(name, state):
                continue
            self._waiting.pop(name, None)
            self.known.add(name)
            yield arrival

    def _new(self) -> Iterator[tuple[int, str, tuple[int, int]]]:
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is not a folder, so nothing can arrive in it; make it, or give another.")
        for place, folders, names in os.walk(self.folder):
            folders[:] = [each for each in folders if not each.startswith(".")]
            for each in names:
                path = Path(place) / each
                name = path.relative_to(self.folder).as_posix()
                if each.startswith(".") or path.suffix.lower() not in EXTENSIONS or name in self.known:
                    continue
                try:
                    found = path.stat()
                except FileNotFoundError:  # moved away meanwhile
                    continue
                yield found.st_mtime_ns, name, (found.st_size, found.st_mtime_ns)

    def _read(self, name: str) -> Arrival:
        path = str(self.folder / name)
        reason = look(path).reason if is_utf8(path) else NOT_UTF8
        if reason is not None:
            return Arrival(name, None, reason)
        try:
            return Arrival(name, open_pictures([path]).read(0))
        except Unreadable as problem:
            return Arrival(name, None, problem.reason)
        except UserError as problem:
            return Arrival(name, None, str(problem))

    def _is_settled(self, name: str, state: tuple[int, int]) -> bool:
        before, since = self._waiting.get(name, (None, 0.0))
        if before != state:
            self._waiting[name] = state, time.monotonic()
            return False
        return time.monotonic() - since >= self.settled


class ArrivalJournal:
    """Which files each batch holds and which cannot be read, written down and flushed to disk before they are learnt.

    A batch that is in the journal is never made up otherwise: whoever goes on from a checkpoint after batch n learns
    the journal's batches from n on, and then what is new. So nothing is learnt twice and nothing is lost.

    Args:
        path: of the file, one line of JSON a batch or an unreadable file; a last line that a kill cut short is dropped.

    Raises:
        UserError: a line is no such thing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: list[list[str]] = []
        self.known: set[str] = set()
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            names = entry.get("batch", [entry.get("unreadable")])
            if not all(isinstance(each, str) for each in names):
                raise ValueError
        except (ValueError, AttributeError, TypeError):
            raise UserError(f"{self.path} is damaged; move it away and start a new run.") from None
        self.known.update(names)
        if "batch" in entry:
            self.batches.append(names)

    def batch(self, names: list[str]) -> None:
        """Write down a batch."""
        self._append({"batch": names})
        self.batches.append(names)

    def unreadable(self, name: str) -> None:
        """Write down a file that is never looked at again."""
        self._append({"unreadable": name})

    def _append(self, entry: dict[str, object]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
