"""WebDataset shards: what is found in tar files, what is left out, and that nothing in them can do harm."""

import contextlib
import gzip
import io
import json
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import noise, packed, photo, png_claiming, smooth, tar, tar_with, write
from unlabeled.data.images import Images, decode, open_images
from unlabeled.data.images import shards as module
from unlabeled.data.images.tar import Damaged, members
from unlabeled.data.source import describe, recognise
from unlabeled.errors import Unreadable, UserError

FORMS = {"ustar": tarfile.USTAR_FORMAT, "GNU": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def png(seed: int = 0) -> bytes:
    return packed(noise(seed=seed), "PNG")


def reasons(images: Images) -> dict[str, str]:
    return {one.path: one.reason for one in images.skipped}


@pytest.mark.parametrize("form", FORMS)
def test_members_are_those_that_tarfile_finds_with_the_same_bytes(tmp_path, form):
    names = ["a.png", "./b/c.png", "d" * 90 + "/" + "e" * 90 + ".png", "long/" + "f" * 95 + ".jpg", "g.txt", "h"]
    names += [] if form == "ustar" else ["x/" * 100 + "i.png", "日本/猫 🐈.png", "new\nline.png"]
    path = tar(tmp_path / "a.tar", [(name, bytes((row,)) * (row * 300)) for row, name in enumerate(names)], FORMS[form])
    with tarfile.open(path, "a", format=FORMS[form]) as file:  # folders are left out
        file.addfile(tarfile.TarInfo("folder/"))
        entry = tarfile.TarInfo("dir")
        entry.type = tarfile.DIRTYPE
        file.addfile(entry)
    content = path.read_bytes()
    with path.open("rb") as file:
        found = {one.name: content[one.start : one.start + one.length] for one in members(file, len(content))}
    with tarfile.open(path) as file:
        known = {one.name.removeprefix("./"): file.extractfile(one).read() for one in file if one.isreg()}
    assert list(found) == list(known) and found == known


def test_a_sample_is_a_key_and_comes_in_the_order_of_keys(tmp_path):
    names = ["b/2.png", "a/10.jpg", "a/9.seg.png", "a/9.png", "b/1.JPG", "b/1.txt", "a.b/c.png"]
    path = tar(tmp_path / "a.tar", [(name, packed(noise(seed=seed), "PNG")) for seed, name in enumerate(names)])
    images = open_images(path)
    assert images.names == ["a.b/c.png", "a/10.jpg", "a/9.png", "b/1.JPG", "b/2.png"]
    for place, name in enumerate(images.names):
        np.testing.assert_array_equal(images.read(place), noise(seed=names.index(name)))
    assert reasons(images) == {"a/9.seg.png": "a second picture of one sample, of which 9.png is kept"}
    assert images.ignored == 1  # the text
    path = tar(tmp_path / "b.tar", [("x", png(0)), ("x.b.png", png(1)), ("x.png", png(2)), ("x.a.png", png(3))])
    images = open_images(path)
    assert images.names == ["x.png"] and list(reasons(images)) == ["x", "x.a.png", "x.b.png"]
    np.testing.assert_array_equal(images.read(0), noise(seed=2))


def test_labels_of_cls_and_of_json(tmp_path):
    said = [
        ("0", [("cls", b"7")]),
        ("1", [("cls", b" 12\n"), ("json", b'{"label": 3}')]),
        ("2", [("json", b'{"label": 7, "class": 1}')]),
        ("3", [("json", b'{"class": "12"}')]),
        ("4", [("json", b'{"caption": "none"}')]),
        ("5", [("cls", b"-1")]),
        ("6", []),
    ]
    content = []
    for key, sides in said:
        content += [(f"{key}.{extension}", text) for extension, text in sides] + [(f"{key}.png", png())]
    images = open_images(tar(tmp_path / "a.tar", content))
    assert images.classes == ["7", "12"] and images.labels.tolist() == [0, 1, 0, 1, -1, -1, -1]
    assert images.skipped == [] and images.ignored == 0


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.cls", b"cat", "no whole number"),
        ("a.cls", b"1.5", "no whole number"),
        ("a.cls", b"", "no whole number"),
        ("a.cls", b"\xff\xfe1", "no whole number"),
        ("a.cls", b"1" * 500, "no whole number"),
        ("a.json", b"{", "no sound JSON"),
        ("a.json", b"\xff", "no sound JSON"),
        ("a.json", b"[" * 100_000, "no sound JSON"),
        ("a.json", b'{"label": NaN}', "neither a whole number nor text"),
        ("a.json", b'{"label": [1]}', "neither a whole number nor text"),
        ("a.json", b'{"label": true}', "neither a whole number nor text"),
        ("a.json", b'{"label": 1e99}', "neither a whole number nor text"),
        ("a.json", b'{"label": ' + b"9" * 40 + b"}", "neither a whole number nor text"),
    ],
)
def test_a_label_that_is_none_is_listed_and_its_picture_is_kept(tmp_path, name, content, reason):
    path = tar(tmp_path / "a.tar", [(name, content), ("a.png", png()), ("b.png", png()), ("b.cls", b"4")])
    images = open_images(path)
    assert images.labels.tolist() == [-1, 0] and list(reasons(images)) == [name]
    assert reason in reasons(images)[name] and reasons(images)[name].endswith("so that its picture is unlabelled")


