"""`decode`: pixels against what they must be, computed apart."""

import io
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from making import noise, packed, png_chunk, png_claiming, smooth, write
from unlabeled.data.images import check, decode
from unlabeled.data.images.formats import LIMIT
from unlabeled.errors import Unreadable

UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),  # a quarter turn clockwise shows it upright
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}
"""EXIF 2.32, table 6: the tag says at which side of the picture the stored row 0 and column 0 lie."""


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_turns_the_pixels(tmp_path, orientation, form):
    stored = noise(10, 14)
    lossless = {"WEBP": {"lossless": True}}.get(form, {})
    path = write(tmp_path / "a", packed(stored, form, exif=exif(orientation), **lossless))
    shown = decode(path)
    np.testing.assert_array_equal(shown, UPRIGHT[orientation](stored))
    assert shown.flags.c_contiguous and shown.flags.writeable


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_of_a_jpeg_also_when_it_is_decoded_smaller(tmp_path, orientation):
    stored = smooth(64, 96)
    path = write(tmp_path / "a.jpg", packed(stored, "JPEG", quality=95, exif=exif(orientation)))
    assert np.abs(decode(path).astype(int) - UPRIGHT[orientation](stored)).mean() < 3
    half = stored.reshape(32, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(decode(path, at_least=32) - UPRIGHT[orientation](half)).mean() < 3


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, orientation):
    stored = noise()
    np.testing.assert_array_equal(decode(write(tmp_path / "a", packed(stored, "PNG", exif=exif(orientation)))), stored)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_broken_exif_does_not_hide_the_picture(tmp_path):
    path = write(
        tmp_path / "a.jpg", packed(smooth(16, 16), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\x01" * 20)
    )
    assert decode(path).shape == (16, 16, 3)


def test_16_bit_grey_is_scaled_to_8_bits_for_all_65536_values(tmp_path):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.repeat(np.rint(np.arange(65536) * 255 / 65535).reshape(256, 256, 1), 3, axis=2)
    for form in ("PNG", "TIFF", "PPM"):
        np.testing.assert_array_equal(decode(write(tmp_path / form, packed(ramp, form))), expected)


def test_16_bit_grey_of_the_other_byte_order(tmp_path):
    ramp = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    tags = [(256, 32), (257, 32), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 32), (279, 2048)]
    content = b"MM\0*" + struct.pack(">I", 8 + 2048) + ramp.astype(">u2").tobytes() + struct.pack(">H", len(tags))
    content += b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags) + bytes(4)
    np.testing.assert_array_equal(decode(write(tmp_path / "b.tif", content))[..., 0], np.rint(ramp / 257))


def test_a_transparent_16_bit_grey_is_white(tmp_path):
    ramp = np.array([[0, 1000, 40000]], np.uint16)
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "PNG", transparency=1000)
    content = stream.getvalue()
    if b"tRNS" not in content:  # Pillow does not write it for 16 bits
        place = content.index(b"IDAT") - 4
        content = content[:place] + png_chunk(b"tRNS", struct.pack(">H", 1000)) + content[place:]
    assert decode(write(tmp_path / "a.png", content))[0, :, 0].tolist() == [0, 255, 156]


def test_palette_with_transparency_is_composited_on_white(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([200, 10, 20, 30, 210, 40, 50, 60, 220])
    image.putdata([0, 1, 2])
    for form in ("PNG", "GIF"):
        transparency = {"PNG": bytes([255, 128, 0]), "GIF": 2}[form]
        image.save(tmp_path / form, form, transparency=transparency)
        shown = decode(tmp_path / form)[0].astype(float)
        alpha = np.array([[1], [128 / 255 if form == "PNG" else 1], [0]])
        expected = alpha * [[200, 10, 20], [30, 210, 40], [50, 60, 220]] + (1 - alpha) * 255
        assert np.abs(shown - expected).max() <= 1
        assert shown[2].tolist() == [255, 255, 255]


def test_palette_without_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 250, 240, 230])
    image.putdata([1, 0])
    image.save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").tolist() == [[[250, 240, 230], [1, 2, 3]]]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_rgba_is_composited_on_white(tmp_path, form):
    pixels = np.dstack([noise(9, 7), np.random.default_rng(1).integers(0, 256, (9, 7, 1), dtype=np.uint8)])
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    shown = decode(write(tmp_path / "a", packed(pixels, form, **options)))
    alpha = pixels[..., 3:] / 255
    assert np.abs(shown - (alpha * pixels[..., :3] + (1 - alpha) * 255)).max() <= 1


