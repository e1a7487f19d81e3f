"""Text and numbers as a page has them."""

import html
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.material import HOSTILE
from unlabeled.reports.markup import counted, number, percent, plain_name, script_data, shown


@given(st.text())
def test_shown_text_holds_no_markup_and_reads_back(text: str) -> None:
    found = shown(text)
    assert not set(found) & set("<>\"'") and found.isprintable()
    found.encode()  # no broken Unicode is left
    assert html.unescape(found) == (text if text.isprintable() else repr(text)[1:-1])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_harmless(name: str) -> None:
    for found in (shown(name), plain_name(name)):
        assert not set(found) & set("<>\"'\n\x1b\u202e\udce9")
    found = script_data({"name": [name]})
    assert "<" not in found and json.loads(found) == {"name": [name]}


def test_script_data_refuses_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_data([math.nan])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0, "0"), (12345, "12,345"), (1234.56, "1,235"), (83.992, "83.99"), (4.0139, "4.014"), (7.0, "7"),
     (0.21161, "0.2116"), (-1.39891, "−1.399"), (2.2227e-7, "2.2e-07"), (-2.2227e-7, "−2.2e-07"), (None, "–"),
     (math.nan, "–"), (math.inf, "–"), (-3, "−3")],
)  # fmt: skip
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    assert number(value) == text


def test_words_around_numbers() -> None:
    assert percent(0.766) == "76.6\N{NO-BREAK SPACE}%"
    assert counted(1, "step", "steps") == "1 step" and counted(1234, "step", "steps") == "1,234 steps"
    assert plain_name("random_encoder") == "random encoder"
