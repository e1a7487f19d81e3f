"""`Images`: what every source of pictures becomes."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np

from unlabeled.data.images.labels import UNLABELLED, Labels
from unlabeled.data.skipped import Skipped
from unlabeled.errors import Unreadable, UserError

_SAMPLES = 32  # pictures that `Images.size` looks at


class Reader(Protocol):
    """Where the pixels are. Row r belongs to the r-th picture of the whole source."""

    def read(self, row: int, at_least: int | None) -> np.ndarray:
        """The pixels of a row, uint8 (H, W, 3), the caller's to change; raises `Unreadable`."""

    def side(self, row: int) -> int:
        """The shorter side of a row's picture, as cheaply as it can be known; raises `Unreadable`."""

    def fingerprint(self, rows: np.ndarray) -> str:
        """A hexadecimal digest of the pictures of `rows`, int64 (N,), in that order."""


class Images:
    """Pictures in a fixed order, each read when asked for. Safe to pickle and to fork.

    Attributes:
        place: what was opened, for messages and configurations: an absolute path, or words.
        names: N names: paths relative to the root with forward slashes, or the number as text.
        labels: int64 (N,), numbers of `classes`, -1 where unlabelled; None where the source has none. Two sources
            number their classes each for itself: `relabel` brings them together.
        classes: the names of the labels, or None where there are none.
        skipped: the files left out, with reasons.
        ignored: how many files were left out because they are no pictures at all.
        rows: int64 (N,), the place of each picture in the reader.

    Args:
        place: as above.
        names: as above, one a row.
        reader: reads the pixels.
        answers: the labels of all rows of the reader, or a function that finds them, called when first asked for.
        skipped: as above.
        ignored: as above.
        rows: as above; by default all rows of the reader, in order.
    """

    nouns: ClassVar = ("image", "images")

    def __init__(
        self,
        place: str,
        names: list[str],
        reader: Reader,
        answers: Labels | Callable[[], Labels] | None = None,
        skipped: Sequence[Skipped] = (),
        ignored: int = 0,
        rows: np.ndarray | None = None,
    ) -> None:
        self.place, self.names, self.reader, self.answers = place, names, reader, answers
        self.skipped, self.ignored = list(skipped), ignored
        self.rows = np.arange(len(names)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Images({len(self)} of {self.place})"

    def read(self, index: int, at_least: int | None = None) -> np.ndarray:
        """The pixels of one picture, uint8 (H, W, 3), as `decode` describes them.

        Args:
            index: from 0 to N - 1.
            at_least: the shorter side that is enough (see `decode`); sources other than files ignore it.

        Raises:
            Unreadable: the picture cannot be read (any more); carries the picture's name.
            IndexError: no such index.
        """
        return self.reader.read(int(self.rows[index]), at_least)

    @property
    def labels(self) -> np.ndarray | None:
        """Int64 (N,), numbers of `classes`, -1 where unlabelled; None where the source has none."""
        return self._labels.values if self._labels else None

    @property
    def classes(self) -> list[str] | None:
        """The names of the labels; None where there are none."""
        return self._labels.classes if self._labels else None

    @property
    def labels_pending(self) -> bool:
        """Whether the labels are not known yet, and asking for them will read every picture."""
        return callable(self.answers) and "_labels" not in self.__dict__

    @cached_property
    def _labels(self) -> Labels | None:
        found = self.answers() if callable(self.answers) else self.answers
        return None if found is None else Labels(found.values[self.rows], found.classes)

    def fingerprint(self) -> str:
        """A digest that changes when the pictures do, 32 hexadecimal digits.

        Of files: their names, lengths and times of change, so that a folder may move; of pictures inside shards or
        parquet files, their names and places and the length and time of change of what holds them. All of these are
        as they are when first asked for. Of arrays: shape and bytes.
        Of a torch data set, whose pixels can be had only by reading them: its length and up to 1,000 evenly spread
        items. Labels do not count.
        """
        return self.reader.fingerprint(self.rows)

    def subset(self, places: np.ndarray) -> "Images":
        """The pictures at `places`, integers (M,) from 0 to N - 1, in that order, sharing this one's reader."""
        places = np.asarray(places, dtype=np.int64)
        names = [self.names[place] for place in places.tolist()]
        return Images(self.place, names, self.reader, self.answers, self.skipped, self.ignored, self.rows[places])

    def size(self) -> int:
        """The median shorter side, in pixels, of up to 32 pictures spread evenly over the names.

        Raises:
            UserError: none of them can be read.
        """
        sides, reason = [], ""
        for row in self.rows[np.linspace(0, len(self) - 1, min(len(self), _SAMPLES)).astype(np.int64)]:
            try:
                sides.append(self.reader.side(int(row)))
            except Unreadable as error:
                reason = error.reason
        if not sides:
            raise UserError(f"none of {min(len(self), _SAMPLES)} pictures of {self.place} can be read: {reason}.")
        return int(np.median(sides))

    def relabel(self, classes: list[str]) -> "Images":
        """The same pictures with labels that are places in `classes`, another source's.

        Raises:
            UserError: there are no labels, or one of the classes is not in `classes`.
        """
        if self._labels is None:
            raise UserError(
                f"{self.place} has no labels; sort the pictures into one folder a class or give a CSV file."
            )
        place = {name: number for number, name in enumerate(classes)}
        used = sorted(set(self._labels.values.tolist()) - {UNLABELLED})
        strange = [self._labels.classes[label] for label in used if self._labels.classes[label] not in place]
        if strange:
            raise UserError(
                f"{self.place} has the class {strange[0]!r}, which is not one of {len(classes)} known ones."
            )
        numbers = np.array([place.get(name, UNLABELLED) for name in self._labels.classes] + [UNLABELLED], np.int64)
        values = np.full(int(self.rows.max(initial=-1)) + 1, UNLABELLED, np.int64)
        values[self.rows] = numbers[self._labels.values]  # -1 takes the last number, which is -1
        return Images(
            self.place, self.names, self.reader, Labels(values, list(classes)), self.skipped, self.ignored, self.rows
        )