def test_grey_with_alpha_and_a_transparent_colour(tmp_path):
    Image.merge("LA", [Image.new("L", (1, 1), 100), Image.new("L", (1, 1), 51)]).save(tmp_path / "la.png")
    assert decode(tmp_path / "la.png").tolist() == [[[224, 224, 224]]]  # 0.2 * 100 + 0.8 * 255
    Image.fromarray(np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)).save(tmp_path / "key.png", transparency=(9, 8, 7))
    assert decode(tmp_path / "key.png").tolist() == [[[255, 255, 255], [1, 2, 3]]]


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_three_equal_channels(tmp_path, mode):
    image = Image.fromarray(noise()[..., 0]).convert(mode)
    image.save(tmp_path / "a.png")
    expected = np.repeat(np.asarray(image, np.uint8)[..., None] * (255 if mode == "1" else 1), 3, axis=2)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), expected)


def _cmyk(colour: tuple[int, int, int, int], form: str) -> bytes:
    stream = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    Image.new("CMYK", (16, 16), colour).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("colour", [(0, 255, 255, 0), (255, 0, 0, 0), (40, 80, 120, 60), (0, 0, 0, 255), (0, 0, 0, 0)])
def test_cmyk_of_tiff_and_of_jpeg_which_adobe_inverts(tmp_path, colour):
    ink = np.array(colour) / 255
    expected = 255 * (1 - ink[:3]) * (1 - ink[3])
    assert b"Adobe" in _cmyk(colour, "JPEG")
    for form in ("TIFF", "JPEG"):
        assert np.abs(decode(write(tmp_path / form, _cmyk(colour, form))) - expected).max() <= 3, form


def test_ycbcr_jpeg_and_lab_tiff_become_rgb(tmp_path):
    stored = smooth(32, 32)
    assert np.abs(decode(write(tmp_path / "a.jpg", packed(stored, "JPEG", quality=95))).astype(int) - stored).mean() < 3
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(Image.fromarray(stored), to_lab).save(tmp_path / "lab.tif")
    assert np.abs(decode(tmp_path / "lab.tif").astype(int) - stored).mean() < 4


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(tmp_path, form):
    frames = [np.full((8, 8, 3), value, np.uint8) for value in (250, 120, 10)]
    frames[0][2:5, 1:3] = (255, 0, 0)
    options = {"lossless": True} if form == "WEBP" else {}
    others = [Image.fromarray(frame) for frame in frames[1:]]
    path = write(tmp_path / "a", packed(frames[0], form, save_all=True, append_images=others, **options))
    with Image.open(path) as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(decode(path), frames[0])


@pytest.mark.parametrize("form", ["AVIF", "JPEG2000", "BMP", "QOI", "PPM"])
def test_the_other_formats(tmp_path, form):
    if form not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow has no {form}")
    stored = smooth(40, 56)
    options = {"AVIF": {"quality": 95}}.get(form, {})
    path = write(tmp_path / "a", packed(stored, form, **options))
    assert np.abs(decode(path).astype(int) - stored).mean() < 3
    assert check(path) is None


def test_the_content_decides_not_the_extension(tmp_path):
    stored = noise()
    np.testing.assert_array_equal(decode(write(tmp_path / "a.jpg", packed(stored, "PNG"))), stored)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), at_least=st.integers(1, 400))