def test_without_labels_the_first_folders_are_the_classes(tmp_path):
    for place in (tmp_path / "x" / "1.tar", tmp_path / "x" / "2.tar"):
        tar(place, [("./dog/2.png", png()), ("./cat/1.png", png())])
    for source in (tmp_path / "x", tmp_path / "x" / "1.tar"):
        images = open_images(source)
        assert images.classes == ["cat", "dog"] and images.labels.tolist() == [0, 1] * (len(images) // 2)
    assert open_images(tar(tmp_path / "y.tar", [("0.png", png()), ("cat/1.png", png())])).labels is None


def test_a_folder_of_shards_and_a_list_of_them(tmp_path):
    for shard in (2, 0, 1):
        tar(tmp_path / f"{shard}.tar", [(f"{key}.png", png(10 * shard + key)) for key in (1, 0)])
    write(tmp_path / "0.json", b"{}")
    images = open_images(tmp_path)
    assert images.names == ["0.tar/0.png", "0.tar/1.png", "1.tar/0.png", "1.tar/1.png", "2.tar/0.png", "2.tar/1.png"]
    assert recognise(tmp_path) == recognise(tmp_path / "0.tar") == "images" and describe(images) == "6 images"
    for place, seed in enumerate((0, 1, 10, 11, 20, 21)):
        np.testing.assert_array_equal(images.read(place), noise(seed=seed))
    several = open_images([tmp_path / "2.tar", str(tmp_path / "0.tar")])
    assert several.names == [
        f"{tmp_path}/{name}" for name in ("2.tar/0.png", "2.tar/1.png", "0.tar/0.png", "0.tar/1.png")
    ]
    np.testing.assert_array_equal(several.read(1), noise(seed=21))
    photo(tmp_path / "deep" / "a.png")
    assert open_images(tmp_path).names == ["deep/a.png"]  # pictures beside archives are a folder of pictures


def test_of_several_parts_the_training_one(tmp_path):
    for name in ("train-0.tar", "train-1.tar", "test-0.tar"):
        tar(tmp_path / name, [("a.png", png())])
    assert open_images(tmp_path).names == ["train-0.tar/a.png", "train-1.tar/a.png"]
    (tmp_path / "train-0.tar").rename(tmp_path / "val-0.tar")
    (tmp_path / "train-1.tar").unlink()
    with pytest.raises(UserError, match="several parts"):
        open_images(tmp_path)


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (entry("link.png", tarfile.SYMTYPE, "/etc/passwd"), "a link, which is not followed"),
        (entry("hard.png", tarfile.LNKTYPE, "good.png"), "a link, which is not followed"),
        (entry("device.png", tarfile.CHRTYPE), "not a regular file"),
        (entry("disk.png", tarfile.BLKTYPE), "not a regular file"),
        (entry("pipe.png", tarfile.FIFOTYPE), "not a regular file"),
        (entry("../evil.jpg", tarfile.REGTYPE), "a path out of the archive, which is refused"),
        (entry("a/../../evil.jpg", tarfile.REGTYPE), "a path out of the archive, which is refused"),
        (entry("..\\evil.jpg", tarfile.REGTYPE), "a path out of the archive, which is refused"),
        (entry("/abs.jpg", tarfile.REGTYPE), "an absolute path, which is refused"),
        (entry("C:\\abs.jpg", tarfile.REGTYPE), "an absolute path, which is refused"),
        (entry("phone.heic", tarfile.REGTYPE), "convert it to JPEG or PNG"),
        (entry("empty.png", tarfile.REGTYPE), "empty file"),
        (entry("b\udcff.png", tarfile.REGTYPE), "its name is not UTF-8"),
    ],
)
def test_what_is_refused_is_listed(tmp_path, made, reason):
    images = open_images(tar_with(tmp_path / "a.tar", made))
    assert images.names == ["good.png"]
    ((path, found),) = reasons(images).items()
    assert path == made.name.replace("\udcff", "\\xff") and reason in found


