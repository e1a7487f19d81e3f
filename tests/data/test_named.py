"""Data sets of torchvision by name, against torchvision itself on small made folders."""

import builtins
import contextlib
import inspect
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets as tv
from scipy.io import savemat

from making import batch_of_cifar, idx_pair, photo, write
from unlabeled.data.images import open_images
from unlabeled.data.images.named import DATA_SETS, named
from unlabeled.data.source import describe, recognise, settled
from unlabeled.errors import UserError

NAMES = ["first", "second", "third"]


def pixels(count: int, side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def list_of(names: list[str]) -> bytes:
    """A pickle of Python 2 of a list of short text."""
    return b"](" + b"".join(b"U" + bytes((len(name),)) + name.encode() for name in names) + b"e"


def cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    for number in range(1, 6):
        batch_of_cifar(folder / f"data_batch_{number}", pixels(3, 32, number), {"labels": [number % 3, 2, 0]})
    batch_of_cifar(folder / "test_batch", pixels(2, 32, 9), {"labels": [1, 0]})
    content = (
        b"\x80\x02}q\x01(U\x13num_cases_per_batchM\x10'U\x0blabel_names" + list_of(NAMES) + b"U\x07num_visM\x00\x0cu."
    )
    write(folder / "batches.meta", content)


def cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    for part, labels in (("train", [2, 0, 1]), ("test", [1, 1])):
        both = {"fine_labels": labels, "coarse_labels": [19] * len(labels)}
        batch_of_cifar(folder / part, pixels(len(labels), 32), both)
    content = (
        b"\x80\x02}q\x01(U\x10fine_label_names" + list_of(NAMES) + b"U\x12coarse_label_names" + list_of(["x"]) + b"u."
    )
    write(folder / "meta", content)


def mnist(name: str):
    def build(root: Path) -> None:
        for part in ("train", "t10k"):
            idx_pair(root / name / "raw", part, 5, len(part), zipped=False)

    return build


def svhn(root: Path) -> None:
    for split in ("train", "test"):
        savemat(
            root / f"{split}_32x32.mat",
            {"X": pixels(4, 32).transpose(1, 2, 3, 0), "y": np.array([[10], [1], [2], [10]])},
        )


def stl10(root: Path) -> None:
    folder = root / "stl10_binary"
    for split in ("train", "test", "unlabeled"):
        write(folder / f"{split}_X.bin", pixels(2, 96).transpose(0, 3, 2, 1).tobytes())
        write(folder / f"{split}_y.bin", bytes((3, 1)))
    write(folder / "class_names.txt", "\n".join(NAMES).encode())


def tree(*folders: str):
    """Two classes of two photos in each of the folders."""

    def build(root: Path) -> None:
        for number, folder in enumerate(folders):
            for name in ("b/1.jpg", "a/2.jpg", "a/1.jpg", "b/2.jpg"):
                photo(root / folder / name, number)

    return build


def food(root: Path) -> None:
    tree("food-101/images")(root)
    for split, row in (("train", 1), ("test", 2)):
        write(root / "food-101" / "meta" / f"{split}.json", f'{{"b": ["b/{row}"], "a": ["a/{row}"]}}'.encode())


def textures(root: Path) -> None:
    tree("dtd/dtd/images")(root)
    write(root / "dtd" / "dtd" / "labels" / "train1.txt", b"b/1.jpg\na/2.jpg\n")


def flowers(root: Path) -> None:
    for number in (1, 2, 3):
        photo(root / "flowers-102" / "jpg" / f"image_{number:05}.jpg", number)
    savemat(root / "flowers-102" / "imagelabels.mat", {"labels": np.array([[2, 1, 2]])})
    savemat(root / "flowers-102" / "setid.mat", {"trnid": [[3, 1]], "valid": [[2, 1]], "tstid": [[2, 3]]})


def aircraft(root: Path) -> None:
    data = root / "fgvc-aircraft-2013b" / "data"
    for name in ("001", "002"):
        photo(data / "images" / f"{name}.jpg", int(name))
    write(data / "variants.txt", b"707-320\nA 300\n")
    write(data / "images_variant_train.txt", b"002 A 300\n001 707-320\n")


def scenes(root: Path) -> None:
    for name in ("b/beach/sun_1.jpg", "a/abbey/sun_2.jpg"):
        photo(root / "SUN397" / name)
    write(root / "SUN397" / "ClassName.txt", b"/a/abbey\n/b/beach\n")


def words(root: Path) -> None:
    for name in ("negative/1.png", "positive/1.png", "positive/2.png"):
        photo(root / "rendered-sst2" / "train" / name)


FOLDERS = {
    "CIFAR10": cifar10,
    "CIFAR100": cifar100,
    "MNIST": mnist("MNIST"),
    "FashionMNIST": mnist("FashionMNIST"),
    "KMNIST": mnist("KMNIST"),
    "SVHN": svhn,
    "STL10": stl10,
    "Food101": food,
    "Flowers102": flowers,
    "DTD": textures,
    "FGVCAircraft": aircraft,
    "Country211": tree("country211/train", "country211/valid", "country211/test"),
    "RenderedSST2": words,
    "EuroSAT": tree("eurosat/2750"),
    "SUN397": scenes,
}


@pytest.fixture(autouse=True)
def made_folders_count_as_whole(monkeypatch):
    """torchvision compares sums of the real files; these are made."""
    for module in (tv.cifar, tv.svhn, tv.stl10, tv.flowers102):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: Path(path).is_file())


