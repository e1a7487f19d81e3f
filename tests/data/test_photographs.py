"""The built-in sample, and the digits of the quick tests."""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from digits import digits
from unlabeled.data import photographs as module
from unlabeled.data.images import decode
from unlabeled.data.photographs import PHOTOGRAPHS, photographs


@pytest.fixture(scope="module")
def sample():
    return photographs()


def pixels(images) -> np.ndarray:
    return np.stack([images.read(place) for place in range(len(images))])


def nearest(train, test, k: int = 20) -> float:
    """Accuracy of the majority of the k nearest by cosine, on raw pixels, in float64."""
    a, b = (pixels(images).reshape(len(images), -1) / 255 for images in (train, test))
    similar = (b / (np.linalg.norm(b, axis=1, keepdims=True) + 1e-12)) @ (
        a / (np.linalg.norm(a, axis=1, keepdims=True) + 1e-12)
    ).T
    votes = train.labels[np.argsort(-similar, axis=1, kind="stable")[:, :k]]
    counts = (votes[..., None] == np.arange(len(train.classes))).sum(1)
    return float((counts.argmax(1) == test.labels).mean())


def test_three_thousand_patches_of_the_left_and_one_thousand_of_the_right(sample):
    train, test = sample
    assert (len(train), len(test), train.size()) == (3000, 1000, 32)
    assert sorted(PHOTOGRAPHS) == train.classes == test.classes
    assert np.bincount(train.labels).tolist() == [300] * 10 and np.bincount(test.labels).tolist() == [100] * 10
    for images in sample:
        assert [name.split("/")[0] for name in images.names] == [images.classes[label] for label in images.labels]
    assert pixels(train).shape == (3000, 32, 32, 3)


def test_no_pixel_is_in_both_parts(monkeypatch):
    """In a photograph of numbered columns, those of the two parts do not meet."""
    columns = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None].repeat(70, 0), 3, axis=2)
    monkeypatch.setattr(module, "_read", lambda package, file: columns)
    train, test = photographs(size=32, train=200, test=200)
    left, right = pixels(train), pixels(test)
    assert left.max() < 120 <= right.min()  # three fifths of 200
    assert left.min() == 0 and left.max() == 119 and right.min() == 120 and right.max() == 199


def test_patches_are_those_of_the_photograph_shrunk_by_the_mean_of_areas(sample):
    train, _ = sample
    astronaut = decode(Path(find_spec("skimage").origin).parent / "data" / "astronaut.png")  # 512 x 512, halved
    left = astronaut[:, :306].reshape(256, 2, 153, 2, 3).astype(float).mean((1, 3))
    for place in range(5):
        patch = train.read(place)
        found = min(
            np.abs(left[top : top + 32, side : side + 32] - patch).max()
            for top in range(225)
            for side in range(122)
            if np.abs(left[top, side] - patch[0, 0]).max() <= 1
        )
        assert found <= 1


def test_the_same_seed_gives_the_same_patches(sample):
    again, other = photographs(), photographs(seed=1)
    for mine, same, different in zip(sample, again, other, strict=True):
        assert mine.fingerprint() == same.fingerprint() != different.fingerprint()
    assert sample[0].fingerprint() != sample[1].fingerprint()


def test_raw_pixels_leave_room_for_a_network(sample):
    assert 0.3 < nearest(*sample) < 0.5


@pytest.mark.parametrize("size", [8, 64, 96])
def test_other_sizes(size):
    train, test = photographs(size=size, train=3, test=2)
    assert pixels(train).shape == (30, size, size, 3) and pixels(test).shape == (20, size, size, 3)


@pytest.mark.parametrize("size", [0, 7, 97])
def test_a_size_that_does_not_fit(size):
    with pytest.raises(ValueError, match="from 8 to 96"):
        photographs(size=size)


def test_the_packages_are_not_imported_and_it_is_quick():
    code = (
        "import sys; sys.modules['torch'] = sys; from unlabeled.data.photographs import photographs; photographs();"
        "print(*sys.modules)"
    )  # torch is not needed here, and takes its time
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"skimage", "sklearn", "scipy"} & set(answer.stdout.split())
    before = time.perf_counter()
    photographs()
    assert time.perf_counter() - before < 3


def test_the_digits():
    train, test = digits()
    assert (len(train), len(test), train.size(), train.classes) == (1347, 450, 8, list("0123456789"))
    assert train.labels[:10].tolist() == list(range(10))
    assert train.read(0)[..., 0][0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0 sixteenths
    assert nearest(train, test) > 0.9
