"""Folders: what is found, what is left out, which classes, in which order."""

import multiprocessing
import os
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from making import noise, packed, photo, png_claiming, smooth, write
from unlabeled.data.images import Images, decode, open_images
from unlabeled.data.skipped import Skipped
from unlabeled.errors import Unreadable, UserError


def reasons(images: Images) -> dict[str, str]:
    return {one.path: one.reason for one in images.skipped}


def test_pictures_come_in_the_order_of_their_names_and_are_what_decode_gives(tmp_path):
    names = ["b/2.png", "a/10.jpg", "a/9.png", "é/1.png", "a/sub/deep/1.png", "B/1.JPG"]
    for seed, name in enumerate(names):
        photo(tmp_path / name, seed)
    images = open_images(tmp_path)
    assert images.names == sorted(names) == ["B/1.JPG", "a/10.jpg", "a/9.png", "a/sub/deep/1.png", "b/2.png", "é/1.png"]
    assert len(images) == 6 and images.place == str(tmp_path) and images.skipped == []
    for place, name in enumerate(images.names):
        np.testing.assert_array_equal(images.read(place), decode(tmp_path / name))


def test_the_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    for seed in range(9):
        photo(tmp_path / f"{seed % 3}" / f"{seed}.png", seed)
    before = open_images(tmp_path)
    monkeypatch.setattr(os, "scandir", _backwards(os.scandir))
    after = open_images(tmp_path)
    assert (after.names, after.fingerprint()) == (before.names, before.fingerprint())


def _backwards(scandir):
    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    return Backwards


CLASSES = {
    "one folder a class": (["cat/1.png", "dog/2.png", "dog/x/3.png"], ["cat", "dog"], [0, 1, 1]),
    "a picture in the root": (["1.png", "cat/1.png", "dog/2.png"], None, None),
    "one folder": (["photos/1.png", "photos/cat/2.png"], None, None),
    "parts of a data set": (["train/cat/1.png", "Test/dog/2.png", "val/dog/3.png"], None, None),
    "a class that is called like a part": (["test/1.png", "cat/2.png"], ["cat", "test"], [0, 1]),
    "numbers": (["10/a.png", "9/b.png", "0/c.png"], ["0", "9", "10"], [0, 2, 1]),
}


@pytest.mark.parametrize("case", CLASSES)
def test_the_first_folder_is_the_class(tmp_path, case):
    names, classes, labels = CLASSES[case]
    for name in names:
        photo(tmp_path / name)
    write(tmp_path / "notes" / "readme.txt", b"a folder without pictures is no class")
    images = open_images(tmp_path)
    assert images.classes == classes
    assert (images.labels if labels is None else images.labels.tolist()) == labels
    if labels is not None:
        assert images.labels.dtype == np.int64
        assert [images.classes[label] for label in images.labels] == [name.split("/")[0] for name in images.names]


