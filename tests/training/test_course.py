"""The optimiser of a method and its rate over the run."""

import math
from functools import partial

import pytest
from torch import nn

from unlabeled.training.course import Course
from unlabeled.training.optimizers import OPTIMIZERS
from unlabeled.training.schedules import DECAYS

ADAM = OPTIMIZERS["adam"]


def test_a_plan_is_the_optimiser_at_its_rate_with_warm_up_and_clip() -> None:
    module = nn.Linear(3, 2)
    course = Course(ADAM, 0.01, 0.1, 0.2, clip=2.0)
    plan = course.plan(module, 10)
    assert plan.optimizer.param_groups[0]["lr"] == 0.01 and plan.clip == 2.0
    assert {group["weight_decay"] for group in plan.optimizer.param_groups} == {0.1, 0.0}
    expected = [0, 0.5, *((1 + math.cos(math.pi * step / 8)) / 2 for step in range(8))]
    assert [plan.schedule(step) for step in range(10)] == pytest.approx(expected)
    assert course.plan(module, 10, 64).optimizer.param_groups[0]["lr"] == pytest.approx(0.01 / 4)


def test_other_schedules_are_taken() -> None:
    plan = Course(ADAM, 1.0, schedule=DECAYS["two-drops"]).plan(nn.Linear(1, 1), 10)
    assert [plan.schedule(step) for step in (0, 5, 6, 8)] == pytest.approx([1, 1, 0.1, 0.01])
    assert plan.clip is None


@pytest.mark.parametrize("wrong", ["learning_rate", "weight_decay", "warmup", "clip"])
@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_numbers_outside_their_range_are_told(wrong: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{wrong} takes .*, got"):
        partial(Course, ADAM)(**{"learning_rate": 0.1, wrong: value})


def test_the_clip_and_the_warm_up_have_their_ends() -> None:
    Course(ADAM, 0.0, 0.0, 1.0)
    for wrong in ({"clip": 0.0}, {"warmup": 1.01}):
        with pytest.raises(ValueError, match="takes"):
            Course(ADAM, 0.1, **wrong)
