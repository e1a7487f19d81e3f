"""Charts drawn back into numbers."""

import json
import math
import re
from html import unescape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.reports.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    interval_chart,
    line_chart,
    tick_text,
    ticks,
)
from unlabeled.reports.material import Row


@given(low=st.floats(-1e6, 1e6), size=st.floats(1e-4, 1e6))
def test_ticks_are_round_and_within(low: float, size: float) -> None:
    high = low + size
    found = ticks(low, high)
    steps = np.diff(found)
    assert 1 <= len(found) <= 5
    assert all(low - 1e-3 * size <= each <= high + 1e-3 * size for each in found)
    if size > 1e-4 * abs(low):
        assert np.allclose(steps, steps[:1]), "even distances"
        assert len(found) >= 2 and f"{steps[0]:.0e}"[0] in "125"


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [(0.0, 0.5, "0"), (0.5, 0.5, "0.5"), (1500.0, 500.0, "1,500"), (-1.35, 0.05, "−1.35"), (2e-5, 1e-5, "2e−5")],
)
def test_tick_texts(value: float, step: float, text: str) -> None:
    assert tick_text(value, step) == text


def test_a_line_goes_through_its_points_and_breaks_where_there_are_none() -> None:
    values = [5.0, 4.0, math.nan, 2.0, 1.0, math.inf, 3.0]
    svg = line_chart("loss", [(10.0 * step, value) for step, value in enumerate(values, 1)])
    path = re.search(r'class="line" d="([^"]+)"', svg)
    assert path is not None
    found = re.findall(r"([ML])([\d.]+) ([\d.]+)", path[1])
    assert [kind for kind, _, _ in found] == ["M", "L", "M", "L", "M"]
    x, y = np.array([(float(x), float(y)) for _, x, y in found]).T
    steps, finite = np.array([10, 20, 40, 50, 70]), np.array([5.0, 4.0, 2.0, 1.0, 3.0])
    np.testing.assert_allclose(x, LEFT + (steps - 10) / 60 * (WIDTH - RIGHT - LEFT), atol=0.06)
    low, high = 1 - 0.24, 5 + 0.24  # six hundredths of the range at both ends
    np.testing.assert_allclose(y, HEIGHT - BOTTOM - (finite - low) / (high - low) * (HEIGHT - BOTTOM - TOP), atol=0.06)
    hover = json.loads(unescape(re.search(r'data-points="([^"]+)"', svg)[1]))  # type: ignore[index]
    assert [(point[0], point[1]) for point in hover] == list(zip(["10", "20", "40", "50", "70"], "54213", strict=True))
    np.testing.assert_allclose([point[2:] for point in hover], np.stack([x, y], 1), atol=0.06)
    assert "Loss: 5 at step 10, 3 at step 70; lowest 1, highest 5." in svg


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0, 2.0], [0.0, 0.0], [1e-9, 2e-9], [-1e12, 1e12]])
def test_odd_series_stay_within_the_chart(values: list[float]) -> None:
    svg = line_chart("figure_of_ours", list(enumerate(values, 1)))
    assert "Figure of ours" in svg and "nan" not in svg
    for y in re.findall(r"[ML][\d.]+ ([-\d.]+)", svg):
        assert TOP <= float(y) <= HEIGHT - BOTTOM


def test_nothing_finite_is_no_chart() -> None:
    assert line_chart("loss", [(1, math.nan)]) == ""


def test_intervals_share_one_scale() -> None:
    rows = [Row("this run", 0.75, (0.7, 0.8)), Row("raw", 0.25, None)]
    ours, raw = (interval_chart(row, rows, ours) for row, ours in zip(rows, (True, False), strict=True))
    whisker = re.search(r'class="whisker" x1="([\d.]+)" x2="([\d.]+)"', ours)
    assert whisker is not None and whisker.groups() == ("138.4", "157.6")
    assert f'class="dot" x1="{4 + 192 * 0.25:.1f}"' in raw
    assert f'class="ours" x1="{4 + 192 * 0.75:.1f}"' in raw and 'class="ours"' not in ours
    wider = [Row("a", -0.5, None), Row("b", 1.5, None)]
    assert 'class="dot" x1="196.0"' in interval_chart(wider[1], wider, False)
