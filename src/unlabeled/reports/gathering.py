"""From samples and their representations to what a page shows of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from unlabeled import chance
from unlabeled.errors import Unreadable
from unlabeled.evaluation.extraction import THREADS
from unlabeled.evaluation.features import Features
from unlabeled.metrics.neighbours import nearest
from unlabeled.reports.material import Map, Query, Seen, Shown, Viewed
from unlabeled.reports.pictures import jpeg, sheet, side_for
from unlabeled.reports.projection import project
from unlabeled.training.loader import Views, views_of

LIMIT = 10_000  # samples on the map; neighbours are looked for among the same
QUERIES, NEIGHBOURS = 12, 8
VIEWED, VIEWS = 6, 8
SIDE = 96  # of pictures that stand alone
LARGE = 144  # of those in which small parts tell


@dataclass(frozen=True)
class Source:
    """Samples and the ways to look at them.

    Args:
        samples: opened data.
        represent: samples to their representations, with ids and without labels.
        views: of pre-training.
        plain: the one view of evaluation.
        thumbnail: (sample, side) to uint8 (side, side, 3).
        seed: of the run.
        side: of a picture of a sample beyond which there is no more to see.
        inside: pictures of what the encoder makes of a sample on the way: (sample, side) to uint8 (side, side, 3) each.
        shows: what a picture of a sample is, in a sentence; empty where that is plain.
    """

    samples: Any
    represent: Callable[[Any], Features]
    views: Any
    plain: Any
    thumbnail: Callable[[Any, int], np.ndarray]
    seed: int
    side: int
    inside: Callable[[Any, int], list[np.ndarray]]
    shows: str = ""

    def picture(self, place: int, side: int, small: Views | None = None) -> np.ndarray:
        """A sample's thumbnail, grey where it cannot be read any more: uint8 (side, side, 3).

        Args:
            place: in the samples.
            side: of the thumbnail.
            small: views whose reading is enough, where speed matters more than sharpness.
        """
        try:
            sample = self.samples.read(place, side) if small is None else small.read(self.samples, place)
        except Unreadable:
            return np.full((side, side, 3), 128, np.uint8)
        return self.thumbnail(sample, side)

    def shown(self, place: int) -> Shown:
        """A sample as a person sees it."""
        label = -1 if self.samples.labels is None else int(self.samples.labels[place])
        name = self.samples.classes[label] if label >= 0 else None
        return Shown(self.samples.names[place], name, jpeg(self.picture(place, SIDE)))


def look(source: Source, limit: int = LIMIT) -> Seen:
    """Everything that the page shows of the data.

    Args:
        source: the data.
        limit: at most this many samples, drawn by the seed, are embedded.

    Raises:
        UserError: no sample can be read.
    """
    count = len(source.samples)
    places = np.arange(count)
    if count > limit:
        places = np.sort(chance.generator(source.seed, chance.SPLIT).choice(count, limit, replace=False))
    features = source.represent(source.samples.subset(places) if count > limit else source.samples)
    finite = np.isfinite(features.embeddings).all(axis=1)
    embeddings, found = np.asarray(features.embeddings[finite]), places[features.ids[finite]]
    return Seen(
        samples=count,
        drawn=len(places),
        unreadable=len(places) - len(found),
        plane=_map(source, embeddings, found) if len(found) > 1 else None,
        queries=_queries(source, embeddings, found) if len(found) > 1 else [],
        views=[_viewed(source, int(place)) for place in found[_spread(source, found, VIEWED)]],
        inside=[each for place in found[_spread(source, found, VIEWED)] for each in _inside(source, int(place))],
        shows=source.shows,
    )


def _map(source: Source, embeddings: np.ndarray, places: np.ndarray) -> Map:
    """The plane with thumbnails, which threads read."""
    side = side_for(len(places), source.side)
    with ThreadPoolExecutor(THREADS) as pool:
        thumbnails = list(pool.map(lambda place: source.picture(int(place), side, source.plain), places))
    projection = project(embeddings, source.seed)
    return Map(
        points=projection.points,
        how=projection.method,
        explained=projection.explained,
        names=[source.samples.names[place] for place in places],
        labels=_labels(source, places),
        classes=list(source.samples.classes or ()),
        sheet=sheet(thumbnails),
    )


def _queries(source: Source, embeddings: np.ndarray, places: np.ndarray) -> list[Query]:
    """A dozen samples, each with its nearest by cosine among all others."""
    rows = _spread(source, places, QUERIES)
    similarity, neighbours = nearest(embeddings[rows], embeddings, NEIGHBOURS, exclude=rows)
    return [
        Query(
            source.shown(int(places[row])),
            [(source.shown(int(places[one])), float(s)) for one, s in zip(found, cosines, strict=True)],
        )
        for row, found, cosines in zip(rows, neighbours, similarity, strict=True)
    ]


def _viewed(source: Source, place: int) -> Viewed:
    """A sample and the views that the first epochs draw of it."""
    views = source.views
    sample = views.read(source.samples, place)
    epochs = range(ceil(VIEWS / views.count))
    drawn = [v for epoch in epochs for v in views_of(views, sample, source.seed, chance.VIEWS, epoch, place)][:VIEWS]
    return Viewed(source.shown(place), [jpeg(source.thumbnail(view, SIDE)) for view in drawn])


def _inside(source: Source, place: int) -> list[Viewed]:
    """A sample and what the encoder makes of it on the way; nothing where that cannot be drawn."""
    drawn = source.inside(source.plain.read(source.samples, place), LARGE)
    return [Viewed(source.shown(place), [jpeg(each) for each in drawn])] if drawn else []


def _spread(source: Source, places: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` rows at even distances, through all classes where there are some: int64 rows of `places`."""
    order = np.argsort(_labels(source, places), kind="stable")
    count = min(count, len(places))
    chosen: np.ndarray = order[((np.arange(count) + 0.5) * len(places) / max(count, 1)).astype(np.int64)]
    return chosen


def _labels(source: Source, places: np.ndarray) -> np.ndarray:
    """Labels of `places`, -1 where unknown."""
    if source.samples.labels is None:
        return np.full(len(places), -1, np.int64)
    labels: np.ndarray = np.asarray(source.samples.labels, np.int64)[places]
    return labels
