"""Compositions, the learnt policy and the official code's forms, each against what it must be."""

import colorsys
from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from unlabeled import chance
from unlabeled.training.loader import views_of
from unlabeled.views.images import autoaugment, crop_laws, operations, presets
from unlabeled.views.images.compositions import OperationName

PHOTOGRAPH = load_sample_images().images[0]  # uint8 (427, 640, 3)
SMALL = operations.to_float(np.ascontiguousarray(PHOTOGRAPH[100:140, 200:240]))
NAMES = get_args(OperationName)


def rng(place: int = 0) -> np.random.Generator:
    return chance.generator(3, chance.VIEWS, place)


# --- compositions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(product(NAMES, NAMES)))
@pytest.mark.parametrize("asymmetric", [True, False])
def test_every_pair_makes_whole_views(first: str, second: str, asymmetric: bool) -> None:
    preset = presets.simclr(32, operations=(first, second), asymmetric=asymmetric)
    for place in range(3):
        for view in views_of(preset, PHOTOGRAPH[: 60 + place], 0, chance.VIEWS, 0, place):
            assert view.shape == (32, 32, 3) and view.dtype == np.float32
            assert np.isfinite(view).all() and view.min() >= 0 and view.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_one_branch_is_the_crop_and_the_other_the_operation_on_it(name: str) -> None:
    """What the operation makes of the very crop, by the draws that follow the crop's."""
    preset = presets.simclr(32, operations=(name,), asymmetric=True)
    changed, crop = views_of(preset, PHOTOGRAPH, 0, chance.VIEWS, 1, 7)
    generator = chance.generator(0, chance.VIEWS, 1, 7, 0)
    part = operations.random_resized_crop(PHOTOGRAPH, generator, 32)
    shared = operations.to_float(operations.horizontal_flip(part, generator))
    np.testing.assert_array_equal(crop, shared)
    made: dict[str, Callable[..., Any]] = {
        "crop": lambda image, draws: operations.clip(
            operations.horizontal_flip(operations.random_resized_crop(image, draws, 32), draws)
        ),
        "cutout": operations.cutout,
        "colour": lambda image, draws: operations.colour(image, draws, 0.5),
        "sobel": operations.sobel,
        "noise": operations.noise,
        "blur": operations.gaussian_blur,
        "rotate": operations.rotate,
    }
    np.testing.assert_array_equal(changed, made[name](shared.copy(), generator))


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_the_same_wherever_its_picture_lies_in_memory(name: str) -> None:
    """To the last bit, at every alignment: what a resumed run sees is what the first one saw."""
    preset = presets.simclr(32, operations=(name,), asymmetric=True)
    seen, kept = set(), []
    for offset in range(0, 64, 4):
        buffer = np.empty(PHOTOGRAPH.nbytes + 128, np.uint8)
        start = -buffer.ctypes.data % 64 + offset
        picture = buffer[start : start + PHOTOGRAPH.nbytes].reshape(PHOTOGRAPH.shape)
        picture[...] = PHOTOGRAPH
        for length in range(100, 3000, 290):  # holes of many sizes, so that results too lie anywhere
            kept.append(np.empty(length + offset, np.uint8))
            seen.add(views_of(preset, picture, 0, chance.VIEWS, 1, 7)[0].tobytes())
    assert len(seen) == 1


def test_the_order_of_a_pair_is_that_of_its_operations() -> None:
    """Blur after noise is smooth; noise after blur is not."""
    rough = {}
    for pair in (("noise", "blur"), ("blur", "noise")):
        preset = presets.simclr(96, operations=pair, asymmetric=True)
        views = [views_of(preset, PHOTOGRAPH, 0, chance.VIEWS, 0, place)[0] for place in range(20)]
        rough[pair] = np.mean([np.abs(np.diff(view, axis=1)).mean() for view in views])
    assert rough["noise", "blur"] < 0.6 * rough["blur", "noise"]


