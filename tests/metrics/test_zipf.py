from math import lgamma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.metrics.zipf import soft_shares, zipf_kl

many = {"count": st.integers(1, 300), "exponent": st.floats(0.2, 3)}


def harmonic(count: int, exponent: float) -> float:
    return sum(j**-exponent for j in range(1, count + 1))


@given(**many)
def test_the_law_itself_is_0_in_any_order_and_scale(count, exponent):
    shares = np.random.default_rng(0).permutation(np.arange(1, count + 1) ** -exponent) * 17
    assert zipf_kl(shares, exponent) == pytest.approx(0, abs=1e-12)


@given(**many)
def test_one_cluster_that_holds_all_is_log_h(count, exponent):
    assert zipf_kl(np.eye(count)[count // 2], exponent) == pytest.approx(np.log(harmonic(count, exponent)), abs=1e-12)


@given(**many)
def test_equal_clusters_are_the_third_closed_form(count, exponent):
    expected = np.log(harmonic(count, exponent)) - np.log(count) + exponent / count * lgamma(count + 1)
    assert zipf_kl(np.ones(count), exponent) == pytest.approx(expected, abs=1e-10)


def test_the_figures_that_the_closed_forms_give_for_a_hundred():
    assert zipf_kl(np.eye(100)[0]) == pytest.approx(1.646, abs=5e-4)
    assert zipf_kl(np.ones(100)) == pytest.approx(0.678, abs=5e-4)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 20.0])
def test_soft_shares_are_the_written_out_mean(temperature):
    rng = np.random.default_rng(0)
    rows, centres = rng.standard_normal((50, 3)).astype(np.float32), rng.standard_normal((7, 3)).astype(np.float32)
    apart = ((rows[:, None].astype(float) - centres[None]) ** 2).sum(-1)
    odds = np.exp(-apart / temperature)
    odds /= odds.sum(axis=1, keepdims=True)
    soft, hard, certainty = soft_shares(rows, centres, temperature)
    np.testing.assert_allclose(soft, odds.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(hard, np.bincount(apart.argmin(axis=1), minlength=7) / 50)
    assert certainty == pytest.approx(odds.max(axis=1).mean())


def test_long_rows_are_assigned_hard_and_short_ones_uniformly():
    rows = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    soft, hard, certainty = soft_shares(100 * rows, 100 * rows[:5])
    np.testing.assert_allclose(soft, hard, atol=1e-3)
    assert certainty > 0.999
    soft, _, certainty = soft_shares(1e-3 * rows, 1e-3 * rows[:5])
    np.testing.assert_allclose(soft, 0.2, atol=1e-4)
    assert certainty == pytest.approx(0.2, abs=1e-4)


def test_what_is_not_defined_is_said():
    for shares in ([0.0, 0.0], [0.5, -0.1]):
        with pytest.raises(ValueError, match="at least 0"):
            zipf_kl(np.array(shares))
    with pytest.raises(ValueError, match="above 0, got 0"):
        soft_shares(np.ones((3, 2)), np.ones((2, 2)), 0)
    with pytest.raises(ValueError, match="at least one row"):
        soft_shares(np.ones((0, 2)), np.ones((2, 2)))
