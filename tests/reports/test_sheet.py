"""Contact sheets: the pictures are where they should be, and captions fit."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from unlabeled.reports import sheet
from unlabeled.reports.sheet import SIDE, Cell, Row, contact_sheet, shortened


def cell(colour: int, name: str = "a.png") -> Cell:
    return Cell(np.full((SIDE, SIDE, 3), colour, np.uint8), "0.500", name)


def squares(picture: Image.Image, colour: int) -> np.ndarray:
    """Left upper corners of the thumbnails of one grey, (N, 2) as (top, left)."""
    mask = (np.asarray(picture) == colour).all(axis=2)
    inside = mask[: -SIDE + 1, : -SIDE + 1] & mask[SIDE - 1 :, SIDE - 1 :]
    inside &= mask[: -SIDE + 1, SIDE - 1 :] & mask[SIDE - 1 :, : -SIDE + 1]
    return np.argwhere(inside)


def test_every_picture_is_there_once_and_whole() -> None:
    rows = [Row(cell(10 * number + 1), [cell(10 * number + 2 + place) for place in range(3)]) for number in range(2)]
    picture = contact_sheet(rows, "title", "note")
    corners = {colour: squares(picture, colour) for colour in (1, 2, 3, 4, 11, 12, 13, 14)}
    assert all(len(found) == 1 for found in corners.values())
    place = {colour: tuple(found[0]) for colour, found in corners.items()}
    for colour, (top, left) in place.items():
        assert (np.asarray(picture)[top : top + SIDE, left : left + SIDE] == colour).all()
    for first in (1, 11):
        tops, lefts = zip(*(place[first + step] for step in range(4)), strict=True)
        assert len(set(tops)) == 1, "a query and its neighbours stand in one row"
        assert all(one + SIDE < other for one, other in pairwise(lefts))
    assert place[11][0] > place[1][0] + SIDE, "rows below each other"


@pytest.mark.parametrize(("count", "lines"), [(0, 0), (1, 1), (8, 1), (9, 2), (12, 2), (24, 3)])
def test_long_rows_go_on_below_in_lines_of_equal_length(count: int, lines: int) -> None:
    picture = contact_sheet([Row(cell(1), [cell(100 + place) for place in range(count)])], "t")
    corners = [squares(picture, 100 + place)[0] for place in range(count)]
    tops = [int(top) for top, _ in corners]
    assert len(set(tops)) == lines and tops == sorted(tops)
    lengths = [tops.count(top) for top in sorted(set(tops))]
    assert all(length <= 8 for length in lengths) and len(set(lengths[:-1])) <= 1


@pytest.mark.parametrize(
    "name", ["short.png", "a" * 300 + ".png", "folder/" + "name" * 20 + "-0123.jpg", "", "写真" * 40]
)
def test_names_are_cut_in_the_middle_to_fit(name: str) -> None:
    font = sheet._font(12)
    cut = shortened(name, font, SIDE)
    assert font.getlength(cut) <= SIDE
    if cut != name:
        head, _, tail = cut.partition("…")
        assert name.startswith(head) and name.endswith(tail) and len(tail) >= len(head) > 0
        longer = f"{name[: len(head) + 1]}…{name[len(name) - len(tail) - 1 :]}"
        assert font.getlength(longer) > SIDE, "no more is cut than must be"


def test_names_that_are_no_text_can_be_drawn() -> None:
    contact_sheet([Row(cell(1, "\udcff\udcfe.png"), [cell(2, "two\nlines\t.png")])], "\udcff", "\n")


def test_without_a_query_the_pictures_begin_at_the_margin() -> None:
    with_one, without = (contact_sheet([Row(query, [cell(100), cell(101)])], "t") for query in (cell(1), None))
    lefts = [int(squares(picture, 100)[0][1]) for picture in (with_one, without)]
    assert lefts[1] < SIDE < lefts[0] and without.width < with_one.width
    assert len(squares(without, 1)) == 0 and len(squares(without, 101)) == 1
