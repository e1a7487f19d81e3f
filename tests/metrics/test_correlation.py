from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from unlabeled.metrics import correlation
from unlabeled.metrics.correlation import rank_correlation

VALUES = st.lists(st.integers(0, 6), min_size=3, max_size=12)


@given(data=st.data(), first=VALUES)
def test_it_is_scipys_tau_b_and_rho_ties_included(data: st.DataObject, first: list[int]) -> None:
    second = data.draw(st.lists(st.integers(0, 6), min_size=len(first), max_size=len(first)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "PERMUTATIONS", 9)
        found = rank_correlation(np.array(first, float), np.array(second, float))
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
        return
    assert found is not None and found.count == len(first)
    assert found.kendall == pytest.approx(kendalltau(first, second).statistic, abs=1e-12)
    assert found.spearman == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_p_values_are_those_of_all_permutations(seed: int) -> None:
    """Enumerated, one statistic at a time, by scipy; the drawn ones are within four deviations."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 5, 6).astype(float), rng.integers(0, 9, 6).astype(float)
    found = rank_correlation(first, second, seed)
    assert found is not None
    orders = [second[list(order)] for order in permutations(range(6))]
    for statistic, seen, p in (
        (kendalltau, found.kendall, found.kendall_p),
        (spearmanr, found.spearman, found.spearman_p),
    ):
        exact = np.mean([abs(statistic(first, each).statistic) >= abs(seen) - 1e-9 for each in orders])
        assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999) + 2e-4)


def test_the_same_order_and_the_reverse() -> None:
    values = np.arange(12.0)
    same, reverse = rank_correlation(values, np.exp(values)), rank_correlation(values, -values)
    assert same is not None and reverse is not None
    assert (same.kendall, same.spearman) == pytest.approx((1, 1)) and (
        reverse.kendall,
        reverse.spearman,
    ) == pytest.approx((-1, -1))
    assert same.kendall_p == same.spearman_p == reverse.kendall_p == 1e-4, "the smallest that 9,999 draws can give"


def test_neither_the_order_of_the_pairs_nor_the_block_changes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 9))
    whole, order = rank_correlation(first, second, 3), rng.permutation(9)
    monkeypatch.setattr(correlation, "_BLOCK", 81 * 100)
    assert rank_correlation(first[order], second[order], 3) == whole
    assert rank_correlation(first, second, 4) != whole, "other permutations"


def test_refuses_what_has_no_order() -> None:
    with pytest.raises(ValueError, match=r"two \(N,\) arrays"):
        rank_correlation(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="finite"):
        rank_correlation(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    assert rank_correlation(np.array([1.0]), np.array([1.0])) is None
