"""Operations against NumPy written out, presets against the probabilities that the paper gives."""

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from unlabeled import chance
from unlabeled.views.images import operations as views
from unlabeled.views.images import presets

PHOTOGRAPH = load_sample_images().images[0]  # uint8 (427, 640, 3)
SMALL = views.to_float(np.ascontiguousarray(PHOTOGRAPH[100:140, 200:240]))


RNG = chance.generator(0, chance.VIEWS)


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Say what the next uniform draws are."""

    def fixed(value: float) -> None:
        def uniform(rng: np.random.Generator, low: float, high: float) -> float:
            assert low <= value <= high, f"{value} is not within [{low}, {high}]"
            return value

        monkeypatch.setattr(views, "uniform", uniform)

    return fixed


def test_uniform_is_the_generators_own() -> None:
    own, theirs = chance.generator(7, 1), chance.generator(7, 1)
    assert [views.uniform(own, -0.3, 1.8) for _ in range(50)] == [theirs.uniform(-0.3, 1.8) for _ in range(50)]


def grey_mean(image: np.ndarray) -> np.ndarray:
    return image @ np.array([0.299, 0.587, 0.114])


def test_brightness_contrast_and_saturation_are_their_formulas(draw: Callable[[float], None]) -> None:
    x = SMALL.astype(np.float64)
    grey = grey_mean(x)[..., None]
    expected = {
        views.brightness: x * 1.4,
        views.contrast: 1.4 * x - 0.4 * grey.mean(),
        views.saturation: 1.4 * x - 0.4 * grey,
        views.additive_brightness: x + 0.3,
    }
    for operation, wanted in expected.items():
        draw(0.3 if operation is views.additive_brightness else 1.4)
        found = operation(SMALL.copy(), RNG, 0.8)
        np.testing.assert_allclose(found, np.clip(wanted, 0, 1), atol=2e-6, err_msg=operation.__name__)


@pytest.mark.parametrize("turn", [0.15, -0.15, 0.5, 0.0])
def test_hue_is_a_turn_in_hsv(turn: float, draw: Callable[[float], None]) -> None:
    draw(turn)
    found = views.hue(SMALL.copy(), RNG, 0.5)
    assert found.min() >= 0 and found.max() <= 1
    for y, x in [(0, 0), (7, 31), (20, 20), (39, 5)]:
        h, s, v = colorsys.rgb_to_hsv(*SMALL[y, x].tolist())
        np.testing.assert_allclose(found[y, x], colorsys.hsv_to_rgb((h + turn) % 1, s, v), atol=1e-5)


def test_strengths_bound_the_draws() -> None:
    """0.8 s for brightness, contrast and saturation, 0.2 s for hue; never a negative factor."""
    rng = chance.generator(0, chance.VIEWS)
    factors = [views.factor(rng, 0.8) for _ in range(4000)]
    assert min(factors) == pytest.approx(0.2, abs=0.01) and max(factors) == pytest.approx(1.8, abs=0.01)
    assert min(views.factor(rng, 1.6) for _ in range(2000)) >= 0


def test_sobel_noise_cutout_rotation_and_blur() -> None:
    rng = chance.generator(1, chance.VIEWS)
    grey = grey_mean(SMALL.astype(np.float64))
    x = sum(w * (grey[10 + i, 11] - grey[10 + i, 9]) for i, w in zip((-1, 0, 1), (1, 2, 1), strict=True))
    y = sum(w * (grey[11, 10 + i] - grey[9, 10 + i]) for i, w in zip((-1, 0, 1), (1, 2, 1), strict=True))
    assert views.sobel(SMALL.copy(), rng)[10, 10, 0] == pytest.approx(min(np.hypot(x, y) / 4, 1), abs=1e-5)
    flat = np.full((200, 200, 3), 0.5, np.float32)
    assert views.noise(flat.copy(), rng).std() == pytest.approx(0.1, rel=0.02)
    holes = [(views.cutout(np.ones((40, 40, 3), np.float32), rng) == 0).all(-1).sum() for _ in range(300)]
    assert max(holes) == 400 and min(holes) >= 100  # a square of 20, cut by the border to a quarter at least
    turns = {views.rotate(SMALL, rng).tobytes() for _ in range(60)}
    assert turns == {np.ascontiguousarray(np.rot90(SMALL, k)).tobytes() for k in (1, 2, 3)}


@pytest.mark.parametrize("deviation", [2.0, 0.6, 0.1])
def test_blur_is_a_gaussian_of_a_tenth_of_the_side(deviation: float, draw: Callable[[float], None]) -> None:
    """224 pixels: kernel 23; 32: kernel 3."""
    draw(deviation)
    for size, kernel in ((224, 23), (32, 3), (96, 9)):
        spike = np.zeros((size, size, 3), np.float32)
        spike[size // 2, size // 2] = 1
        found = views.gaussian_blur(spike, RNG, (0.1, 2.0))[..., 0]
        line = np.exp(-(np.arange(-(kernel // 2), kernel // 2 + 1) ** 2) / (2 * deviation**2))
        line /= line.sum()
        expected = np.zeros((size, size))
        near = slice(size // 2 - kernel // 2, size // 2 + kernel // 2 + 1)
        expected[near, near] = np.outer(line, line)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_crops_average_where_they_shrink_by_two_and_more() -> None:
    """Stripes finer than the view's pixels become grey; a part that is enlarged keeps its pixels' values."""
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = views.random_resized_crop(stripes, RNG, 40, (1.0, 1.0), (1.0, 1.0))
    assert crop.shape == (40, 40, 3) and abs(crop.astype(int) - 100).max() <= 1
    flat = np.full((9, 7, 3), 77, np.uint8)
    assert (views.random_resized_crop(flat, RNG, 32, (0.5, 0.9)) == 77).all()


@settings(deadline=None, max_examples=80)
@given(height=st.integers(1, 300), width=st.integers(1, 300), low=st.floats(0.01, 1.0), seed=st.integers(0, 10_000))
def test_every_crop_lies_in_the_picture(height: int, width: int, low: float, seed: int) -> None:
    top, left, h, w = views.crop_box(height, width, chance.generator(seed, 1), (low, 1.0), (3 / 4, 4 / 3))
    assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width and h >= 1 and w >= 1


def test_crops_have_the_papers_area_and_aspect() -> None:
    """Area uniform in [0.08, 1] where it fits, so a mean of about 0.54 less the crops that do not fit."""
    rng = chance.generator(0, 1)
    boxes = np.array([views.crop_box(400, 400, rng, (0.08, 1.0), (3 / 4, 4 / 3))[2:] for _ in range(4000)])
    area, aspect = boxes.prod(1) / 400**2, boxes[:, 1] / boxes[:, 0]
    assert 0.075 < area.min() and area.max() <= 1
    assert 0.74 < aspect.min() and aspect.max() < 1.35
    assert 0.44 < area.mean() < 0.54
    assert abs(np.log(aspect).mean()) < 0.02


def test_nothing_switched_on_is_the_identity() -> None:
    preset = presets.simclr(40, crop_area=(1.0, 1.0), flip=False, color_strength=0.0, blur=False)
    square = np.ascontiguousarray(PHOTOGRAPH[100:140, 200:240])
    for place in range(20):
        out = preset.view(square, chance.generator(0, chance.VIEWS, place))
        assert abs(out - SMALL).max() < 0.35  # an aspect other than 1 shrinks a side
    plain = presets.plain(40).view(square, chance.generator(0, chance.VIEWS))
    np.testing.assert_array_equal(plain, SMALL)


def share(preset: Any, changed: Any, count: int = 1500) -> float:
    """How often a view shows a change."""
    picture = np.ascontiguousarray(PHOTOGRAPH[:64, :64])
    return float(np.mean([changed(preset.view(picture, chance.generator(3, 1, i))) for i in range(count)]))


def is_grey(view: np.ndarray) -> bool:
    return bool(np.ptp(view, axis=2).max() < 1e-5)


def test_probabilities_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grey 0.2, jitter 0.8, flip 0.5, blur 0.5, within four standard deviations of 1,500 draws."""
    grey = share(presets.simclr(32, color_strength=0.01), is_grey)
    assert abs(grey - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 1500)
    for place, name, probability in ((views, "colour_jitter", 0.8), (presets, "gaussian_blur", 0.5)):
        calls: list[int] = []
        monkeypatch.setattr(place, name, lambda image, *rest, calls=calls, **more: calls.append(1) or image)
        share(presets.simclr(40), lambda view: True)
        assert abs(len(calls) / 1500 - probability) < 4 * np.sqrt(probability * (1 - probability) / 1500), name
        monkeypatch.undo()
    flips = [views.horizontal_flip(SMALL, chance.generator(5, 1, i)) is not SMALL for i in range(1500)]
    assert abs(np.mean(flips) - 0.5) < 4 * np.sqrt(0.25 / 1500)