def test_every_data_set_is_tested():
    assert list(FOLDERS) == list(DATA_SETS)
    assert all(splits.splits[0] == "train" for splits in DATA_SETS.values())


@pytest.mark.parametrize("name", FOLDERS)
def test_pictures_and_labels_are_those_of_torchvision(tmp_path, name):
    FOLDERS[name](tmp_path)
    images = open_images(f"torchvision:{name}:{tmp_path}")
    assert (
        recognise(f"torchvision:{name}:{tmp_path}") == "images"
        and images.place == f"torchvision:{name}/train:{tmp_path}"
    )
    options = {"split": "train"} if "split" in inspect.signature(getattr(tv, name)).parameters else {}
    known = getattr(tv, name)(tmp_path, **options)
    classes = [one if isinstance(one, str) else one[0] for one in getattr(known, "classes", [])]
    expected = sorted((np.asarray(picture.convert("RGB")).tobytes(), label) for picture, label in known)
    found = []
    for place in range(len(images)):
        called = images.classes[images.labels[place]]
        found.append((images.read(place).tobytes(), classes.index(called) if called in classes else int(called)))
    assert sorted(found) == expected and len(found) >= 2
    assert images.skipped == []


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100", "MNIST", "SVHN", "Food101"])
def test_the_test_split(tmp_path, name):
    FOLDERS[name](tmp_path)
    options = {"train": False} if name in ("CIFAR10", "CIFAR100", "MNIST") else {"split": "test"}
    known = getattr(tv, name)(tmp_path, **options)
    images = open_images(f"torchvision:{name}/test:{tmp_path}")
    assert len(images) == len(known)
    shown = {images.read(place).tobytes() for place in range(len(images))}
    assert shown == {np.asarray(picture.convert("RGB")).tobytes() for picture, _ in known}


def test_the_unlabelled_part_of_stl10(tmp_path):
    stl10(tmp_path)
    images = open_images(f"torchvision:STL10/train+unlabeled:{tmp_path}")
    assert images.labels.tolist() == [1, 0, -1, -1] and images.classes == ["first", "third"]
    assert describe(images) == "4 images in 2 classes, 2 unlabelled"


def test_files_are_read_as_files_are(tmp_path):
    food(tmp_path)
    write(tmp_path / "food-101" / "images" / "b" / "1.jpg", b"\xff\xd8\xff cut")
    images = open_images(f"torchvision:Food101:{tmp_path}")
    assert images.names == ["food-101/images/a/1.jpg"] and [one.path for one in images.skipped] == [
        "food-101/images/b/1.jpg"
    ]
    write(tmp_path / "food-101" / "meta" / "train.json", b'{"a": ["a/1"], "../../../b": ["../../../outside"]}')
    photo(tmp_path.parent / "outside.jpg")
    assert "refused" in open_images(f"torchvision:Food101:{tmp_path}").skipped[0].reason


