"""Pictures inside a page, decoded again."""

import base64

import numpy as np
import pytest

from reports.material import decoded, noise
from unlabeled.reports.pictures import QUALITIES, data_uri, jpeg, sheet, side_for


def test_a_jpeg_in_the_page_is_the_picture() -> None:
    across = np.linspace(0, 255, 32).astype(np.uint8)
    pixels = np.stack([np.tile(across, (32, 1)), np.tile(across[:, None], (1, 32)), np.full((32, 32), 90, np.uint8)], 2)
    head, content = data_uri(jpeg(pixels)).split(",")
    assert head == "data:image/jpeg;base64"
    assert np.abs(decoded(base64.b64decode(content)) - pixels).max() <= 12


@pytest.mark.parametrize("count", [1, 2, 5, 17])
def test_every_thumbnail_is_where_it_belongs_and_bleeds_into_no_other(count: int) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (count, 3))
    found = sheet([np.full((32, 32, 3), colour, np.uint8) for colour in colours])
    whole = decoded(found.content)
    assert whole.shape[1] == found.columns * 32
    for place, colour in enumerate(colours):
        top, left = place // found.columns * 32, place % found.columns * 32
        assert np.abs(whole[top : top + 32, left : left + 32] - colour).max() <= 6, "to the very edge"


def test_quality_gives_way_to_the_budget() -> None:
    pictures = noise(100, 32)
    best, small = sheet(pictures), sheet(pictures, budget=40_000)
    assert len(best.content) > 40_000 >= len(small.content)
    assert np.abs(decoded(best.content)[:32, :32] - pictures[0]).mean() < 25, "noise, at the best quality"
    assert len(sheet(pictures, budget=1).content) <= len(small.content), "the lowest quality where nothing fits"
    assert list(QUALITIES) == sorted(QUALITIES, reverse=True)


@pytest.mark.parametrize(
    ("count", "natural", "side"), [(100, 224, 64), (100, 32, 32), (100, 8, 32), (3000, 96, 48), (10_000, 224, 32)]
)
def test_sides_are_whole_blocks(count: int, natural: int, side: int) -> None:
    assert side_for(count, natural) == side and side % 16 == 0