def test_a_smaller_decoding_never_falls_below_what_is_asked_for(tmp_path, height, width, at_least):
    path = write(tmp_path / "a.jpg", packed(smooth(height, width), "JPEG"))
    shown = decode(path, at_least=at_least)
    side = min(height, width)
    scale = next(scale for scale in (8, 4, 2, 1) if side // at_least >= scale or scale == 1)
    assert shown.shape == (-(-height // scale), -(-width // scale), 3)
    assert min(shown.shape[:2]) >= min(side, at_least)


def test_a_smaller_decoding_leaves_other_formats_whole(tmp_path):
    stored = noise(64, 64)
    np.testing.assert_array_equal(decode(write(tmp_path / "a.png", packed(stored, "PNG")), at_least=8), stored)


REFUSED = {
    "absent": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "not a regular file"),
    "a fifo": (os.mkfifo, "not a regular file"),
    "empty": (lambda path: write(path, b""), "not a picture"),
    "text": (lambda path: write(path, b"hello, world, this is no picture"), "not a picture"),
    "floats": (lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path, "TIFF"), "floating-point"),
    "32-bit": (lambda path: Image.fromarray(np.ones((4, 4), np.int32)).save(path, "TIFF"), "32-bit"),
    "bomb": (lambda path: write(path, png_claiming(50_000, 50_000)), "too large: it claims"),
    "small bomb": (lambda path: write(path, png_claiming(LIMIT // 8000 + 1, 8000)), "too large"),
    "a JPEG bomb": (lambda path: write(path, _jpeg_claiming(65_000, 65_000)), "too large"),
    "PNG of nothing": (lambda path: write(path, b"\x89PNG\r\n\x1a\n"), "damaged"),
    "damaged JPEG": (lambda path: write(path, b"\xff\xd8\xff\xe0" + b"\x01" * 50), "truncated"),
}


def _jpeg_claiming(width: int, height: int) -> bytes:
    content = packed(noise(16, 16), "JPEG")
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]


@pytest.mark.filterwarnings("error")  # Pillow's own warning of bombs counts as refusal, too
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_decoded_is_unreadable_with_a_reason(tmp_path, case):
    build, reason = REFUSED[case]
    path = tmp_path / "x.png"
    build(path)
    with pytest.raises(Unreadable) as caught:
        decode(path)
    assert caught.value.path == str(path)
    assert reason in caught.value.reason and "\n" not in caught.value.reason
    verdict = check(path)
    assert verdict is not None and (reason in verdict or verdict == "empty file")


def test_a_picture_damaged_in_its_middle_passes_the_check_and_is_unreadable(tmp_path):
    path = write(tmp_path / "a.png", png_claiming(300, 300))
    assert check(path) is None
    with pytest.raises(Unreadable, match="truncated"):
        decode(path)


def test_no_permission(tmp_path):
    path = write(tmp_path / "a.png", packed(noise(), "PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    with pytest.raises(Unreadable, match="permission denied"):
        decode(path)


def test_memory_that_does_not_suffice_is_a_reason(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", packed(noise(), "PNG"))
    monkeypatch.setattr("unlabeled.data.images.pixels._rgb", _out_of_memory)
    with pytest.raises(Unreadable, match="not enough memory"):
        decode(path)


def _out_of_memory(image: Image.Image) -> Image.Image:
    raise MemoryError


def test_a_zero_byte_in_the_path():
    with pytest.raises(Unreadable):
        decode("a\0b.png")


SEEDS = [packed(noise(9, 9), form) for form in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "QOI")]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_bytes_are_pixels_or_unreadable(tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path = write(tmp_path / "x", bytes(content[: data.draw(st.integers(0, len(content)))]))
    verdict = check(path)
    assert verdict is None or (verdict and "\n" not in verdict)
    try:
        shown = decode(path)
    except Unreadable as error:
        assert "\n" not in error.reason
    else:
        assert shown.dtype == np.uint8 and shown.ndim == 3 and shown.shape[2] == 3
        assert verdict is None
