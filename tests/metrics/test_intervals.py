import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from unlabeled.metrics.intervals import of_auc, of_average, of_few, of_mean, wilson


@given(total=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_is_that_of_scipy(total, share):
    correct = round(share * total)
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert wilson(correct, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(total=st.integers(1, 1000), share=st.floats(0, 1))
def test_wilson_of_the_wrong_answers_is_the_mirror_image(total, share):
    correct = round(share * total)
    low, high = wilson(correct, total)
    assert wilson(total - correct, total) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    assert 0 <= low <= correct / total <= high <= 1


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_what_is_no_share(correct, total):
    with pytest.raises(ValueError, match=f"got {correct} of {total}"):
        wilson(correct, total)


def test_a_share_of_a_mean_lies_between_those_of_whole_numbers():
    (low, high), (floor, _), (_, ceiling) = wilson(7.4, 20), wilson(7, 20), wilson(8, 20)
    assert floor < low < 0.37 < high < ceiling


def test_the_interval_of_a_mean_is_normal():
    values = np.random.default_rng(0).standard_normal(50)
    expected = norm.interval(0.95, values.mean(), values.std(ddof=1) / 50**0.5)
    assert of_mean(values) == pytest.approx(expected)
    assert of_mean(np.array([0.3])) == (0.3, 0.3)


def test_the_interval_of_an_area_is_hanleys_and_mcneils():
    """Their example (51 abnormal images, 58 normal, area 0.893, standard error 0.032), and areas of exponentials."""
    low, high = of_auc(0.893, 51, 58)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=1e-3)  # they cut digits off
    rng = np.random.default_rng(0)
    high_scores, low_scores = rng.exponential(3.0, (4000, 30, 1)), rng.exponential(1.0, (4000, 1, 40))
    low, high = of_auc(0.75, 30, 40)
    assert (high - low) / 2 / 1.96 == pytest.approx((high_scores > low_scores).mean((1, 2)).std(), rel=0.04)
    assert of_auc(0.5, 1, 1) == (0.0, 1.0)


def test_the_interval_of_an_average_covers_it_as_often_as_it_says():
    """Two accuracies of different size and height: the average's interval holds the truth 95 times of 100."""
    rng, truth, sizes = np.random.default_rng(0), np.array([0.9, 0.4]), np.array([60, 300])
    held = 0
    for right in rng.binomial(sizes, truth, (3000, 2)):
        low, high = of_average(right / sizes, [wilson(*each) for each in zip(right, sizes, strict=True)])
        held += low <= truth.mean() <= high
    assert held / 3000 == pytest.approx(0.95, abs=0.015)
    assert of_average([0.25], [(0.1, 0.5)]) == (0.1, 0.5)


def test_few_shares_have_a_wide_interval_within_0_and_1() -> None:
    few = np.array([0.71, 0.75, 0.8])
    mean, error = few.mean(), few.std(ddof=1) / 3**0.5
    assert of_few(few) == pytest.approx((mean - 4.302653 * error, mean + 4.302653 * error), rel=1e-6)  # t of 2 degrees
    assert of_few(np.array([1.0, 0.9])) == pytest.approx((0.95 - 12.706205 * 0.05, 1.0))
