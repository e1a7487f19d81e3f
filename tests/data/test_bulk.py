"""Looks at many files together against looks one by one."""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import noise, packed, png_claiming, smooth, write
from unlabeled.data.images import bulk
from unlabeled.data.images.header import look


def with_decoy(content: bytes) -> bytes:
    """A JPEG with a fill byte and a marker without a length; who reads a length there lands in a comment that lies."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 3, 4, 3) + bytes(9) + b"\xff\xda\x00\x0c"
    head = b"\xff\xff\x01"
    comment = bytes(2 + 2 + 0x01FF - 2 - len(head) - 4) + frame  # the lie begins where the wrong step ends
    return content[:2] + head + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + content[2:]


PICTURES = {
    "JPEG with a decoy": with_decoy(packed(noise(40, 30), "JPEG")),
    "JPEG": packed(noise(40, 30), "JPEG"),
    "progressive JPEG": packed(noise(50, 70), "JPEG", progressive=True),
    "grey JPEG": packed(noise(20, 20)[..., 0], "JPEG"),
    "JPEG with EXIF of 40 kB": packed(noise(40, 30), "JPEG", exif=b"Exif\0\0" + bytes(40_000)),
    "JPEG of 60 kB": packed(noise(200, 300), "JPEG", quality=95),
    "JPEG of nothing much": packed(smooth(1, 1), "JPEG"),
    "JPEG with zeros behind it": packed(noise(40, 30), "JPEG") + bytes(9),
    "JPEG with a film behind it": packed(noise(40, 30), "JPEG") + b"film" * 9000,
    "PNG": packed(noise(40, 30), "PNG"),
    "PNG of 180 kB": packed(noise(200, 300), "PNG"),
    "PNG of nothing much": packed(smooth(1, 1), "PNG"),
    "PNG bomb": png_claiming(50_000, 50_000),
    "PNG that claims more than 64 bits": png_claiming(0xFFFFFFFF, 0xFFFFFFFF),
    "PNG of no width": png_claiming(0, 7),
    "GIF": packed(noise(40, 30), "GIF"),
    "WebP": packed(noise(40, 30), "WEBP"),
    "text": b"no picture at all " * 9,
    "nothing": b"",
}


def compare(folder, contents: list[bytes]) -> bulk.Looks:
    """Write files and look at them together; every verdict must be that of `look`."""
    names = [f"{row}" for row in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        write(folder / name, content)
    found = bulk.look_at_files(str(folder), names)
    alone = [look(folder / name) for name in names]
    assert found.reasons == {row: seen.reason for row, seen in enumerate(alone) if seen.reason is not None}
    assert found.sides.tolist() == [0 if seen.reason else seen.side for seen in alone]
    return found


def test_every_kind_of_picture_is_seen_as_it_is_alone(tmp_path):
    found = compare(tmp_path, [*PICTURES.values()] * 2)
    assert found.sides[:3].tolist() == [30, 30, 50] and len(found.reasons) == 2 * 5


@pytest.mark.parametrize("form", ["JPEG", "progressive JPEG", "JPEG of 60 kB", "PNG", "PNG of 180 kB"])
def test_a_file_cut_anywhere_is_seen_as_it_is_alone(tmp_path, form):
    content = PICTURES[form]
    near = {place + by for place in (24, 44, 48, 8192, 8204, len(content)) for by in range(-12, 13)}
    cuts = sorted(cut for cut in near | {len(content) // 2} if 0 <= cut <= len(content))
    compare(tmp_path, [content[:cut] for cut in cuts])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_bytes_are_seen_as_they_are_alone(tmp_path, data):
    contents = []
    for form in data.draw(st.lists(st.sampled_from(["JPEG", "grey JPEG", "PNG", "JPEG of nothing much"]), max_size=5)):
        content = bytearray(PICTURES[form])
        for place in data.draw(st.lists(st.integers(0, min(600, len(content) - 1)), max_size=4)):
            content[place] = data.draw(st.sampled_from([0, 1, 2, 0xC0, 0xC4, 0xD8, 0xD9, 0xDA, 0xFF]))
        contents.append(bytes(content))
    compare(tmp_path, contents)


def test_sound_pictures_are_not_looked_at_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "look", None)
    for row, form in enumerate(("JPEG", "progressive JPEG", "grey JPEG", "JPEG of 60 kB", "PNG", "PNG of 180 kB")):
        write(tmp_path / f"{row}", PICTURES[form])
    found = bulk.look_at_files(str(tmp_path), [f"{row}" for row in range(6)])
    assert found.sides.tolist() == [30, 50, 20, 200, 30, 200]


@pytest.mark.parametrize("slow", [0.0, 1e9])
def test_portions_come_together_in_order(tmp_path, monkeypatch, slow):
    monkeypatch.setattr(bulk, "PORTION", 3)
    monkeypatch.setattr(bulk, "_SLOW", slow)
    sizes = [8 + row for row in range(20)]
    for row, side in enumerate(sizes):
        write(tmp_path / f"{row}", b"none" if row % 7 == 5 else packed(noise(side, 50, row), "JPEG"))
    found = bulk.look_at_files(str(tmp_path), [f"{row}" for row in range(20)])
    assert found.sides.tolist() == [0 if row % 7 == 5 else side for row, side in enumerate(sizes)]
    assert list(found.reasons) == [5, 12, 19]


def test_without_the_call_that_reads_into_a_buffer(tmp_path, monkeypatch):
    monkeypatch.delattr("os.readv")
    compare(tmp_path, [*PICTURES.values()])


def test_files_that_cannot_be_opened_and_none_at_all(tmp_path):
    write(tmp_path / "a", PICTURES["PNG"])
    found = bulk.look_at_files(str(tmp_path), ["absent", "a", "a\0b"])
    assert found.sides.tolist() == [0, 30, 0] and found.reasons[0] == "no such file" and 2 in found.reasons
    assert bulk.look_at_files(str(tmp_path), []).sides.shape == (0,)
    assert bulk.sides_of(np.zeros(64, np.uint8), np.zeros(0, np.int64)).shape == (0,)
