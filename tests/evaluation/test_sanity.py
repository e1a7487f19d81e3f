import numpy as np
import pytest

from unlabeled.evaluation.health import health
from unlabeled.evaluation.sanity import Sanity, sanity

ROWS = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32) * [0.1, 1, 2, 3, 4] + 1
ROWS = np.concatenate([ROWS, ROWS[:3]]).astype(np.float32)
LABELS = np.array([0] * 20 + [1] * 30 + [3] * 10 + [-1] * 3)


def test_every_figure_is_its_definition():
    found = sanity(ROWS, LABELS)
    rows = ROWS.astype(np.float64)
    norm = np.linalg.norm(rows, axis=1)
    cosines = (rows @ rows.T) / np.outer(norm, norm)
    assert (found.n, found.width, found.nonfinite, found.duplicates) == (63, 5, 0.0, 3)
    assert [found.mean_norm, found.norm_deviation] == pytest.approx([norm.mean(), norm.std()])
    deviations = sorted(rows.std(axis=0))
    assert found.deviation_quantiles == pytest.approx(np.interp([0, 0.4, 2, 3.6, 4], range(5), deviations))
    assert found.mean_cosine == pytest.approx(cosines[np.triu_indices(63, 1)].mean())
    assert found.majority_share == 0.5
    assert sanity(ROWS).majority_share is None and sanity(ROWS, np.full(63, -1)).majority_share is None


def test_rows_that_are_not_finite_are_counted_and_left_out():
    broken = ROWS.copy()
    broken[5, 2], broken[9] = np.nan, np.inf
    found = sanity(broken)
    assert found.n == 63 and found.nonfinite == pytest.approx(6 / (63 * 5))
    kept = sanity(np.delete(ROWS, [5, 9], axis=0))
    for name in ("mean_norm", "norm_deviation", "deviation_quantiles", "mean_cosine", "duplicates"):
        assert getattr(found, name) == pytest.approx(getattr(kept, name)), name


def test_hardly_any_row_and_none():
    one = sanity(ROWS[:1])
    assert one.mean_norm == pytest.approx(np.linalg.norm(ROWS[0])) and one.mean_cosine is None
    assert one.deviation_quantiles == (0,) * 5
    none = sanity(np.full((2, 5), np.nan, np.float32))
    assert none == Sanity(2, 5, 1.0, None, None, None, None, 0, None)


def test_health_says_the_same_of_its_first_view():
    found = health(ROWS, ROWS + np.float32(0.1))
    assert found.sanity == sanity(ROWS)
    assert (found.mean_cosine, found.duplicates) == (found.sanity.mean_cosine, found.sanity.duplicates)
