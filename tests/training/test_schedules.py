import math

import pytest

from unlabeled.training.schedules import cosine


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
