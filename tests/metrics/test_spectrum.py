import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.metrics.spectrum import (
    blocks,
    central,
    effective_rank,
    moments,
    participation_ratio,
    power_law,
    rankme,
    top_variance_share,
    variance_sums,
)


def rankme_by_svd(rows: np.ndarray, epsilon: float = 1e-7) -> float:
    singular = np.linalg.svd(rows.astype(np.float64), compute_uv=False)
    share = singular / singular.sum() + epsilon
    return float(np.exp(-(share * np.log(share)).sum()))


def with_spectrum(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rows whose centred covariance has just these eigenvalues: +- sqrt(D v_i) e_i, turned."""
    width = len(values)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))[0]
    return np.concatenate([np.diag(np.sqrt(width * values)), -np.diag(np.sqrt(width * values))]) @ turn


@settings(deadline=None, max_examples=25)
@given(count=st.integers(2, 40), width=st.integers(1, 40), decay=st.floats(0, 2), seed=st.integers(0, 99))
def test_rankme_by_products_is_rankme_by_singular_values(count, width, decay, seed):
    rows = np.random.default_rng(seed).standard_normal((count, width)) + 1.0
    rows = (rows * np.arange(1, width + 1) ** -decay).astype(np.float32)
    assert rankme(moments(rows)) == pytest.approx(rankme_by_svd(rows), rel=1e-6)


def test_rankme_is_unchanged_by_turning_scaling_and_repeating():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 12)) * np.arange(1, 13)
    turn = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    whole = rankme(moments(rows))
    for other in (rows @ turn, rows * 7.0, np.repeat(rows, 3, axis=0), rows[rng.permutation(60)]):
        assert rankme(moments(other)) == pytest.approx(whole, rel=1e-9)


def test_rankme_in_closed_form():
    ranks = np.zeros((30, 20))
    ranks[np.arange(5), np.arange(5)] = 3.0
    epsilon = 1e-12
    assert rankme(moments(ranks), epsilon) == pytest.approx(5, rel=1e-6)
    line = np.outer(np.random.default_rng(0).standard_normal(300), np.ones(256))
    share, rest = 1 + 1e-7, 255 * 1e-7 * np.log(1e-7)
    assert rankme(moments(line)) == pytest.approx(np.exp(-share * np.log(share) - rest), rel=1e-4)
    assert rankme(moments(line), 1e-5) > 1.02  # the other epsilon in use gives another number
    assert rankme(moments(np.zeros((4, 3)))) is None
    assert effective_rank(np.ones(2048) * np.r_[1, np.zeros(2047)]) == pytest.approx(1.0033, abs=1e-4)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.8])
@pytest.mark.parametrize("width", [32, 57, 128])
def test_power_law_is_found_exactly(alpha, width):
    values = np.arange(1, width + 1) ** -alpha
    assert power_law(moments(with_spectrum(values))) == pytest.approx((alpha, 1.0), abs=1e-6)


def test_power_law_is_the_weighted_fit_of_numpy():
    values = np.sort(np.random.default_rng(0).uniform(0.01, 1, 120))[::-1]
    place = np.arange(11, 101)
    slope, offset = np.polyfit(np.log(place), np.log(values[place - 1]), 1, w=np.sqrt(1 / place))
    rest = np.log(values[place - 1]) - offset - slope * np.log(place)
    whole = np.log(values[place - 1]) - np.average(np.log(values[place - 1]), weights=1 / place)
    r2 = 1 - (rest**2 / place).sum() / (whole**2 / place).sum()
    assert power_law(moments(with_spectrum(values))) == pytest.approx((-slope, r2), rel=1e-7)


def test_power_law_is_not_made_up():
    rng = np.random.default_rng(0)
    assert power_law(moments(rng.standard_normal((200, 31)))) is None
    assert power_law(moments(rng.standard_normal((20, 200)))) is None
    assert power_law(moments(rng.standard_normal((200, 5)) @ rng.standard_normal((5, 64)))) is None


@pytest.mark.parametrize("count", [10, 200])
def test_concentration_in_closed_form(count):
    spread = np.r_[np.full(4, 2.5), np.zeros(16)]
    rows = np.resize(with_spectrum(spread)[[0, 1, 2, 3, 20, 21, 22, 23]], (count // 8 * 8, 20)) + 5.0
    found = moments(rows)
    assert participation_ratio(found) == pytest.approx(4)
    assert top_variance_share(found) == pytest.approx(0.25)
    still = moments(np.full((count, 20), 0.1, np.float32))
    assert participation_ratio(still) is None
    assert top_variance_share(still) is None


@settings(deadline=None, max_examples=20)
@given(block=st.integers(1, 70), seed=st.integers(0, 99))
def test_moments_do_not_depend_on_blocks_or_order(block, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((60, 7)) + 3).astype(np.float32)
    whole, parts = moments(rows), moments(rows[rng.permutation(60)], block)
    np.testing.assert_allclose(parts.raw, whole.raw, rtol=1e-12)
    np.testing.assert_allclose(parts.central, whole.central, rtol=1e-12)
    np.testing.assert_allclose(whole.raw, np.linalg.svd(rows.astype(np.float64))[1] ** 2, rtol=1e-10)
    np.testing.assert_allclose(whole.central, np.linalg.eigvalsh(np.cov(rows.T, ddof=0))[::-1], rtol=1e-10)


def test_a_large_mean_costs_no_digits():
    rows = np.random.default_rng(0).standard_normal((500, 3))
    _, _, second = central(blocks(rows + 1e7, block=64), 3, variance_sums)
    exact = (rows + 1e7 - 1e7).var(axis=0)
    np.testing.assert_allclose(second / 500, exact, rtol=1e-8)  # the difference of squares would lose all 16 digits


def test_no_rows_are_said():
    with pytest.raises(ValueError, match="at least one row"):
        moments(np.empty((0, 3)))
