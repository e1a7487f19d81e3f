"""SeLa's views: what each level does, in the official order, and turns that can be told apart."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from unlabeled import chance
from unlabeled.training.loader import Together, views_of
from unlabeled.views import images

presets = import_module("unlabeled.views.images.sela")  # whose name its function hides
PHOTOGRAPH = load_sample_images().images[1]  # uint8 (427, 640, 3)


def view(level: int, place: int = 0, size: int = 32) -> np.ndarray:
    return images.sela(size, level).view(PHOTOGRAPH, chance.generator(0, chance.VIEWS, place))


@pytest.mark.parametrize("level", range(6))
def test_every_level_gives_one_view_in_its_range(level: int) -> None:
    preset = images.sela(96, level)
    out = view(level, size=96)
    assert preset.count == 1 and out.shape == (96, 96, 3) and out.dtype == np.float32
    assert 0 <= out.min() and out.max() <= 1 + 1e-6 and out.std() > 0.02
    joined = preset.join([[out, view(level, 1, size=96)]])
    assert joined.shape == (2, 3, 96, 96)


def test_the_centre_and_its_flip() -> None:
    whole = images.plain(32).view(PHOTOGRAPH, None)
    np.testing.assert_array_equal(view(0), whole)
    found = [view(1, place) for place in range(40)]
    kinds = [0 if np.array_equal(each, whole) else 1 if np.array_equal(each, whole[:, ::-1]) else 2 for each in found]
    assert set(kinds) == {0, 1} and 10 < sum(kinds) < 30


def test_levels_two_and_five_crop_the_resized_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    crop = presets.random_resized_crop
    monkeypatch.setattr(
        presets, "random_resized_crop", lambda image, *rest: (seen.append(image.shape), crop(image, *rest))[1]
    )
    for level in (2, 5, 3):
        view(level, size=224)
    assert seen == [(256, round(640 * 256 / 427), 3)] * 2 + [PHOTOGRAPH.shape]
    assert images.sela(224, 2).at_least == 256 and images.sela(224, 3).at_least == int(np.ceil(224 / 0.08**0.5))


@pytest.mark.parametrize(("level", "grey_first"), [(3, True), (5, False)])
def test_grey_sometimes_and_always_jittered_by_official_strengths(
    level: int, grey_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ImageNet's are grey before the jitter, CIFAR's after it."""
    done: list[list[Any]] = []

    def spy(name: str) -> Any:
        operation = getattr(presets, name)

        def called(image: np.ndarray, rng: np.random.Generator, *rest: Any) -> np.ndarray:
            done[-1] += [name, *rest]
            return operation(image, rng, *rest)

        return called

    for name in ("grey", "jitter", "horizontal_flip"):
        monkeypatch.setattr(presets, name, spy(name))
    for place in range(200):
        done.append([])
        view(level, place)
    jitter, flip = ["jitter", (0.4, 0.4, 0.4, 0.4)], ["horizontal_flip"]
    greyed = ["grey", *jitter, *flip] if grey_first else [*jitter, "grey", *flip]
    assert all(each in ([*jitter, *flip], greyed) for each in done)
    assert 20 <= sum("grey" in each for each in done) <= 60


def test_the_area_of_crops_is_the_one_asked_for_and_by_default_the_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []
    crop = presets.random_resized_crop
    monkeypatch.setattr(
        presets,
        "random_resized_crop",
        lambda image, rng, size, area: (seen.append(area), crop(image, rng, size, area))[1],
    )
    for level in (2, 3, 5):
        for area in (None, (0.5, 0.9)):
            images.sela(32, level, area).view(PHOTOGRAPH, np.random.default_rng(0))
    assert seen == [(0.08, 1.0), (0.5, 0.9), (0.08, 1.0), (0.5, 0.9), (0.2, 1.0), (0.5, 0.9)]


def test_level_four_is_simclrs_list() -> None:
    for place in range(5):
        expected = images.simclr(32).view(PHOTOGRAPH, chance.generator(0, chance.VIEWS, place))
        np.testing.assert_array_equal(view(4, place), expected)


def test_turned_views_are_one_view_and_its_turns() -> None:
    preset = images.rotations(32, 3)
    assert isinstance(preset, Together) and preset.count == 4
    made = views_of(preset, PHOTOGRAPH, 0, chance.VIEWS, 1, 2)
    one = images.sela(32, 3).view(PHOTOGRAPH, chance.generator(0, chance.VIEWS, 1, 2, 0))
    np.testing.assert_array_equal(made[0], one)
    np.testing.assert_array_equal(made[1], one.transpose(1, 0, 2)[::-1])  # a quarter against the clock
    np.testing.assert_array_equal(made[2], one[::-1, ::-1])
    np.testing.assert_array_equal(made[3], one[::-1].transpose(1, 0, 2))
    joined = preset.join([[each] for each in made])
    np.testing.assert_array_equal(joined[3].numpy(), made[3].transpose(2, 0, 1))


@pytest.mark.parametrize("arguments", [{"level": 6}, {"level": -1}, {"crop_area": (0.5, 0.1)}, {"crop_area": (0, 1)}])
def test_mistakes(arguments: dict[str, Any]) -> None:
    for preset in (images.sela, images.rotations):
        with pytest.raises(ValueError, match="takes"):
            preset(32, **arguments)
