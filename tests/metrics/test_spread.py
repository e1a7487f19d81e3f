import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp0f1

from unlabeled.metrics.spread import (
    alignment,
    dead_dimensions,
    deviations,
    duplicates,
    finite_rows,
    mean_cosine,
    nonfinite,
    norms,
    spread,
    uniformity,
)

shapes = {"count": st.integers(2, 30), "width": st.integers(1, 9), "seed": st.integers(0, 99)}


def drawn(count: int, width: int, seed: int, views: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((views, count, width)).astype(np.float32)


def units(rows: np.ndarray) -> np.ndarray:
    return rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)


@given(power=st.floats(0.5, 4), **shapes)
def test_alignment_is_the_double_loop(count, width, seed, power):
    first, second = drawn(count, width, seed, 2)
    apart = [np.sqrt(((a - b) ** 2).sum()) ** power for a, b in zip(units(first), units(second), strict=True)]
    assert alignment(first, second, power) == pytest.approx(np.mean(apart), rel=1e-9)
    assert alignment(first, first * 2.0) == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(block=st.integers(1, 40), t=st.floats(0.5, 4), **shapes)
def test_uniformity_is_that_of_pdist(count, width, seed, block, t):
    (rows,) = drawn(count, width, seed)
    apart = torch.pdist(torch.from_numpy(units(rows)))
    expected = float(apart.square().mul(-t).exp().mean().log())
    assert uniformity(rows, t, block) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("width", [2, 8, 128])
def test_uniformity_of_the_sphere_tends_to_its_closed_form(width):
    (rows,) = drawn(2000, width, 0)
    assert uniformity(rows) == pytest.approx(np.log(np.exp(-4) * hyp0f1(width / 2, 4)), abs=0.02)


def test_collapsed_rows_have_uniformity_0_cosine_1_and_spread_0():
    rows = np.random.default_rng(0).uniform(1, 2, (50, 1)).astype(np.float32) * np.ones((1, 16), np.float32)
    assert uniformity(rows) == pytest.approx(0, abs=1e-6)
    assert mean_cosine(rows) == pytest.approx(1, abs=1e-12)
    assert spread(rows) == pytest.approx(0, abs=1e-9)


@given(**shapes)
def test_mean_cosine_is_the_mean_over_pairs(count, width, seed):
    (rows,) = drawn(count, width, seed)
    cosines = [a @ b for i, a in enumerate(units(rows)) for b in units(rows)[:i]]
    assert mean_cosine(rows) == pytest.approx(np.mean(cosines), abs=1e-9)


def test_mean_cosine_of_a_zero_row_is_zero_with_all():
    assert mean_cosine(np.array([[1, 0], [1, 0], [0, 0]], np.float32)) == pytest.approx(1 / 3)


@given(**shapes)
def test_spread_is_the_formula(count, width, seed):
    (rows,) = drawn(count, width, seed)
    assert spread(rows) == pytest.approx(units(rows).std(axis=0).mean() * width**0.5, rel=1e-9, abs=1e-12)


def test_spread_of_an_isotropic_set_is_1():
    assert spread(np.concatenate([np.eye(12), -np.eye(12)])) == pytest.approx(1)


@given(**shapes)
def test_norms_and_deviations_are_numpy_s(count, width, seed):
    (rows,) = drawn(count, width, seed)
    wide = rows.astype(np.float64) + 100
    lengths = np.linalg.norm(wide, axis=1)
    assert norms(wide) == pytest.approx((lengths.mean(), lengths.std()), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(deviations(wide), wide.std(axis=0), rtol=1e-9)


def test_finite_rows_are_those_without_a_broken_value():
    rows = np.array([[1, 2], [np.nan, 2], [1, np.inf], [3, 4]], np.float32)
    assert finite_rows(rows).tolist() == [True, False, False, True] and finite_rows(rows[:0]).tolist() == []


@pytest.mark.parametrize("dead", [0, 3, 7, 10])
def test_dead_dimensions_are_counted_even_when_they_are_most(dead):
    (rows,) = drawn(300, 10, 0)
    rows[:, :dead] = 0.3 + rows[:, :dead] * 1e-6 * (dead < 10)
    assert dead_dimensions(rows) == pytest.approx(dead / 10)


@settings(deadline=None, max_examples=25)
@given(**shapes)
def test_order_and_lengths_of_rows_do_not_matter(count, width, seed):
    rng = np.random.default_rng(seed)
    first, second = drawn(count, width, seed, 2)
    order, lengths = rng.permutation(count), rng.uniform(0.1, 10, (count, 1)).astype(np.float32)
    for figure in (uniformity, mean_cosine, spread):
        assert figure((first * lengths)[order]) == pytest.approx(figure(first), abs=2e-6)
    assert alignment((first * lengths)[order], second[order]) == pytest.approx(alignment(first, second), abs=1e-6)


def test_non_finite_values_and_repeated_rows_are_counted():
    rows = np.array([[1, 0.0], [np.nan, np.inf], [1, -0.0], [2, 3], [1, 0]], np.float32)
    assert nonfinite(rows) == pytest.approx(0.2)
    assert duplicates(rows) == 2  # three rows are (1, 0), whatever the sign of their zero
    assert duplicates(np.arange(12.0).reshape(4, 3)) == 0


def test_too_few_rows_are_said():
    one = np.ones((1, 3), np.float32)
    for figure in (uniformity, mean_cosine):
        with pytest.raises(ValueError, match="at least two rows, got 1"):
            figure(one)
    for figure in (spread, dead_dimensions, norms, deviations, lambda rows: alignment(rows, rows)):
        with pytest.raises(ValueError, match="at least one"):
            figure(one[:0])
    with pytest.raises(ValueError, match=r"got \(1, 3\) and \(1, 2\)"):
        alignment(one, one[:, :2])
