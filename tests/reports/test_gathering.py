"""What a page shows of the data, against the data itself."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digits import digits
from reports.material import decoded
from unlabeled.errors import Unreadable
from unlabeled.evaluation.features import Features
from unlabeled.modalities import MODALITIES
from unlabeled.reports.gathering import NEIGHBOURS, QUERIES, SIDE, VIEWED, VIEWS, Source, look
from unlabeled.training.loader import Steps

KIND = MODALITIES["images"]


def rows_of(samples: Any) -> np.ndarray:
    """A representation that anyone can compute: the pixels."""
    return np.stack([samples.read(place).astype(np.float32).ravel() for place in range(len(samples))])


def source(samples: Any, represent: Any = None, seed: int = 3) -> Source:
    def pixels(samples: Any) -> Features:
        return Features(rows_of(samples), np.arange(len(samples)))

    return Source(
        samples, represent or pixels, KIND.views(8), KIND.plain(8), KIND.thumbnail, seed, 8, lambda sample, side: []
    )


@pytest.fixture(scope="module")
def samples() -> Any:
    return digits(300)[0]


def test_neighbours_are_the_nearest_by_cosine(samples: Any) -> None:
    seen = look(source(samples))
    rows = rows_of(samples)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(seen.queries) == QUERIES
    for query in seen.queries:
        place = samples.names.index(query.sample.name)
        cosine = rows @ rows[place]
        cosine[place] = -1
        best = np.argsort(-cosine, kind="stable")[:NEIGHBOURS]
        assert [one.name for one, _ in query.neighbours] == [samples.names[each] for each in best]
        np.testing.assert_allclose([found for _, found in query.neighbours], cosine[best], atol=1e-6)
        assert query.sample.label == samples.classes[samples.labels[place]]
        shown = decoded(query.neighbours[0][0].picture)
        expected = np.asarray(KIND.thumbnail(samples.read(int(best[0])), SIDE)).astype(int)
        assert np.abs(shown - expected).mean() < 8
    assert len({query.sample.label for query in seen.queries}) == 10, "queries go through all classes"


def test_views_are_those_that_training_sees(samples: Any) -> None:
    """The first view and the second of an epoch, as the loader of a run with this seed makes them."""
    found = source(samples)
    steps = Steps(samples, found.views, found.seed, batch_size=50)
    shown = look(found).views
    assert len(shown) == VIEWED and all(len(viewed.views) == VIEWS for viewed in shown)
    for viewed in shown[:2]:
        place = samples.names.index(viewed.sample.name)
        step = next(step for step in range(6) if place in steps.places(step)[1])
        row = int(np.flatnonzero(steps.places(step)[1] == place)[0])
        views = steps[step].batch.views.permute(0, 2, 3, 1).numpy()
        for number, jpeg in zip((row, row + 50), viewed.views, strict=False):
            expected = KIND.thumbnail(views[number], SIDE).astype(int)
            assert np.abs(decoded(jpeg) - expected).mean() < 3


def test_the_map_has_a_thumbnail_of_every_sample(samples: Any) -> None:
    plane = look(source(samples)).plane
    assert plane is not None and plane.names == samples.names and plane.classes == samples.classes
    np.testing.assert_array_equal(plane.labels, samples.labels)
    whole = decoded(plane.sheet.content)
    for place in (0, 17, 299):
        top, left = place // plane.sheet.columns * 32, place % plane.sheet.columns * 32
        tile = whole[top : top + 32, left : left + 32]
        assert np.abs(tile - KIND.thumbnail(samples.read(place), 32).astype(int)).mean() < 12


def test_of_many_samples_some_are_drawn_by_the_seed(samples: Any) -> None:
    first, again, other = (look(source(samples, seed=seed), limit=40) for seed in (3, 3, 4))
    for seen in (first, again, other):
        assert (seen.samples, seen.drawn) == (300, 40)
    assert first.plane is not None and again.plane is not None and other.plane is not None
    assert first.plane.names == again.plane.names != other.plane.names
    assert len(set(first.plane.names)) == 40
    places = [samples.names.index(name) for name in first.plane.names]
    np.testing.assert_array_equal(first.plane.labels, samples.labels[places])


def test_rows_that_are_no_numbers_and_samples_that_cannot_be_read_are_counted(samples: Any) -> None:
    def broken(samples: Any) -> Features:
        rows = rows_of(samples)[1:]  # the first could not be read
        rows[4] = np.nan
        return Features(rows, np.arange(1, len(samples)))

    seen = look(source(samples, broken))
    assert seen.unreadable == 2 and seen.plane is not None
    assert seen.plane.names == [name for place, name in enumerate(samples.names) if place not in (0, 5)]


def test_a_picture_that_is_gone_is_grey(samples: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = samples.subset(np.arange(30))
    rows = Features(rows_of(one), np.arange(30))
    read = one.read

    def gone(place: int, at_least: int | None = None) -> np.ndarray:
        if place == 7:
            raise Unreadable("7", "no such file")
        pixels: np.ndarray = read(place, at_least)
        return pixels

    monkeypatch.setattr(one, "read", gone)
    found = source(one, lambda samples: rows)
    assert (found.picture(7, SIDE) == 128).all() and not (found.picture(8, SIDE) == 128).all()
    assert look(found).plane is not None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_samples(samples: Any, count: int) -> None:
    seen = look(source(samples.subset(np.arange(count))))
    assert (seen.plane is None) == (count == 1)
    assert len(seen.queries) == (0 if count == 1 else count) and len(seen.views) == count
    for query in seen.queries:
        assert len(query.neighbours) == count - 1


def test_without_labels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)
    seen = look(source(KIND.open(pixels, None)))
    assert seen.plane is not None and seen.plane.classes == [] and (seen.plane.labels == -1).all()
    assert all(query.sample.label is None for query in seen.queries)
    with Image.open(io.BytesIO(seen.queries[0].sample.picture)) as image:
        assert image.size == (SIDE, SIDE)
