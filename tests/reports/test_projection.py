"""Two dimensions that keep what can be kept."""

import numpy as np
import pytest

from unlabeled.reports.projection import LEAST, project


def clusters(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three groups of directions, (3 count, 20)."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((3, 20)) * 3
    labels = np.repeat(np.arange(3), count)
    return (centres[labels] + rng.standard_normal((3 * count, 20))).astype(np.float32), labels


def test_neighbours_stay_neighbours() -> None:
    rows, labels = clusters()
    found = project(rows)
    assert found.method == "t-SNE" and found.points.shape == (180, 2)
    distance = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.98


def test_the_same_rows_give_the_same_places() -> None:
    rows, _ = clusters()
    np.testing.assert_array_equal(project(rows).points, project(rows).points)


def test_few_rows_are_shown_by_their_principal_components() -> None:
    rows = clusters(5)[0][: LEAST - 1]
    found = project(rows)
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    unit -= unit.mean(axis=0)
    left, scale, _ = np.linalg.svd(unit, full_matrices=False)
    expected = left[:, :2] * scale[:2]
    size = np.ptp(expected, axis=0).max()
    assert found.method == "PCA"
    assert found.explained == pytest.approx((scale[:2] ** 2).sum() / (scale**2).sum(), rel=1e-6)
    for axis in range(2):  # up to the sign, and but for where the middle is
        ours, theirs = found.points[:, axis], expected[:, axis] / size
        same = [np.ptp(ours - sign * theirs) < 1e-5 for sign in (1, -1)]
        assert any(same)


@pytest.mark.parametrize("rows", [np.ones((1, 4)), np.ones((50, 4)), np.zeros((3, 4)), np.arange(1, 41.0)[:, None]])
def test_rows_that_hardly_differ_have_places(rows: np.ndarray) -> None:
    found = project(rows.astype(np.float32))
    assert found.points.shape == (len(rows), 2) and np.isfinite(found.points).all()
    assert found.method == "PCA" and 0 <= found.explained <= 1


def test_places_fill_the_unit_square_both_axes_alike() -> None:
    points = project(clusters()[0]).points
    assert points.min() >= 0 and points.max() <= 1
    low, high = points.min(axis=0), points.max(axis=0)
    assert (high - low).max() == pytest.approx(1) and np.allclose((low + high) / 2, 0.5)