def test_a_pair_of_one_operation_is_that_operation() -> None:
    for asymmetric in (True, False):
        twice, once = (
            presets.simclr(32, operations=names, asymmetric=asymmetric) for names in (("colour", "colour"), ("colour",))
        )
        for one, other in zip(
            views_of(twice, PHOTOGRAPH, 0, chance.VIEWS, 0, 5),
            views_of(once, PHOTOGRAPH, 0, chance.VIEWS, 0, 5),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_without_asymmetry_both_views_draw_for_themselves() -> None:
    preset = presets.simclr(32, operations=("crop", "colour"))
    first, second = views_of(preset, PHOTOGRAPH, 0, chance.VIEWS, 0, 5)
    assert abs(first - second).max() > 0.05
    still = presets.simclr(32, operations=("rotate",))
    centre = operations.to_float(operations.centre_crop(PHOTOGRAPH, 32))
    turns = [np.ascontiguousarray(np.rot90(centre, k)).tobytes() for k in (1, 2, 3)]
    assert {
        view.tobytes() for place in range(30) for view in views_of(still, PHOTOGRAPH, 0, chance.VIEWS, 0, place)
    } == set(turns)


def test_the_official_codes_forms_reach_the_operations() -> None:
    """A crop by its side's law, a blur of a black surround and TensorFlow's colours, alone as in the whole policy."""
    law = presets.simclr(32, operations=("crop",), crop_law="side", flip=False, asymmetric=True)
    _, crop = views_of(law, PHOTOGRAPH, 0, chance.VIEWS, 1, 7)
    generator = chance.generator(0, chance.VIEWS, 1, 7, 0)
    part = operations.random_resized_crop(PHOTOGRAPH, generator, 32, law=crop_laws.side_crop_box)
    np.testing.assert_array_equal(crop, operations.to_float(part))
    white = np.full((64, 64, 3), 255, np.uint8)
    dark = presets.simclr(64, operations=("blur",), blur_border="zero").view(white, rng())
    assert dark[32, 32, 0] == pytest.approx(1, abs=1e-6) and dark[0, 0, 0] < 0.99
    form = presets.simclr(40, color_strength=0.5, operations=("colour",), color_form="tensorflow")
    square = np.ascontiguousarray(PHOTOGRAPH[100:140, 200:240])
    np.testing.assert_array_equal(
        form.view(square, rng(2)), operations.colour(SMALL.copy(), rng(2), 0.5, color_form="tensorflow")
    )


def test_flip_belongs_to_the_crop() -> None:
    crops = {}
    for flip in (True, False):
        preset = presets.simclr(32, (1.0, 1.0), flip=flip, operations=("noise",), asymmetric=True)
        square = np.ascontiguousarray(PHOTOGRAPH[:64, :64])
        views = [views_of(preset, square, 0, 0, place)[1] for place in range(60)]
        left_is_left = [abs(view - views[0]).mean() < abs(view[:, ::-1] - views[0]).mean() for view in views]
        crops[flip] = np.mean(left_is_left)
    assert crops[False] == 1.0 and 0.2 < crops[True] < 0.8


# --- the learnt policy -----------------------------------------------------------------------------------------------


def test_the_policy_draws_from_the_generator_alone() -> None:
    """The same generator gives the same picture whatever torch's own state is, and leaves that state as it was."""
    picture = np.ascontiguousarray(PHOTOGRAPH[:64, :64])
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = [autoaugment.autoaugment(picture, rng(place), "imagenet") for place in range(20)]
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    again = [autoaugment.autoaugment(picture, rng(place), "imagenet") for place in range(20)]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert len({each.tobytes() for each in first}) > 10
    assert all(each.shape == picture.shape and each.dtype == np.uint8 for each in first)


def test_the_policy_takes_the_place_of_colour_and_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(presets, "colour", lambda image, *rest, **more: seen.append("colour") or image)
    monkeypatch.setattr(presets, "gaussian_blur", lambda image, *rest, **more: seen.append("blur") or image)
    preset = presets.simclr(64, policy="cifar10")
    views = [preset.view(PHOTOGRAPH, rng(place)) for place in range(30)]
    assert seen == []
    cropped = presets.crops(64)
    plain = [cropped.view(PHOTOGRAPH, rng(place)) for place in range(30)]
    differing = sum(not np.array_equal(one, other) for one, other in zip(views, plain, strict=True))
    assert 20 <= differing <= 30  # a pair of the policy may leave a picture as it is


# --- the official code's forms ---------------------------------------------------------------------------------------


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def fixed(value: float) -> None:
        monkeypatch.setattr(operations, "uniform", lambda rng, low, high: value)

    return fixed


def test_contrast_about_each_channels_mean(draw: Callable[[float], None]) -> None:
    draw(1.4)
    wide = SMALL.astype(np.float64)
    expected = np.clip(1.4 * wide - 0.4 * wide.mean((0, 1)), 0, 1)
    np.testing.assert_allclose(operations.channel_contrast(SMALL.copy(), rng(), 0.8), expected, atol=2e-6)


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.7])
def test_saturation_in_hsv(scale: float, draw: Callable[[float], None]) -> None:
    draw(scale)
    found = operations.hsv_saturation(SMALL.copy(), rng(), 0.8)
    for y, x in [(0, 0), (7, 31), (20, 20), (39, 5)]:
        h, s, v = colorsys.rgb_to_hsv(*SMALL[y, x].tolist())
        np.testing.assert_allclose(found[y, x], colorsys.hsv_to_rgb(h, min(s * scale, 1), v), atol=1e-5)


