"""Torch data sets, map-style: every form an item may have."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from making import noise
from unlabeled.data.images import open_images
from unlabeled.errors import Unreadable, UserError

PIXELS = noise(6, 8)
FORMS = {
    "PIL": Image.fromarray(PIXELS),
    "array (H, W, 3)": PIXELS,
    "array (3, H, W)": PIXELS.transpose(2, 0, 1),
    "tensor (3, H, W)": torch.from_numpy(PIXELS.transpose(2, 0, 1).copy()),
    "tensor (H, W, 3)": torch.from_numpy(PIXELS),
    "float tensor (3, H, W)": torch.from_numpy(PIXELS.transpose(2, 0, 1) / 255).float(),
    "float array": PIXELS / 255,
}
GREY = {
    "PIL": Image.fromarray(PIXELS[..., 0]),
    "array (H, W)": PIXELS[..., 0],
    "tensor (1, H, W)": torch.from_numpy(PIXELS[None, ..., 0].copy()),
    "array (H, W, 1)": PIXELS[..., :1],
}


class Items(Dataset):
    """A data set of given items, which counts how often it is asked."""

    def __init__(self, items, **attributes):
        self.items, self.asked = items, 0
        vars(self).update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        self.asked += 1
        item = self.items[place]
        if isinstance(item, Exception):
            raise item
        return item


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x, 3), lambda x: (3, x), lambda x: [x, torch.tensor(3)]])
def test_every_form_of_an_item_gives_the_same_pixels(form, wrap):
    images = open_images(Items([wrap(FORMS[form])] * 2))
    np.testing.assert_array_equal(images.read(1), PIXELS)
    labelled = isinstance(wrap(0), tuple | list)
    assert images.labels_pending == labelled
    assert (images.labels.tolist() if labelled else images.labels) == ([0, 0] if labelled else None)
    assert images.classes == (["3"] if labelled else None)


@pytest.mark.parametrize("form", GREY)
def test_grey_items(form):
    np.testing.assert_array_equal(open_images(Items([GREY[form]])).read(0), np.stack([PIXELS[..., 0]] * 3, axis=2))


def test_three_rows_of_three_columns_are_read_as_each_kind_of_item_has_them():
    values = noise(3, 8)  # (3, 8, 3)
    np.testing.assert_array_equal(open_images(Items([values])).read(0), values)
    np.testing.assert_array_equal(open_images(Items([torch.from_numpy(values)])).read(0), values.transpose(1, 2, 0))


def test_labels_are_found_when_first_asked_for_and_once():
    source = Items([(PIXELS, label) for label in (5, 2, 5, 9)])
    images = open_images(source)
    assert source.asked == 1 and images.labels_pending
    part = images.subset(np.array([3, 0]))
    assert source.asked == 1
    assert part.labels.tolist() == [2, 1] and part.classes == ["2", "5", "9"]
    assert source.asked == 5
    assert images.labels.tolist() == [1, 0, 1, 2] and not images.labels_pending
    assert source.asked == 5


def test_labels_come_from_targets_without_reading():
    source = Items([(PIXELS, None)] * 4, targets=[1, 0, 1, 4])
    images = open_images(source)
    assert images.labels.tolist() == [1, 0, 1, 2] and images.classes == ["0", "1", "4"] and source.asked == 1
    part = open_images(Subset(Subset(source, [3, 2, 1]), [2, 0]))
    assert part.labels.tolist() == [0, 1] and part.classes == ["0", "4"]


@pytest.mark.parametrize("targets", [[1, 2], [[1, 0]] * 4, ["a", "b", "c", "d"], 7, [0.5, 1.5, 2.5, 3.5]])
def test_targets_that_are_no_labels_are_passed_over(targets):
    assert open_images(Items([PIXELS] * 4, targets=targets)).labels is None


def test_a_tensor_data_set():
    values = torch.rand(5, 3, 6, 8)
    images = open_images(TensorDataset(values, torch.arange(5)))
    np.testing.assert_array_equal(images.read(2), np.rint(values[2].permute(1, 2, 0).numpy() * 255))
    assert images.labels.tolist() == [0, 1, 2, 3, 4] and images.size() == 6


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (OSError("disk\nfailed"), "OSError: disk failed"),
        (torch.full((3, 6, 8), float("nan")), "NaN"),
        (torch.randn(3, 6, 8), "scale them to"),
        (np.zeros((6, 8, 3), np.int64), "type int64"),
        (np.zeros((5, 6, 8), np.uint8), "shape (5, 6, 8)"),
        (np.zeros((0, 8, 3), np.uint8), "shape (0, 8, 3)"),
        ("text", "holds no picture but str"),
        ((), "holds no picture but nothing"),
        ({"image": PIXELS}, "holds no picture but dict"),
    ],
)
def test_an_item_that_cannot_be_used_is_unreadable_and_as_the_first_one_refused(item, reason):
    images = open_images(Items([(PIXELS, 1), item]))
    with pytest.raises(Unreadable) as caught:
        images.read(1)
    assert caught.value.path == "1" and reason in caught.value.reason and "\n" not in caught.value.reason
    assert images.labels.tolist() == [0, -1]
    with pytest.raises(UserError, match="the first item of the data set Items cannot be used") as refused:
        open_images(Items([item, PIXELS]))
    assert "\n" not in str(refused.value)


def test_what_is_no_map_style_data_set():
    class Stream(IterableDataset):
        def __iter__(self):
            yield PIXELS

    class Endless(Dataset):
        def __getitem__(self, place):
            return PIXELS

    for source, fragment in (
        (Stream(), "no length"),
        (Endless(), "no length"),
        (object(), "no length"),
        (Items([]), "is empty"),
    ):
        with pytest.raises(UserError, match=fragment):
            open_images(source)


def test_the_fingerprint_reads_items_evenly(monkeypatch):
    items = [noise(4, 4, seed) for seed in range(9)]
    first = open_images(Items(items)).fingerprint()
    assert open_images(Items(list(items))).fingerprint() == first
    assert open_images(Items([*items[:-1], OSError()])).fingerprint() != first
    assert open_images(Items(items[:-1])).fingerprint() != first


def test_pickling():
    images = open_images(Items([(PIXELS, 0), (PIXELS, 1)]))
    assert pickle.loads(pickle.dumps(images)).labels.tolist() == [0, 1]
