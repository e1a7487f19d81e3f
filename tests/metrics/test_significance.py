"""The paired tests against sums written out: every exchange of few samples, the binomial's own terms."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.metrics.significance import exchanged, mcnemar

answers = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), min_size=1, max_size=9)


def columns(rows: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second, groups = (np.array(each) for each in zip(*rows, strict=True))
    return first, second, np.unique(groups, return_inverse=True)[1]


def all_exchanges(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> float:
    """The probability over every one of the 2^N exchanges."""

    def statistic(one: np.ndarray, other: np.ndarray) -> float:
        each = [one[groups == g].mean() - other[groups == g].mean() for g in np.unique(groups)]
        return abs(float(np.mean(each)))

    observed, as_large = statistic(first, second), 0
    for swapped in product([False, True], repeat=len(first)):
        one, other = np.where(swapped, second, first), np.where(swapped, first, second)
        as_large += statistic(one, other) >= observed - 1e-9
    return as_large / 2 ** len(first)


@settings(max_examples=25, deadline=None)
@given(rows=answers)
def test_mcnemar_is_the_permutation_test_of_all_exchanges(rows):
    first, second, _ = columns(rows)
    assert mcnemar(first, second) == pytest.approx(all_exchanges(first, second, np.zeros(len(first), int)))
    assert mcnemar(first, second) == mcnemar(second, first)


@settings(max_examples=25, deadline=None)
@given(rows=answers)
def test_drawn_exchanges_come_near_all_of_them(rows):
    first, second, groups = columns(rows)
    found = exchanged(first, second, groups, np.random.default_rng(0), 20_000)
    expected = all_exchanges(first, second, groups)
    assert found == pytest.approx(expected, abs=5 * (expected * (1 - expected) / 20_000) ** 0.5 + 1e-4)


def test_of_one_group_it_is_mcnemar():
    rng = np.random.default_rng(1)
    first = rng.random(2000) < 0.7
    second = np.where(rng.random(2000) < 0.1, rng.random(2000) < 0.6, first)
    exact = mcnemar(first, second)
    drawn = exchanged(first, second, np.zeros(2000, np.int64), np.random.default_rng(0))
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    n, k = only_first + only_second, min(only_first, only_second)
    assert exact == pytest.approx(2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert 0.0005 < exact < 0.5
    assert drawn == pytest.approx(exact, abs=5 * (exact * (1 - exact) / 100_000) ** 0.5)


def test_equal_answers_are_a_tie_and_opposite_ones_are_not():
    right = np.ones(40, bool)
    assert mcnemar(right, right) == exchanged(right, right, np.zeros(40, np.int64), np.random.default_rng(0)) == 1.0
    assert mcnemar(right, ~right) == pytest.approx(2 / 2**40)
    lowest = exchanged(right, ~right, np.zeros(40, np.int64), np.random.default_rng(0), 999)
    assert lowest == 1 / 1000, "no exchange is as large, and p is never 0"


def test_small_classes_count_as_much_as_large_ones():
    """Two samples of a rare class against ten of a common one: by class the rare ones weigh more."""
    groups = np.repeat([0, 1], [98, 2])
    first, second = np.ones(100, bool), np.ones(100, bool)
    first[:10] = False  # the second is right on ten more of the common class
    second[98:] = False  # the first on both of the rare one
    assert mcnemar(first, second) < 0.05
    assert exchanged(first, second, groups, np.random.default_rng(0)) > 0.4


def test_answers_that_do_not_fit_are_refused():
    two, three = np.ones(2, bool), np.ones(3, bool)
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        mcnemar(two, three)
    with pytest.raises(ValueError, match=r"got \(1, 2\)"):
        mcnemar(two[None], two[None])
    with pytest.raises(ValueError, match="exchanges of at least 1"):
        exchanged(two, two, np.zeros(2, np.int64), np.random.default_rng(0), 0)
    with pytest.raises(ValueError, match="takes groups"):
        exchanged(two, two, np.zeros(3, np.int64), np.random.default_rng(0))
