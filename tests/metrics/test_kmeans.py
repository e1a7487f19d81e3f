import numpy as np
import pytest
from sklearn.cluster import KMeans

from battery.features import mixture
from unlabeled.metrics import kmeans as module
from unlabeled.metrics.kmeans import _lloyd, _seeded, kmeans
from unlabeled.metrics.neighbours import normalise


def found_in(rows, count, seed=0, **options):
    return kmeans(rows, np.arange(len(rows)), count, np.random.default_rng(seed), **options)


def objective_of(rows, centres) -> float:
    rows, centres = rows.astype(np.float64), centres.astype(np.float64)
    return float(((rows[:, None] - centres[None]) ** 2).sum(-1).min(axis=1).mean())


@pytest.mark.parametrize("spherical", [True, False])
def test_lloyd_is_the_written_out_iteration(spherical, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 37)
    rows, _ = mixture(300, 6, 4, 0.5)
    rows = normalise(rows) if spherical else rows
    start = rows[:5].copy()
    found = _lloyd(rows, start, spherical, 0.0, lambda sums: sums, map)
    centres, before = start.astype(np.float64), None
    while True:
        clusters = ((rows[:, None] - centres[None]) ** 2).sum(-1).argmin(axis=1)
        if before is not None and (clusters == before).all():
            break
        before = clusters
        centres = np.stack([rows[clusters == k].mean(axis=0) for k in range(5)])
        centres = centres / np.linalg.norm(centres, axis=1, keepdims=True) if spherical else centres
    np.testing.assert_allclose(found.centres, centres, atol=1e-5)
    np.testing.assert_array_equal(found.nearest(rows), clusters)
    assert found.objective == pytest.approx(objective_of(rows, centres), rel=1e-5)
    assert found.iterations > 3


def test_restarts_are_as_good_as_those_of_scikit_learn():
    rows, _ = mixture(1500, 8, 12, 1.0)
    ours = found_in(rows, 12, spherical=False)
    theirs = KMeans(12, n_init=10, random_state=0).fit(rows).inertia_ / len(rows)
    assert objective_of(rows, ours.centres) == pytest.approx(ours.objective, rel=2e-4)
    assert ours.objective < 1.01 * theirs


def test_more_restarts_are_no_worse_and_the_best_is_kept():
    rows = normalise(mixture(600, 6, 15, 1.5)[0])
    one, many = (found_in(rows, 15, 3, restarts=number).objective for number in (1, 12))
    assert many <= one + 1e-6


def test_parts_far_apart_are_found_whatever_their_order():
    rows, labels = mixture(900, 10, 6, 8.0)
    order = np.random.default_rng(1).permutation(900)
    ids = np.arange(900)
    rng = [np.random.default_rng(5) for _ in range(2)]
    plain = kmeans(normalise(rows), ids, 6, rng[0])
    shuffled = kmeans(normalise(rows[order]), ids[order], 6, rng[1])
    np.testing.assert_allclose(plain.centres, shuffled.centres, atol=1e-6)
    pairs = {*zip(plain.nearest(normalise(rows)).tolist(), labels.tolist(), strict=True)}
    assert len(pairs) == 6
    np.testing.assert_allclose(np.linalg.norm(plain.centres, axis=1), 1, atol=1e-6)


def test_restarts_look_at_a_sample_and_the_end_at_all_rows(monkeypatch):
    monkeypatch.setattr(module, "AT_LEAST", 0)
    monkeypatch.setattr(module, "TOLERANCE", 0.0)
    rows, _ = mixture(3000, 5, 3, 4.0)
    sizes = []
    monkeypatch.setattr(module, "_seeded", lambda sample, *rest: sizes.append(len(sample)) or _seeded(sample, *rest))
    found = found_in(rows, 3, spherical=False, restarts=2)
    assert sizes == [3 * 64] * 2
    middles = np.stack([rows[found.nearest(rows) == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(found.centres, middles, atol=1e-4)


def test_starts_are_drawn_in_proportion_to_the_squared_distance():
    rows = np.array([[0.0], [1.0], [3.0]], np.float32)
    rng = np.random.default_rng(0)
    drawn = np.array([_seeded(rows, 2, rng)[:, 0] for _ in range(3000)])
    after = drawn[drawn[:, 0] == 0, 1]
    assert (after == 3).mean() == pytest.approx(0.9, abs=0.03)
    assert not (drawn[:, 0] == drawn[:, 1]).any()


def test_as_many_centres_as_rows_and_equal_rows():
    rows = np.eye(4, dtype=np.float32)
    found = found_in(rows, 4, spherical=False)
    assert sorted(found.nearest(rows)) == [0, 1, 2, 3]
    assert found.objective == pytest.approx(0, abs=1e-7)
    equal = found_in(np.ones((5, 3), np.float32), 3, spherical=False)
    assert (equal.nearest(np.ones((5, 3), np.float32)) == 0).all()
    assert np.isfinite(equal.centres).all()
    assert (found_in(np.zeros((5, 3), np.float32), 2).centres == 0).all()
    assert found.nearest(rows[:0]).shape == (0,)


@pytest.mark.parametrize(("count", "restarts"), [(0, 1), (6, 1), (2, 0)])
def test_numbers_out_of_range_are_said(count, restarts):
    with pytest.raises(ValueError, match=f"1 to 5 centres.*got {count} and {restarts}"):
        found_in(np.ones((5, 3), np.float32), count, restarts=restarts)
