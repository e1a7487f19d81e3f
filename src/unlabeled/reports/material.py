"""All that a page shows, before any of it is HTML."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unlabeled.reports.pictures import Sheet


@dataclass(frozen=True)
class Facts:
    """What was trained on what.

    Args:
        name: of the run's folder.
        modality: of the data.
        method: its name.
        encoder: its name.
        parameters: of the encoder.
        width: D, of a representation.
        data: what it is, in words.
        place: where it is.
        steps: done.
        seconds: of training, or None where no checkpoint says.
        config: the settings, by the names of their flags.
        environment: versions and machine.
    """

    name: str
    modality: str
    method: str
    encoder: str
    parameters: int
    width: int
    data: str
    place: str
    steps: int
    seconds: float | None
    config: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A labelled figure of one encoder; `interval` is None where the protocol gives none."""

    name: str
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """One labelled protocol.

    Args:
        protocol: its name.
        metric: what the rows' values are.
        rows: the run in the first, then its baselines.
        note: on how many samples, and with which settings.
        details: any further figures by name, for each row a value, or None where it has none.
    """

    protocol: str
    metric: str
    rows: list[Row]
    note: str
    details: dict[str, list[float | None]]


@dataclass(frozen=True)
class LabelFree:
    """One label-free protocol: figures of the run and of its baselines.

    Args:
        protocol: its name.
        samples: how many were looked at.
        figures: of the run.
        baselines: of others, by name.
        warnings: signs of collapse, a sentence each.
    """

    protocol: str
    samples: int
    figures: dict[str, float]
    baselines: dict[str, dict[str, float]]
    warnings: list[str]


@dataclass(frozen=True)
class Shown:
    """A sample as a person sees it: its name, its class where known, and a JPEG."""

    name: str
    label: str | None
    picture: bytes


@dataclass(frozen=True)
class Query:
    """A sample and its nearest neighbours, each with its cosine, the nearest first."""

    sample: Shown
    neighbours: list[tuple[Shown, float]]


@dataclass(frozen=True)
class Viewed:
    """A sample beside views of it, JPEGs."""

    sample: Shown
    views: list[bytes]


@dataclass(frozen=True)
class Map:
    """Samples in the plane.

    Args:
        points: (N, 2), within [0, 1].
        how: one or two words for how they got there.
        explained: share of the variance that this was made from.
        names: N of them.
        labels: int64 (N,), places in `classes`, -1 where unknown.
        classes: perhaps none.
        sheet: N thumbnails.
    """

    points: np.ndarray
    how: str
    explained: float
    names: list[str]
    labels: np.ndarray
    classes: list[str]
    sheet: Sheet


@dataclass(frozen=True)
class Seen:
    """What the data itself gives to the page.

    Args:
        samples: how many there are.
        drawn: how many of them the map and the neighbours were taken from.
        unreadable: how many of those could not be read or embedded.
        plane: the map, or None where too few samples can be embedded.
        queries: neighbours.
        views: of the first epochs.
        inside: what the encoder makes of a sample on the way, where that can be drawn.
        shows: what a picture of a sample is, in a sentence; empty where that is plain.
    """

    samples: int
    drawn: int
    unreadable: int
    plane: Map | None
    queries: list[Query]
    views: list[Viewed]
    inside: list[Viewed] = field(default_factory=list)
    shows: str = ""


@dataclass(frozen=True)
class Component:
    """One component of a mixture that grew.

    Args:
        number: from 0.
        birth: of those that were added: the step, the source that it was copied from, how many poor samples there were
            and their mean bound.
        causes: JPEG of the poor samples that caused it, or None.
        generated: JPEG of what it generates.
    """

    number: int
    birth: dict[str, float] | None
    causes: bytes | None
    generated: bytes


@dataclass(frozen=True)
class Stream:
    """What a stream has left.

    Args:
        components: all that are active.
        steps: after which accuracies are; perhaps none.
        classes: names.
        per_class: of each step and class, a share.
    """

    components: list[Component]
    steps: list[int]
    classes: list[str]
    per_class: list[list[float | None]]


@dataclass(frozen=True)
class Material:
    """One page.

    Args:
        facts: what was trained on what.
        metrics: lines of figures, by step.
        comparisons: labelled protocols.
        label_free: protocols without labels.
        notes: what is missing among them and why, a sentence each.
        seen: of the data, or a sentence: why there is none.
        skipped: names and reasons.
        stream: components over time, where the method finds some.
    """

    facts: Facts
    metrics: list[dict[str, float]]
    comparisons: list[Comparison]
    label_free: list[LabelFree]
    notes: list[str]
    seen: Seen | str
    skipped: list[tuple[str, str]]
    stream: Stream | None = None
