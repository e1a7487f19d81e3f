"""`check`: the quick verdict against the slow one."""

import time

import numpy as np
import pytest
from PIL import Image

from making import noise, packed, smooth, write
from unlabeled.data.images import check, decode
from unlabeled.data.images.header import look
from unlabeled.errors import Unreadable

WHOLE = {
    "JPEG": packed(noise(40, 30), "JPEG"),
    "progressive JPEG": packed(noise(40, 30), "JPEG", progressive=True),
    "JPEG with EXIF of 40 kB": packed(noise(40, 30), "JPEG", exif=b"Exif\0\0" + b"\x00" * 40_000),
    "PNG": packed(noise(40, 30), "PNG"),
    "GIF": packed(noise(40, 30), "GIF"),
}


def can_be_decoded(path) -> bool:
    try:
        decode(path)
    except Unreadable:
        return False
    return True


@pytest.mark.parametrize("form", WHOLE)
def test_the_size_is_read_from_the_header(tmp_path, form):
    path = write(tmp_path / "a", WHOLE[form])
    seen = look(path)
    assert (seen.reason, seen.width, seen.height, seen.side) == (None, 30, 40, 30)


@pytest.mark.parametrize("form", WHOLE)
def test_a_file_cut_anywhere_is_found_exactly_where_decoding_fails(tmp_path, form):
    content = WHOLE[form]
    cuts = {0, 1, 2, 3, 10, 20, 30, len(content) // 3, len(content) // 2, *range(len(content) - 30, len(content) + 1)}
    for cut in sorted(cuts):
        path = write(tmp_path / "a", content[:cut])
        assert (check(path) is None) == can_be_decoded(path), cut
    assert check(path) is None


def test_what_phones_append_to_a_jpeg_is_allowed(tmp_path):
    film = (
        np.random.default_rng(0).integers(0, 255, 3_000_000, dtype=np.uint8).tobytes().replace(b"\xff\xd9", b"\xff\xda")
    )
    path = write(tmp_path / "motion.jpg", WHOLE["JPEG"] + film)
    assert check(path) is None and can_be_decoded(path)
    path = write(tmp_path / "short.jpg", WHOLE["JPEG"][:-300] + film[:10])
    assert check(path) is not None and not can_be_decoded(path)


def test_the_thumbnail_inside_is_not_taken_for_the_end(tmp_path):
    thumbnail = packed(noise(8, 8), "JPEG")
    content = packed(noise(40, 30), "JPEG", exif=b"Exif\0\0" + thumbnail)
    end_of_thumbnail = content.index(thumbnail) + len(thumbnail)
    assert check(write(tmp_path / "a.jpg", content)) is None
    assert check(write(tmp_path / "b.jpg", content[:end_of_thumbnail])) is not None


def test_padding_with_zeros_is_allowed(tmp_path):
    for form in ("JPEG", "PNG", "GIF"):
        assert check(write(tmp_path / form, WHOLE[form] + b"\0" * 20)) is None


def test_a_file_of_fill_bytes_costs_no_time(tmp_path):
    path = write(tmp_path / "a.jpg", b"\xff\xd8" + b"\xff" * 3_000_000)
    before = time.perf_counter()
    assert check(path) is not None
    assert time.perf_counter() - before < 1


def test_orientation_and_frames_do_not_confuse_the_shorter_side(tmp_path):
    pixels = smooth(20, 60)
    seen = look(write(tmp_path / "a.webp", packed(pixels, "WEBP")))
    assert (seen.width, seen.height) == (60, 20)
    frames = [Image.fromarray(pixels)] * 2
    seen = look(write(tmp_path / "a.gif", packed(pixels, "GIF", save_all=True, append_images=frames)))
    assert (seen.reason, seen.width, seen.height) == (None, 60, 20)


def test_a_look_at_a_small_file_takes_well_under_a_tenth_of_a_millisecond(tmp_path):
    paths = [str(write(tmp_path / f"{form}", WHOLE[form])) for form in WHOLE] * 40
    best = float("inf")
    for _ in range(30):  # the best of several rounds: the machine may be busy with other things
        before = time.perf_counter()
        assert [check(path) for path in paths] == [None] * len(paths)
        best = min(best, (time.perf_counter() - before) / len(paths))
        if best < 100e-6:
            return
    raise AssertionError(f"{best * 1e6:.0f} microseconds")