def test_small_views_have_appendix_b9s_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """s = 0.5 and no blur up to 32 pixels, s = 1 and blur above."""
    seen: list[float] = []
    monkeypatch.setattr(views, "colour_jitter", lambda image, rng, strength, *forms: seen.append(strength) or image)
    monkeypatch.setattr(presets, "gaussian_blur", lambda image, rng, border: seen.append(-1) or image)
    for size in (32, 40):
        share(presets.simclr(size), lambda view: True, 50)
        assert set(seen) == ({0.5} if size == 32 else {1.0, -1})
        seen.clear()


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 90), width=st.integers(1, 90), size=st.sampled_from([8, 31, 32, 96]), seed=st.integers(0, 999)
)
def test_every_view_is_whole_and_within_bounds(height: int, width: int, size: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    for preset in (presets.simclr(size), presets.crops(size), presets.plain(size)):
        out = preset.view(picture, chance.generator(seed, 1))
        assert out.shape == (size, size, 3) and out.dtype == np.float32
        assert np.isfinite(out).all() and out.min() >= 0 and out.max() <= 1


def test_plain_view_is_the_published_centre() -> None:
    """256 on the shorter side, the central 224: what is seen of a 256 x 320 picture is known to the pixel."""
    picture = np.random.default_rng(0).integers(0, 256, (256, 320, 3), np.uint8)
    out = presets.plain(224).view(picture, chance.generator(0, 1))
    np.testing.assert_array_equal(out, views.to_float(picture[16:240, 48:272]))


def test_join_goes_view_by_view() -> None:
    preset = presets.simclr(4)
    columns = [[np.full((4, 4, 3), 10 * v + i, np.float32) for i in range(3)] for v in range(2)]
    batch = preset.join(columns)
    assert batch.shape == (6, 3, 4, 4)
    assert batch[:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]


def test_decoding_keeps_what_the_smallest_crop_needs() -> None:
    assert presets.simclr(32).at_least == int(np.ceil(32 / np.sqrt(0.08)))
    assert presets.plain(224).at_least == 256


@pytest.mark.parametrize(
    "bad", [{"crop_area": (0.0, 1.0)}, {"crop_area": (0.5, 0.2)}, {"crop_area": (0.5, 1.5)}, {"color_strength": -1.0}]
)
def test_refuses(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="takes"):
        presets.simclr(32, **bad)
