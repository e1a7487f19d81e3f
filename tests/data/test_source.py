"""`recognise` and `describe`."""

import gzip

import numpy as np
import pytest

from making import idx, idx_pair, noise, packed, photo, write
from unlabeled.data.images import open_images
from unlabeled.data.source import describe, recognise, settled


def test_images_are_recognised_in_all_their_forms(tmp_path):
    photo(tmp_path / "deep" / "er" / "a.JPG")
    write(tmp_path / "deep" / "captions.txt", b"")
    photo(tmp_path / "hash" / "0a1b")
    idx_pair(tmp_path / "idx")
    np.savez(tmp_path / "x.npz", images=noise()[None])
    (tmp_path / "empty").mkdir()
    for name in ("deep", "hash", "idx", "x.npz", "idx/train-images-idx3-ubyte.gz", "deep/er/a.JPG", "empty"):
        assert recognise(tmp_path / name) == recognise(str(tmp_path / name)) == "images"
    assert recognise(write(tmp_path / "plain", gzip.compress(idx(noise())))) == "images"
    assert recognise(write(tmp_path / "x.dat", packed(noise(), "PNG"))) == "images"
    assert recognise(noise()[None]) == recognise((noise()[None], [1])) == "images"


def test_a_settled_path_is_the_one_that_is_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    photo(tmp_path / "photos" / "a.png")
    assert settled("~/photos") == open_images("~/photos").place == str(tmp_path / "photos")


def test_recognising_opens_no_picture(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    monkeypatch.setattr("builtins.open", None)
    assert recognise(tmp_path) == "images"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.png"], "1 image"),
        (["a/1.png", "b/1.png", "b/2.png"], "3 images in 2 classes"),
        (["a/1.png", "b/1.png", "b/2.txt"], "2 images in 2 classes; 1 file of another kind"),
        (["1.png", "2.png", "bad.png", "bad2.png", "x.txt", "y.txt"], "2 images; 2 unreadable; 2 files of other kinds"),
    ],
)
def test_the_line_for_people(tmp_path, names, text):
    for name in names:
        write(tmp_path / name, b"") if "bad" in name or name.endswith("txt") else photo(tmp_path / name)
    assert describe(open_images(tmp_path)) == text


def test_the_line_for_people_of_many_partly_labelled(tmp_path):
    pixels = np.zeros((1203, 2, 2), np.uint8)
    assert describe(open_images(pixels)) == "1,203 images"
    assert describe(open_images((pixels, [-1, -1, *range(1201)]))) == "1,203 images in 1,201 classes, 2 unlabelled"
    assert describe(open_images((pixels[:2], [0, 0]))) == "2 images in 1 class"


def test_the_line_for_people_does_not_read_a_data_set():
    class Items:
        def __len__(self):
            return 2

        def __getitem__(self, place):
            assert place == 0
            return noise(), 3

    assert describe(open_images(Items())) == "2 images, labels not looked at yet"
