"""`unlabeled inspect`: what a path holds, before anything is trained on it."""

from dataclasses import dataclass
from os import PathLike


@dataclass(frozen=True)
class Inspected:
    """What was found at a path.

    Args:
        modality: the kind of data.
        samples: how many can be read.
        classes: how many classes the labels name, or None without labels.
        skipped: a path and a reason for each that cannot be read.
    """

    modality: str
    samples: int
    classes: int | None
    skipped: list[dict[str, str]]


def inspect(path: str | PathLike[str], *, labels: str | PathLike[str] | None = None) -> Inspected:
    """Look at a path: what it holds, how many samples and classes, and what cannot be read.

    Example: unlabeled inspect photos/

    Args:
        path: a folder of pictures, .tar shards, parquet with pictures, an .npz or IDX file, torchvision:NAME:FOLDER; a
            folder of graphs in the TU collection's form, or networkx:atlas; a table of timed links, CSV or parquet.
        labels: a CSV with columns path,label, of timed links node,label.

    Raises:
        UserError: the path is absent, or holds nothing that can be read.
    """
    from unlabeled.data.source import look_into

    name, samples = look_into(path, labels)
    return Inspected(
        modality=name,
        samples=len(samples),
        classes=None if samples.classes is None else len(samples.classes),
        skipped=[{"path": each.path, "reason": each.reason} for each in samples.skipped],
    )
