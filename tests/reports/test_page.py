"""The page as a file: whole, harmless, quiet, and the same each time."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from reports.material import HOSTILE, material, noise, plane
from unlabeled.reports.gallery import COLOURS, neighbours, slots
from unlabeled.reports.material import Query, Seen, Shown
from unlabeled.reports.page import MENU, page
from unlabeled.reports.pictures import jpeg
from unlabeled.reports.sections import LISTED, flat

VOID = {"meta", "link", "img", "line", "circle", "path", "br"}
LOADS = ("src", "href", "srcset", "data", "poster", "action", "formaction", "xlink:href", "background", "style")


class Reader(HTMLParser):
    """A page taken apart: elements, their attributes, text; open and close are held to match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    return page(material())


def test_names_do_nothing(text: str) -> None:
    read, plain = Reader(text), Reader(page(material(tuple(f"name{place}" for place in range(len(HOSTILE))))))
    assert [name for name, _ in read.elements] == [name for name, _ in plain.elements], "no name is an element"
    assert [sorted(found) for _, found in read.elements] == [sorted(found) for _, found in plain.elements]
    assert not [name for _, found in read.elements for name in found if name.startswith("on")]
    text.encode()  # no broken Unicode
    said = "".join(read.words)
    assert "<script>alert(1)</script>" in said and "broken\\udce9.png" in said and "\\u202egnp.jpg" in said


def test_nothing_is_loaded_from_anywhere(text: str) -> None:
    for name, found in Reader(text).elements:
        for attribute in LOADS:
            assert re.match(r"data:|#", found.get(attribute) or "#"), (name, attribute, found[attribute])
    assert not re.search(r"https?://|//cdn|@import|url\(", text.replace("http-equiv", ""))


def test_the_policy_allows_this_script_and_style_and_nothing_else(text: str) -> None:
    policy = next(each["content"] for each in Reader(text).all("meta") if each.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_it_can_be_read_without_eyes(text: str) -> None:
    read = Reader(text)
    assert read.all("html")[0]["lang"] == "en" and len(read.all("h1")) == 1 and len(read.all("main")) == 1
    levels = [int(name[1]) for name, _ in read.elements if re.fullmatch("h[1-6]", name)]
    assert all(after <= before + 1 for before, after in pairwise(levels)), "no level is left out"
    assert all("alt" in image for image in read.all("img"))
    assert all(image["alt"] for image in read.all("img") if "hidden" not in image)
    assert all(svg.get("aria-label") for svg in read.all("svg"))
    ids = [found["id"] for _, found in read.elements if "id" in found]
    there = set(MENU) - {"inside", "stream"}  # pictures have no clusters level by level, and SimCLR no components
    assert len(ids) == len(set(ids)) and there <= set(ids) and not {"inside", "stream"} & set(ids)
    assert {link["href"] for link in read.all("a")} == {f"#{name}" for name in there}
    assert all(found.get("scope") for found in read.all("th"))
    assert read.all("noscript")


def test_the_figures_are_there(text: str) -> None:
    said = "".join(Reader(text).words)
    for expected in (
        "1,234,567 parameters", "75.0\N{NO-BREAK SPACE}%", "70.0\N{NO-BREAK SPACE}% to 80.0\N{NO-BREAK SPACE}%",
        "random encoder", "12.5", "1:01", "crop-area", "0.08, 1.0", "t-SNE", "0.990", "1 of 2 of its class",
        "another class",
    ):  # fmt: skip
        assert expected in said or expected in text, expected


def test_the_same_material_gives_the_same_page() -> None:
    assert page(material()) == page(material())


def test_what_is_not_there_is_said_in_a_sentence() -> None:
    gone = "The data is not there, so this cannot be shown: nothing."
    read = Reader(page(material(seen=gone, metrics=[], comparisons=[], label_free=[], skipped=[])))
    said = "".join(read.words)
    assert said.count(gone) == 3 and "No figures were logged." in said and "every sample could be read" in said
    assert not read.all("canvas") and not read.all("img")
    empty = Seen(samples=1, drawn=1, unreadable=1, plane=None, queries=[], views=[])
    assert "which makes no map" in "".join(Reader(page(material(seen=empty))).words)


def test_long_lists_say_what_they_leave_out() -> None:
    skipped = [(f"picture{place:04}.jpg", "empty") for place in range(1234)]
    text = page(material(skipped=skipped))
    assert "1,234 samples were left out." in text and f"1,{234 - LISTED} more" in text
    assert f"picture{LISTED - 1:04}" in text and f"picture{LISTED:04}" not in text
    classes = [f"class {place}" for place in range(100)]
    many = plane([str(place) for place in range(300)], classes, noise(300, 16))
    seen = Seen(samples=9999, drawn=300, unreadable=2, plane=many, queries=[], views=[])
    text = page(material(seen=seen))
    assert "and 40 classes more" in text and "300 samples of 9,999, drawn by the run&#x27;s seed" in text.replace(
        "'", "&#x27;"
    )
    assert "2 samples could not be embedded" in text


def test_the_largest_classes_have_colours() -> None:
    drawn = plane([str(place) for place in range(40)], [f"c{place}" for place in range(12)], noise(40))
    drawn.labels[:] = np.repeat(np.arange(12), [1, 5, 3, 3, 3, 4, 3, 3, 6, 3, 3, 3])
    assert slots(drawn) == [COLOURS, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, COLOURS]


def test_ten_thousand_pictures_stay_under_ten_megabytes() -> None:
    """Pictures of noise, which no compression likes, and names as long as names are."""
    names = [f"a folder of photographs/another folder/photograph number {place:08}.jpeg" for place in range(10_000)]
    drawn = plane(names, [f"class {place}" for place in range(10)], noise(10_000, 32))
    text = page(material(seen=Seen(10_000, 10_000, 0, drawn, [], [])))
    assert 4e6 < len(text.encode()) < 10e6


def test_settings_go_by_the_names_of_their_flags() -> None:
    config = {"seed": 0, "views": {"crop_area": [0.1, 1.0], "flip": True}, "init": None, "weight_decay": 1e-6}
    assert flat(config) == {
        "seed": "0", "views.crop-area": "0.1, 1.0", "views.flip": "yes", "init": "–", "weight-decay": "1e-06",
    }  # fmt: skip


def test_neighbours_without_classes_are_known_by_short_names_and_pictures_are_explained() -> None:
    picture = jpeg(np.zeros((8, 8, 3), np.uint8))
    one, near, far = (Shown(name, None, picture) for name in ("ann", "bob", "a-folder/a-long-name.jpg"))
    queries = [Query(one, [(near, 0.9), (far, 0.5)])]
    text = neighbours(Seen(3, 3, 0, None, queries, [], shows="A bar is a week."))
    assert "<span>bob</span>" in text and "A bar is a week." in text
    assert "<span>a-folder" not in text, "long names stand in the picture's title alone"