def test_pictures_that_cannot_be_read_are_listed_with_the_reasons_of_files(tmp_path):
    content = {
        "bomb.png": png_claiming(50_000, 50_000),
        "cut.jpg": packed(noise(40, 40), "JPEG")[:500],
        "text.jpeg": b"this is text",
        "float.tif": packed(np.ones((4, 4), np.float32), "TIFF"),
        "LICENSE": b"text without an extension",
        "0a1b2c": png(),
        "._mac.jpg": b"",
        "__MACOSX/a.jpg": b"",
        ".hidden/a.jpg": b"",
    }
    for name, bytes_ in content.items():
        write(tmp_path / "folder" / name, bytes_)
    files = open_images(tmp_path / "folder")
    images = open_images(tar(tmp_path / "a.tar", content.items()))
    assert images.names == files.names == ["0a1b2c"] and images.skipped == files.skipped
    assert len(images.skipped) == 4 and images.ignored == files.ignored == 1


def test_pixels_are_read_as_those_of_files_are(tmp_path):
    turned = packed(
        smooth(64, 96), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    )
    content = {"a.jpg": turned, "b.tif": packed(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100, "TIFF")}
    images = open_images(tar(tmp_path / "a.tar", content.items()))
    for place, (name, bytes_) in enumerate(content.items()):
        path = write(tmp_path / name, bytes_)
        for at_least in (None, 16, 32):
            np.testing.assert_array_equal(images.read(place, at_least), decode(path, at_least))
    assert images.read(0).shape == (96, 64, 3) and images.read(0, 32).shape == (48, 32, 3)


def test_a_shard_cut_anywhere_keeps_what_is_whole(tmp_path):
    content = [(f"{key}.png", png(key)) for key in range(4)]
    whole = tar(tmp_path / "whole.tar", content).read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as file:
        ends = [one.offset_data + one.size for one in file]
        headers = [one.offset for one in file]
    for cut in sorted({*(end + by for end in ends for by in (-1, 0, 1)), *(place + 100 for place in headers)}):
        path = write(tmp_path / "cut.tar", whole[:cut])
        kept = sum(end <= cut for end in ends)
        if not kept:
            with pytest.raises(UserError, match=r"cut\.tar: (truncated|damaged)"):
                open_images(path)
            continue
        images = open_images(path)
        assert images.names == [f"{key}.png" for key in range(kept)]
        np.testing.assert_array_equal(images.read(kept - 1), noise(seed=kept - 1))
        broken = any(place < cut < end for place, end in zip(headers, ends, strict=True))
        assert [one.path for one in images.skipped] == (["cut.tar"] if broken else [])


def test_a_damaged_header_ends_the_shard_and_is_listed(tmp_path):
    path = tar(tmp_path / "x" / "a.tar", [(f"{key}.png", png(key)) for key in range(3)])
    tar(tmp_path / "x" / "b.tar", [("0.png", png(9))])
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as file:
        place = file.getmembers()[1].offset
    content[place + 150] ^= 0xFF  # in the header's sum
    write(path, bytes(content))
    images = open_images(tmp_path / "x")
    assert images.names == ["a.tar/0.png", "b.tar/0.png"]
    assert reasons(images) == {"a.tar": f"damaged at byte {place:,}: what lies behind it cannot be found"}


