"""What a source is: the name of its modality, and a line that says what was found."""

import os
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from unlabeled.data.graphs import Graphs, holds_graphs, open_graphs
from unlabeled.data.graphs.atlas import NAME as ATLAS
from unlabeled.data.images import Images, open_images
from unlabeled.data.images.formats import EXTENSIONS, FOREIGN
from unlabeled.data.images.named import is_named, named
from unlabeled.data.images.opening import ACCEPTED, absolute, kind_of, refuse_plain
from unlabeled.data.temporal_graphs import Snapshots, is_events, look_at_events
from unlabeled.errors import UserError

_ENTRIES = 100_000  # files that are looked at before a folder is judged

_OTHERS = {
    "videos": "mp4 mkv avi mov webm m4v mpg mpeg wmv flv",
    "text": "txt jsonl csv tsv json md",
    "archives": "tar zip gz xz tgz 7z rar",
    "tables": "parquet feather arrow xlsx npy h5 hdf5 mat",
    "sound": "wav mp3 flac ogg m4a",
}
OPENERS: dict[str, Callable[..., Images | Graphs | Snapshots]] = {
    "images": open_images,
    "graphs": open_graphs,
    "temporal_graphs": look_at_events,
}
"""Modality to (source, labels) -> samples."""

_KIND = {"." + extension: kind for kind, extensions in _OTHERS.items() for extension in extensions.split()}


def recognise(source: object) -> str:
    """The name of the modality of a source.

    A folder is judged by the extensions of the files in it, up to the first picture; no file is opened there.

    Args:
        source: a path, or in Python whatever `open_images` or `open_graphs` takes, or `Snapshots`.

    Returns:
        "images", "graphs" or "temporal_graphs".

    Raises:
        UserError: nothing is there, or what is there belongs to no modality that this version reads; the message
            names what was found and what is accepted.
    """
    if holds_graphs(source):
        return "graphs"
    if isinstance(source, Snapshots):
        return "temporal_graphs"
    if not isinstance(source, str | os.PathLike):
        refuse_plain(source)
        return "images"  # arrays or a torch data set
    if is_named(source):
        named(os.fspath(source))
        return "images"
    path = absolute(source)
    if Path(path).is_file() and is_events(path):
        return "temporal_graphs"
    kind = kind_of(path)
    if kind is None:
        extension = Path(path).suffix.lower()
        found = f" ({_KIND[extension]})" if extension in _KIND else ""
        raise UserError(f"{path!r} is of a kind that this version does not read{found}; give {ACCEPTED}.")
    if kind == "folder":
        _judge(path)
    return "images"


def look_into(source: object, labels: str | os.PathLike[str] | None = None) -> tuple[str, Images | Graphs | Snapshots]:
    """The modality of a source, and its samples; nothing that only training needs is imported.

    Raises:
        UserError: as `recognise` says, or the source cannot be opened.
    """
    name = recognise(source)
    return name, OPENERS[name](source, labels)


def settled(source: str | os.PathLike[str]) -> str:
    """A path, or the name of a data set, that means the same from any folder.

    Raises:
        UserError: a name that is not sound.
    """
    if os.fspath(source) == ATLAS:
        return ATLAS
    return str(named(os.fspath(source))) if is_named(source) else str(Path(os.path.expanduser(source)).absolute())  # noqa: PTH111, as `open_images` does


def describe(images: Images | Graphs | Snapshots) -> str:
    """One line for people: "1,203 images in 10 classes, 4 unlabelled; 2 unreadable; 1 file of another kind"."""
    if isinstance(images, Snapshots):
        return images.describe()
    text = _count(len(images), *images.nouns)
    if images.labels_pending:
        text += ", labels not looked at yet"
    elif images.labels is not None:
        text += f" in {_count(len(images.classes or ()), 'class', 'classes')}"
        without = int((images.labels < 0).sum())
        text += f", {without:,} unlabelled" if without else ""
    if images.skipped:
        text += f"; {len(images.skipped):,} unreadable"
    if images.ignored:
        text += f"; {_count(images.ignored, 'file of another kind', 'files of other kinds')}"
    return text


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _judge(folder: str) -> None:
    """Raise if a folder has files with extensions and none is a picture's.

    An empty folder, or one whose files have no extensions, passes: `open_images` looks into the files.
    """
    kinds: Counter[str] = Counter()
    files = (name for _, _, names in os.walk(folder) for name in names if not name.startswith("."))
    for name in islice(files, _ENTRIES):
        extension = Path(name).suffix.lower()
        if extension in EXTENSIONS or extension in FOREIGN or not extension:
            return
        kinds[extension] += 1
    if not kinds:
        return
    extension, number = kinds.most_common(1)[0]
    found = f"{number:,} {extension} {'file' if number == 1 else 'files'}"
    found += f" ({_KIND[extension]})" if extension in _KIND else ""
    raise UserError(f"{folder!r} holds no pictures but {found}, which this version does not read; give {ACCEPTED}.")