def test_blur_of_a_black_surround_darkens_the_border(draw: Callable[[float], None]) -> None:
    """A flat picture of 64 pixels: at the border the kernel of 7 loses what lies beyond it."""
    draw(2.0)
    flat = np.full((64, 64, 3), 0.8, np.float32)
    np.testing.assert_allclose(operations.gaussian_blur(flat.copy(), rng()), 0.8, atol=1e-6)
    dark = operations.gaussian_blur(flat.copy(), rng(), border="zero")
    line = np.exp(-(np.arange(-3, 4) ** 2) / 8.0)
    line /= line.sum()
    assert dark[32, 32, 0] == pytest.approx(0.8, abs=1e-6)
    assert dark[32, 0, 0] == pytest.approx(0.8 * line[3:].sum(), abs=1e-6)
    assert dark[0, 0, 0] == pytest.approx(0.8 * line[3:].sum() ** 2, abs=1e-6)


def test_the_side_law_makes_smaller_crops() -> None:
    """Height uniform between the ends at the drawn aspect; a mean area of 0.45, against 0.54 less what does not fit."""
    draws = rng()
    boxes = np.array([crop_laws.side_crop_box(400, 400, draws, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(6000)])
    area, aspect = boxes[:, 2] * boxes[:, 3] / 400**2, boxes[:, 3] / boxes[:, 2]
    assert area.min() >= 0.1 and area.max() <= 1  # at least a tenth of the picture is covered
    assert 0.74 < aspect.min() and aspect.max() < 1.35
    # by its own law: aspect r uniform, height uniform between 400 sqrt(0.08 / r) and 400 min(1, 1 / r, 1 / sqrt(r))
    other = np.random.default_rng(0)
    ratio = other.uniform(3 / 4, 4 / 3, 200_000)
    tall = other.uniform(np.sqrt(0.08 / ratio), np.minimum(np.minimum(1, 1 / ratio), 1 / np.sqrt(ratio)))
    shares = tall**2 * ratio
    assert area.mean() == pytest.approx(shares[shares >= 0.1].mean(), abs=0.012)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 200), width=st.integers(1, 200), low=st.floats(0.01, 1.0), seed=st.integers(0, 9999))
def test_every_crop_by_the_side_law_lies_in_the_picture(height: int, width: int, low: float, seed: int) -> None:
    box = crop_laws.side_crop_box(height, width, chance.generator(seed, 1), (low, 1.0), (3 / 4, 4 / 3))
    top, left, h, w = box
    assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width and h >= 1 and w >= 1


def test_the_forms_reach_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option calls its own function, about as often as chance says."""
    calls: dict[str, int] = {}

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return function(*given)

        return call

    for table, name in (
        (operations.BRIGHTNESS, "additive"), (operations.CONTRAST, "tensorflow"), (operations.SATURATION, "tensorflow"),
        (presets.CROP_LAWS, "side"),
    ):  # fmt: skip
        monkeypatch.setitem(table, name, counted(f"{name} {len(calls) or ''}{id(table)}", table[name]))
    preset = presets.simclr(40, crop_law="side", brightness_form="additive", color_form="tensorflow")
    for place in range(400):
        preset.view(PHOTOGRAPH, rng(place))
    counts = sorted(calls.values())
    assert len(counts) == 4 and counts[-1] == 400
    assert all(abs(count - 320) < 4 * np.sqrt(400 * 0.8 * 0.2) for count in counts[:-1])


# --- invariants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"policy": "imagenet"}, {"crop_law": "side"}, {"operations": ("crop", "noise")}]
)
def test_views_of_one_sample_differ_and_come_again(options: dict[str, Any]) -> None:
    preset = presets.simclr(48, **options)
    for place in range(5):
        first, second = views_of(preset, PHOTOGRAPH, 1, 2, place)
        assert abs(first - second).max() > 0.05
        for one, other in zip((first, second), views_of(preset, PHOTOGRAPH, 1, 2, place), strict=True):
            np.testing.assert_array_equal(one, other)
        assert not np.array_equal(first, views_of(preset, PHOTOGRAPH, 1, 3, place)[0])


def test_all_off_is_the_identity_on_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """s = 0, no blur, no flip and a crop of everything at an aspect of 1: the picture itself, to the bit."""
    monkeypatch.setitem(presets.CROP_LAWS, "area", lambda height, width, *rest: (0, 0, height, width))
    preset = presets.simclr(40, crop_area=(1.0, 1.0), flip=False, color_strength=0.0, blur=False)
    square = np.ascontiguousarray(PHOTOGRAPH[100:140, 200:240])
    for place in range(10):
        np.testing.assert_array_equal(preset.view(square, rng(place)), SMALL)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"policy": "imagenet", "blur": True}, "takes the place of"),
        ({"policy": "imagenet", "operations": ("crop",)}, "takes the place of"),
        ({"operations": ("noise",), "blur": True}, "name blur among them"),
        ({"policy": "imagenet", "color_form": "tensorflow"}, "takes the place of"),
        ({"asymmetric": True}, "name at least one"),
    ],
)
def test_refuses(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        presets.simclr(32, **bad)