def test_what_cannot_be_read_is_listed_with_the_reason(tmp_path):
    content = packed(noise(40, 40), "JPEG")
    photo(tmp_path / "good.jpg")
    write(tmp_path / "cut.jpg", content[: len(content) // 2])
    write(tmp_path / "a" / "empty.png", b"")
    write(tmp_path / "text.jpeg", b"this is text")
    write(tmp_path / "bomb.png", png_claiming(50_000, 50_000))
    write(tmp_path / "phone.HEIC", b"\0\0\0\x18ftypheic")
    write(tmp_path / "page.html", b"<html>")
    write(tmp_path / "LICENSE", b"text without an extension")
    write(tmp_path / ".hidden.jpg", b"")
    write(tmp_path / ".cache" / "x.jpg", b"")
    write(tmp_path / "__MACOSX" / "._good.jpg", b"")
    images = open_images(tmp_path)
    assert images.names == ["good.jpg"]
    found = reasons(images)
    assert list(found) == ["a/empty.png", "bomb.png", "cut.jpg", "phone.HEIC", "text.jpeg"]
    assert found["a/empty.png"] == "empty file"
    assert found["cut.jpg"].startswith("truncated")
    assert found["text.jpeg"] == "not a picture in a known format"
    assert found["bomb.png"] == "too large: it claims 50000 x 50000 pixels, the limit is 89,478,485"
    assert "convert it to JPEG" in found["phone.HEIC"]
    assert images.ignored == 2


def test_a_picture_without_an_extension_or_with_a_wrong_one_is_read(tmp_path):
    photo(tmp_path / "0a1b2c")
    write(tmp_path / "wrong.gif", packed(noise(), "PNG"))
    images = open_images(tmp_path)
    assert images.names == ["0a1b2c", "wrong.gif"] and images.ignored == 0
    np.testing.assert_array_equal(images.read(1), noise())


def test_names_with_unicode_spaces_and_new_lines(tmp_path):
    names = ["a\nb.png", "a b;c,d'\".png", "日本/猫 🐈.png", "combining e\u0301.png", "tab\t.png", "back\\slash.png"]
    for seed, name in enumerate(names):
        photo(tmp_path / name, seed)
    photo(tmp_path / "cut\n.jpg").write_bytes(b"\xff\xd8\xff")
    images = open_images(tmp_path)
    assert images.names == sorted(names)
    for place, name in enumerate(images.names):
        np.testing.assert_array_equal(images.read(place), noise(seed=names.index(name)))
    assert [str(one).count("\n") for one in images.skipped] == [0]
    assert str(images.skipped[0]).startswith("cut\\n.jpg: ")


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_not_utf_8_is_listed(tmp_path):
    photo(tmp_path / "good.png")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.png")).write_bytes(packed(noise(), "PNG"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert open_images(tmp_path).skipped == [Skipped("b\\xff.png", "its name is not UTF-8")]
    bad = tmp_path / os.fsdecode(b"b\xff.png")
    with pytest.raises(UserError, match="its name is not UTF-8"):
        open_images(bad)
    listed = open_images([bad, tmp_path / "good.png"])
    assert len(listed) == 1 and listed.skipped == [Skipped(f"{tmp_path}/b\\xff.png", "its name is not UTF-8")]


def test_links_are_refused_where_they_lead_out_and_not_followed_into_folders(tmp_path):
    root = tmp_path / "root"
    outside = photo(tmp_path / "outside" / "secret.png", 1)
    photo(root / "a" / "real.png", 2)
    (root / "a" / "alias.png").symlink_to("real.png")
    (root / "out.png").symlink_to(outside)
    (root / "up.png").symlink_to("../outside/secret.png")
    (root / "twice.png").symlink_to("out.png")
    (root / "no_extension").symlink_to(outside)
    (root / "nothing.png").symlink_to("absent.png")
    (root / "loop.png").symlink_to("loop.png")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "around").symlink_to(root)
    (root / "device.png").symlink_to("/dev/zero")
    (root / "root_sibling.png").symlink_to(photo(tmp_path / "root2" / "x.png"))
    images = open_images(root)
    assert images.names == ["a/alias.png", "a/real.png"]
    found = reasons(images)
    out = "a link out of the folder, which is refused"
    for name in ("out.png", "up.png", "twice.png", "no_extension", "device.png", "root_sibling.png"):
        assert found.pop(name) == out, name
    assert found.pop("nothing.png") == found.pop("loop.png") == "a link to nothing"
    assert found.pop("folder") == found.pop("around") == "a link to a folder, which is not followed"
    assert not found


def test_a_root_that_is_a_link_is_the_users_choice(tmp_path):
    photo(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "b.png").symlink_to("a.png")
    (tmp_path / "link").symlink_to("real")
    images = open_images(tmp_path / "link")
    assert images.names == ["a.png", "b.png"] and images.place == str(tmp_path / "link")


def test_a_fifo_and_a_socket_are_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "fifo.png")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as here:
        here.bind("socket.png")
        images = open_images(tmp_path)
    assert images.names == ["a.png"]
    assert reasons(images) == dict.fromkeys(["fifo", "fifo.png", "socket.png"], "not a regular file")


def test_a_folder_that_may_not_be_read_is_listed(tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "closed" / "b.png")
    (tmp_path / "closed").chmod(0)
    try:
        if os.access(tmp_path / "closed", os.R_OK):
            pytest.skip("whoever runs this may read everything")
        assert reasons(open_images(tmp_path)) == {"closed": "permission denied"}
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_very_deep_tree(tmp_path):
    photo(tmp_path / "/".join("d" * 300) / "x.png")
    assert len(open_images(tmp_path)) == 1


def test_a_picture_that_vanishes_is_unreadable_by_its_name(tmp_path):
    photo(tmp_path / "a" / "1.png")
    images = open_images(tmp_path)
    (tmp_path / "a" / "1.png").unlink()
    with pytest.raises(Unreadable) as caught:
        images.read(0)
    assert (caught.value.path, caught.value.reason) == ("a/1.png", "no such file")


