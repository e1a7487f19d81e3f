"""The section of a stream: pictures in lines, sentences as they are read, shares as filled cells."""

import cv2
import numpy as np
import pytest

from unlabeled.reports.components import ABREAST, accuracies, stream, strip
from unlabeled.reports.material import Component, Stream


@pytest.mark.parametrize(("count", "channels", "lines"), [(1, 1, 1), (8, 3, 1), (16, 1, 2)])
def test_pictures_stand_in_lines_of_eight(count: int, channels: int, lines: int) -> None:
    pictures = np.arange(count, dtype=np.uint8)[:, None, None, None] * 10 + np.zeros((1, channels, 8, 8), np.uint8)
    sheet = cv2.imdecode(np.frombuffer(strip(pictures), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert sheet.shape == (lines * 42, ABREAST * 42)  # each is enlarged five times, and framed
    for place in range(count):
        line, column = divmod(place, ABREAST)
        assert abs(int(sheet[line * 42 + 20, column * 42 + 20]) - 10 * place) <= 3


def test_a_row_says_what_caused_its_component() -> None:
    birth = {"component": 1, "step": 109, "source": 0, "share": 0.566, "poor": 100, "bound": -24.3}
    picture = strip(np.zeros((1, 1, 8, 8), np.uint8))
    components = [Component(0, None, None, picture), Component(1, birth, picture, picture)]
    page = stream(Stream(components, [], [], []))
    assert "there from the start" in page and "step 109, from 0 (56.6\N{NO-BREAK SPACE}% of them)" in page
    assert page.count("<img") == 3 and "evaluate stream RUN" in page


def test_a_cell_is_as_full_as_its_share_and_what_is_unknown_is_said() -> None:
    drawn = accuracies([300], ["a", "b", "c"], [[0.0, 1.0, None]])
    assert 'fill-opacity="0.05"' in drawn and 'fill-opacity="1.00"' in drawn
    assert "at the end: a 0 %, b 100 %, c unknown" in drawn


def test_long_names_stand_aslant_and_are_told_apart() -> None:
    names = ["Greek-character01", "Greek-character02", "Tagalog_the_old_script-character11"]
    drawn = accuracies([300], names, [[0.5, 0.5, 0.5]])
    assert drawn.count("rotate(-40") == 3 and all(f"<title>{name}</title>" in drawn for name in names)
    assert ">Greek-character01<" in drawn and ">Tagalog_the…racter11<" in drawn
    assert "rotate" not in accuracies([300], ["0", "1"], [[0.5, 0.5]])
