import math

import pytest

from unlabeled.training.schedules import DECAYS, cosine, drops


def test_cosine_at_its_corners() -> None:
    factor = cosine(steps=1000, warmup_steps=100)
    assert factor(0) == 0.0
    assert factor(50) == 0.5
    assert factor(100) == 1.0
    assert factor(550) == pytest.approx(0.5)
    assert 0 <= factor(999) < 1e-3


def test_cosine_is_the_written_out_formula() -> None:
    factor = cosine(steps=37, warmup_steps=5)
    for step in range(37):
        expected = step / 5 if step < 5 else 0.5 * (1 + math.cos(math.pi * (step - 5) / 32))
        assert factor(step) == pytest.approx(expected, abs=1e-15)


def test_cosine_without_warm_up_starts_at_its_height() -> None:
    assert cosine(steps=1)(0) == 1.0


@pytest.mark.parametrize(("steps", "warmup"), [(0, 0), (10, 11), (10, -1)])
def test_cosine_refuses(steps: int, warmup: int) -> None:
    with pytest.raises(ValueError, match="cosine takes"):
        cosine(steps, warmup)


def test_drops_are_the_published_ones() -> None:
    """SeLa: epochs 150, 300, 350 of 400 on ImageNet, 240 and 320 of 400 on CIFAR; 30, 60, 80 of 90 with rotations."""
    for name, epochs, published in (
        ("three-drops", 400, (150, 300, 350)),
        ("two-drops", 400, (240, 320)),
        ("thirds", 90, (30, 60, 80)),
    ):
        factor = DECAYS[name](epochs * 7, 0)  # type: ignore[index]
        for epoch in range(epochs):
            expected = 0.1 ** sum(epoch >= at for at in published)
            assert factor(7 * epoch) == pytest.approx(expected, rel=1e-12), (name, epoch)


def test_drops_warm_up_from_nothing() -> None:
    factor = drops((0.5,), 100, 10)
    assert [factor(step) for step in (0, 5, 10, 49, 50)] == [0, 0.5, 1, 1, pytest.approx(0.1)]


@pytest.mark.parametrize(("at", "steps", "warmup"), [((0.0,), 10, 0), ((1.5,), 10, 0), ((0.5,), 0, 0), ((0.5,), 4, 5)])
def test_drops_refuses(at: tuple[float, ...], steps: int, warmup: int) -> None:
    with pytest.raises(ValueError, match="drops takes"):
        drops(at, steps, warmup)