def test_the_fingerprint_is_of_names_lengths_and_times(tmp_path):
    for seed in range(3):
        photo(tmp_path / "one" / f"{seed}.png", seed)
    first = open_images(tmp_path / "one").fingerprint()
    assert open_images(tmp_path / "one").fingerprint() == first and len(first) == 32
    (tmp_path / "one").rename(tmp_path / "two")
    root = tmp_path / "two"
    assert open_images(root).fingerprint() == first
    write(root / "readme.txt", b"not a picture")
    assert open_images(root).fingerprint() == first
    times = (root / "0.png").stat().st_atime_ns, (root / "0.png").stat().st_mtime_ns
    os.utime(root / "0.png", ns=(times[0], times[1] + 1))
    changed = open_images(root).fingerprint()
    os.utime(root / "0.png", ns=times)
    assert changed != first == open_images(root).fingerprint()
    (root / "0.png").rename(root / "00.png")
    renamed = open_images(root).fingerprint()
    (root / "00.png").write_bytes(packed(noise(30, 30), "PNG"))
    os.utime(root / "00.png", ns=times)
    assert len({first, changed, renamed, open_images(root).fingerprint()}) == 4


def test_a_subset_is_a_view_in_the_given_order(tmp_path):
    for seed in range(6):
        photo(tmp_path / "ab"[seed % 2] / f"{seed}.png", seed)
    images = open_images(tmp_path)
    part = images.subset(np.array([5, 0, 0, 3]))
    assert part.names == ["b/5.png", "a/0.png", "a/0.png", "b/1.png"]
    assert part.labels.tolist() == [1, 0, 0, 1] and part.classes == ["a", "b"] and part.reader is images.reader
    np.testing.assert_array_equal(part.read(0), noise(seed=5))
    twice = part.subset(np.array([0, 3]))
    assert twice.names == ["b/5.png", "b/1.png"] and twice.labels.tolist() == [1, 1]
    np.testing.assert_array_equal(twice.read(0), noise(seed=5))
    np.testing.assert_array_equal(twice.read(1), noise(seed=1))
    assert len({images.fingerprint(), part.fingerprint(), twice.fingerprint()}) == 3
    assert images.subset(np.arange(6)).fingerprint() == images.fingerprint()


def test_the_typical_size_is_the_median_of_the_shorter_sides(tmp_path):
    for side in (8, 10, 50):
        write(tmp_path / f"{side}.png", packed(smooth(side, 3 * side), "PNG"))
    assert open_images(tmp_path).size() == 10


def test_one_picture(tmp_path):
    images = open_images(photo(tmp_path / "a.png", 4))
    assert (images.names, images.place, images.labels) == (["a.png"], str(tmp_path / "a.png"), None)
    np.testing.assert_array_equal(images.read(0), noise(seed=4))


def test_relabel_brings_two_folders_to_the_same_numbers(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "train/c/1.png", "test/a/1.png", "test/c/1.png"):
        photo(tmp_path / name)
    train, test = open_images(tmp_path / "train"), open_images(tmp_path / "test")
    assert test.labels.tolist() == [0, 1]
    together = test.relabel(train.classes)
    assert together.labels.tolist() == [0, 2] and together.classes == ["a", "b", "c"]
    assert test.subset(np.array([1])).relabel(train.classes).labels.tolist() == [2]
    with pytest.raises(UserError, match="has the class 'b', which is not one of 2 known ones"):
        train.relabel(test.classes)


def _read(images: Images, answers) -> None:
    answers.put(images.read(1).tobytes())


def test_another_process_can_read(tmp_path):
    for seed in range(2):
        photo(tmp_path / f"{seed}.png", seed)
    images = open_images(tmp_path)
    copy = pickle.loads(pickle.dumps(images))
    assert copy.names == images.names and copy.fingerprint() == images.fingerprint()
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    worker = spawn.Process(target=_read, args=(images, answers))
    worker.start()
    assert answers.get(timeout=60) == images.read(1).tobytes()
    worker.join()


def test_a_list_of_files_keeps_its_order_and_lists_what_it_leaves_out(tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.png" for place in (3, 1, 2)]
    for value, path in zip((30, 10, 20), paths, strict=True):
        Image.new("RGB", (4, 4), (value, 0, 0)).save(path)
    (tmp_path / "none.png").write_bytes(b"none")
    found = open_images([*paths, str(tmp_path / "none.png")])
    assert [int(found.read(place)[0, 0, 0]) for place in range(3)] == [30, 10, 20]
    assert [one.path for one in found.skipped] == [str(tmp_path / "none.png")]
    with pytest.raises(UserError, match="none of 1 pictures can be read"):
        open_images([tmp_path / "none.png"])