def test_labels_of_a_table_replace_its_own(tmp_path):
    cifar10(tmp_path)
    labels = write(tmp_path / "labels.csv", b"path,label\n0,x\n14,y\n")
    assert open_images(f"torchvision:CIFAR10:{tmp_path}", labels).labels.tolist() == [0, *[-1] * 13, 1]


class Evil:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.unlabeled_was_here = True",))


def test_nothing_is_ever_unpickled(tmp_path):
    cifar10(tmp_path)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = {"labels": [1, 2], "data": b"x" * 2 * 3072, "x": Evil()}
        write(batch, pickle.dumps(content, protocol=protocol))
        with contextlib.suppress(UserError):
            open_images(f"torchvision:CIFAR10:{tmp_path}")
        assert not hasattr(builtins, "unlabeled_was_here")
    pickle.loads(batch.read_bytes())  # the file is as bad as it should be
    assert builtins.unlabeled_was_here
    del builtins.unlabeled_was_here


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-3000],
        lambda content: content.replace(b"labels", b"lobels"),
        lambda content: content.replace(b"q\x05(K", b"q\x05(K\x01K", 1),
        lambda content: content.replace(struct.pack("<i", 3 * 3072), struct.pack("<i", 1 << 30)),
        lambda content: b"\xff" * 100,
    ],
)
def test_a_damaged_batch_is_answered_by_one_sentence(tmp_path, change):
    cifar10(tmp_path)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    write(batch, change(batch.read_bytes()))
    with pytest.raises(UserError) as caught:
        open_images(f"torchvision:CIFAR10:{tmp_path}")
    message = str(caught.value)
    assert "\n" not in message and message.endswith("fetch it again.") and "data_batch_1" in message


@pytest.mark.parametrize("name", FOLDERS)
def test_absent_data_is_answered_by_what_to_do(tmp_path, name, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *rest, **more: pytest.fail("a download"))
    with pytest.raises(UserError) as caught:
        open_images(f"torchvision:{name}:{tmp_path}")
    message = str(caught.value)
    assert f"torchvision.datasets.{name}(FOLDER, download=True)" in message and "Errno" not in message
    assert "\n" not in message and message.endswith(".") and ". " not in message


@pytest.mark.parametrize(
    ("source", "fragment"),
    [
        ("torchvision:", "names no folder"),
        ("torchvision:CIFAR10", "names no folder"),
        ("torchvision:CIFAR10:", "names no folder"),
        ("torchvision:ImageNet:.", "no data set 'ImageNet' is known; known are CIFAR10"),
        ("torchvision:__doc__:.", "no data set '__doc__' is known"),
        ("torchvision:CIFAR10/val:.", "CIFAR10 has no split 'val'; it has train, test"),
        ("torchvision:CIFAR10:/absent/folder", "there is no folder '/absent/folder'"),
        ("torchvision:CIFAR10:a\0b", "there is no folder"),
    ],
)
def test_a_name_that_is_none(source, fragment):
    for door in (open_images, recognise, settled):
        with pytest.raises(UserError) as caught:
            door(source)
        message = str(caught.value)
        assert fragment in message and "\n" not in message and message.endswith(".")


def test_names_do_not_collide_with_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "torchvision:CIFAR10:x" / "a.png")
    assert open_images("./torchvision:CIFAR10:x").names == ["a.png"]
    assert open_images(tmp_path / "torchvision:CIFAR10:x").names == ["a.png"]
    (tmp_path / "a:b").mkdir()
    assert named("torchvision:SVHN/extra:a:b").root == f"{tmp_path}/a:b"


def test_a_settled_name_means_the_same_from_any_folder(tmp_path, monkeypatch):
    cifar10(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    whole = settled("torchvision:CIFAR10:data")
    assert whole == f"torchvision:CIFAR10/train:{tmp_path}/data" and settled(whole) == whole
    assert settled("data") == str(tmp_path / "data")
    os.chdir("/")
    assert len(open_images(whole)) == 15
