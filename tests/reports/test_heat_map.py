"""The picture is well formed, says its numbers, orders its shades, and can be read in light and in dark."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from unlabeled.reports.heat_map import STYLE, heat_map

SVG = "{http://www.w3.org/2000/svg}"
VALUES = [[10.0, 20.5, None], [40.25, 30.0, 25.0]]


def drawn() -> ElementTree.Element:
    text = heat_map("a <study> & more", ["crop", "blur"], ["one", "two", "three"], VALUES, ("first", "second"))
    return ElementTree.fromstring(text)


def test_numbers_and_means_stand_in_it() -> None:
    root = drawn()
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert [text for text in texts if text and re.fullmatch(r"[\d.]+", text)] == [
        "10.0", "20.5", "15.2", "40.2", "30.0", "25.0", "31.8",
    ]  # fmt: skip
    assert {"crop", "blur", "one", "two", "three", "mean", "first", "second"} <= set(texts)
    assert root.attrib["aria-label"] == "a <study> & more"


def test_larger_numbers_are_fuller_and_missing_ones_empty() -> None:
    root = drawn()
    cells = [float(each.attrib["fill-opacity"]) for each in root.iter(f"{SVG}rect") if each.attrib["class"] == "cell"]
    known = [value for row in VALUES for value in row if value is not None]
    ordered = [opacity for _, opacity in sorted(zip(known, cells, strict=True))]
    assert all(one < other for one, other in pairwise(ordered))
    assert ordered[-1] == 1.0
    assert sum(each.attrib["class"] == "none" for each in root.iter(f"{SVG}rect")) == 1


def test_cells_do_not_overlap_and_lie_inside() -> None:
    root = drawn()
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [[float(each.attrib[side]) for side in ("x", "y", "width", "height")]
             for each in root.iter(f"{SVG}rect") if "x" in each.attrib]  # fmt: skip
    for x, y, w, h in boxes:
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
    for place, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[place + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def channels(code: str) -> list[float]:
    code = code[1:] if len(code) == 7 else "".join(2 * letter for letter in code[1:])
    return [int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("share", [k / 40 for k in range(41)])
def test_every_number_can_be_read_on_its_cell(scheme: int, share: float) -> None:
    """A contrast of 4.4 at least, whatever the cell is filled with."""
    colours = dict(re.findall(r"--(\w+):(#\w+)", re.findall(r"svg{[^}]*}", STYLE)[scheme]))
    text = heat_map("", ["a"], ["low", "cell", "high"], [[0.0, share, 1.0]])
    (opacity, ink) = re.findall(r'fill-opacity="([\d.]+)"/><text( class="over")?', text)[1]
    surface, full = channels(colours["surface"]), channels(colours["full"])
    behind = luminance([float(opacity) * f + (1 - float(opacity)) * s for f, s in zip(full, surface, strict=True)])
    front = luminance(channels(colours["over" if ink else "ink"]))
    assert (max(front, behind) + 0.05) / (min(front, behind) + 0.05) >= 4.4


def test_one_value_and_none() -> None:
    assert "7.0" in heat_map("", ["a"], ["b"], [[7.0]])
    assert "NaN" not in heat_map("", ["a"], ["b"], [[None]])