def test_sizes_that_are_lies_do_not_mislead(tmp_path):
    def with_size(field: bytes) -> Path:
        header = bytearray(tarfile.TarInfo("a.png").tobuf(tarfile.GNU_FORMAT))
        header[124:136] = field
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return write(tmp_path / "lie.tar", bytes(header) + png() + bytes(1024))

    for field in (b"\xff" * 11 + b"\xf0", b"\x80" + b"\x7f" * 11, b"77777777777\0"):
        with pytest.raises(UserError, match=r"lie\.tar: (truncated|damaged)"):
            open_images(with_size(field))
    pax = tarfile.TarInfo("a.png")
    pax.pax_headers = {"size": "-512"}
    with pytest.raises(UserError, match=r"lie\.tar: damaged at byte"):
        open_images(write(tmp_path / "lie.tar", pax.tobuf(tarfile.PAX_FORMAT) + png() + bytes(1024)))


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda content: b"BZh" + content, lambda content: b"\xfd7zXZ\0" + content]
)
@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_a_packed_shard_is_refused(tmp_path, pack, name):
    path = write(tmp_path / "x" / name, pack(b"anything"))
    for source in (path, tmp_path / "x"):
        with pytest.raises(
            UserError, match="is compressed, so that no picture in it can be found; decompress it first"
        ):
            open_images(source)


def test_a_picture_that_is_gone_is_unreadable_by_its_name(tmp_path):
    path = tar(tmp_path / "a.tar", [("0.png", png()), ("1.png", png())])
    images = open_images(path)
    write(path, path.read_bytes()[: images.reader.places[1, 1] + 10])
    with pytest.raises(Unreadable) as caught:
        images.read(1)
    assert (caught.value.path, caught.value.reason) == ("1.png", "truncated: the end of the file is missing")
    path.unlink()
    with pytest.raises(Unreadable, match="no such file"):
        images.read(0)


def test_a_shard_that_cannot_be_opened_is_listed(tmp_path, monkeypatch):
    for name in ("0.tar", "1.tar"):
        tar(tmp_path / name, [("a.png", png())])
    real = Path.open

    def denied(self, *rest, **more):
        if self.name == "0.tar":
            raise PermissionError(13, "Permission denied")
        return real(self, *rest, **more)

    monkeypatch.setattr(Path, "open", denied)
    images = open_images(tmp_path)
    assert images.names == ["1.tar/a.png"] and reasons(images) == {"0.tar": "permission denied"}


def test_a_file_is_known_by_its_content(tmp_path):
    path = tar(tmp_path / "a.tar", [("0.png", png())], tarfile.USTAR_FORMAT)
    path.rename(tmp_path / "archive")
    assert open_images(tmp_path / "archive").names == ["0.png"]


def test_a_picture_of_a_gigabyte_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("unlabeled.data.images.header.BYTES", 1000)
    images = open_images(tar(tmp_path / "a.tar", [("0.png", png()), ("1.png", packed(noise(50, 50), "PNG"))]))
    assert reasons(images)["1.png"].startswith("too large: it has ")


def test_what_stays_in_memory_of_many_members_is_little(tmp_path):
    content = png()
    path = tar(tmp_path / "a.tar", ((f"{key:06}.png", content) for key in range(5000)), tarfile.USTAR_FORMAT)
    tracemalloc.start()
    images = open_images(path)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(images) == 5000 and held / 5000 < 200  # bytes a member: 59 of its name in `names`, 42 in the reader


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_bytes_are_pictures_or_one_sentence(tmp_path, data):
    form = data.draw(st.sampled_from(sorted(FORMS.values())))
    said = json.dumps({"label": 3}).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as file:
        for name, bytes_ in (("0.png", png()), ("é" * 120 + ".json", said), ("1.cls", b"1"), ("1.png", png())):
            made = tarfile.TarInfo(name)
            made.size = len(bytes_)
            try:
                file.addfile(made, io.BytesIO(bytes_))
            except ValueError:  # ustar takes no such name
                continue
    content = bytearray(stream.getvalue())
    for place in data.draw(st.lists(st.integers(0, 6000), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path = write(tmp_path / "a.tar", bytes(content[: data.draw(st.integers(0, 8000))]))
    try:
        images = open_images(path)
    except UserError as error:
        assert "\n" not in str(error) and str(error).endswith(".")
    else:
        for place in range(len(images)):
            with contextlib.suppress(Unreadable):  # damaged in its middle, as with files
                assert images.read(place).shape[2] == 3
        assert all("\n" not in str(one) for one in images.skipped)


def test_breaking_off_is_told_apart_from_the_end(tmp_path):
    content = tar(tmp_path / "a.tar", [("0.png", png())]).read_bytes()
    for cut, whole in ((0, True), (100, False), (512, False), (len(content), True)):
        found = io.BufferedReader(io.BytesIO(content[:cut]))
        if whole:
            list(members(found, cut))
        else:
            with pytest.raises(Damaged):
                list(members(found, cut))
    assert module.TAR.search("x.tar") and not module.TAR.search("x.star")
