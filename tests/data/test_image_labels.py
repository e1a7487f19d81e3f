"""The CSV file of labels."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import idx_pair, photo, write
from unlabeled.data.images import open_images
from unlabeled.data.images.labels import number
from unlabeled.data.skipped import Skipped
from unlabeled.errors import UserError


@pytest.fixture
def root(tmp_path):
    for name in ("a.png", "b/c.png", "b/d e.png", "é.png", "comma,.png"):
        photo(tmp_path / "photos" / name)
    return tmp_path / "photos"


def labels_of(root, text: str) -> dict[str, str | None]:
    """The label of every picture, by name."""
    images = open_images(root, write(root.parent / "labels.csv", text.encode()))
    return {
        name: None if label < 0 else images.classes[label]
        for name, label in zip(images.names, images.labels.tolist(), strict=True)
    }


def test_labels_are_any_text_and_pictures_without_a_row_have_none(root):
    found = labels_of(root, 'path,label\na.png,a cat\nb/c.png,日本\né.png,\n"comma,.png",a cat\n')
    assert found == {"a.png": "a cat", "b/c.png": "日本", "b/d e.png": None, "comma,.png": "a cat", "é.png": None}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath,label\r\na.png,x\r\nb/d e.png,y\r\n",  # as spreadsheets save it
        "label,note,path\nx,1,a.png\ny,,b/d e.png\n",
        "path, label\n./a.png, x \nb\\d e.png,y\n",
        "path,label\n\na.png,x\na.png,x\n\nb/d e.png,y",
        "path,label\na.png,x\nROOT/b/d e.png,y\n",
    ],
)
def test_the_ways_people_write_it(root, text):
    found = labels_of(root, text.replace("ROOT", str(root)))
    assert {name: label for name, label in found.items() if label} == {"a.png": "x", "b/d e.png": "y"}


def test_it_replaces_the_classes_of_the_folders(tmp_path):
    for name in ("a/1.png", "b/1.png"):
        photo(tmp_path / "x" / name)
    assert open_images(tmp_path / "x").classes == ["a", "b"]
    assert labels_of(tmp_path / "x", "path,label\na/1.png,same\nb/1.png,same\n") == {
        "a/1.png": "same",
        "b/1.png": "same",
    }


def test_rows_without_a_picture_are_listed(root):
    write(root / "cut.png", b"\x89PNG\r\n\x1a\n")
    images = open_images(root, write(root.parent / "l.csv", b"path,label\na.png,x\nno.png,y\n../a.png,z\ncut.png,x\n"))
    assert [one for one in images.skipped if one.path != "cut.png"] == [
        Skipped("../a.png", "in l.csv (line 4) but not among the pictures"),
        Skipped("no.png", "in l.csv (line 3) but not among the pictures"),
    ]
    assert [one.reason.split(" ")[0] for one in images.skipped if one.path == "cut.png"] != ["in"]
    assert images.classes == ["x"]


def test_labels_for_idx_by_the_number(tmp_path):
    idx_pair(tmp_path / "x")
    assert labels_of(tmp_path / "x", "path,label\n0,even\n1,odd\n") == {
        "0": "even",
        "1": "odd",
        "2": None,
        "3": None,
        "4": None,
    }


def test_whole_numbers_are_sorted_as_numbers_and_other_names_as_text():
    assert number(["10", "9", "-1", None]).classes == ["-1", "9", "10"]
    assert number(["10", "9", "x"]).classes == ["10", "9", "x"]
    labels = number(["b", "", "a", "b"])
    assert labels.values.tolist() == [1, -1, 0, 1] and labels.values.dtype == np.int64


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(st.lists(st.text(max_size=8), max_size=4), max_size=4).map(
            lambda rows: ("path,label\na.png,x\n" + "\n".join(",".join(row) for row in rows)).encode("utf-8", "replace")
        ),
    )
)
def test_any_bytes_are_labels_or_one_sentence(root, content):
    try:
        images = open_images(root, write(root.parent / "labels.csv", content))
    except UserError as error:
        assert "\n" not in str(error) and str(error).endswith(".")
    else:
        assert len(images.labels) == 5 and images.labels.max() < len(images.classes)
