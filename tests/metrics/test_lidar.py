import numpy as np
import pytest
from scipy.linalg import inv, sqrtm

from unlabeled.metrics import lidar as module
from unlabeled.metrics.lidar import lidar
from unlabeled.metrics.spectrum import effective_rank


def viewed(samples=40, views=5, width=6, noise=0.3, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((samples, 1, width)) * np.arange(1, width + 1) ** -0.7 + 2.0
    return own + noise * rng.standard_normal((samples, views, width)) * np.linspace(0.2, 2, width)


def written_out(views, delta, epsilon) -> float:
    """The matrix of the paper with an explicit inverse root, one sample at a time."""
    count, q, width = views.shape
    means = views.mean(axis=1)
    between = sum(np.outer(m - means.mean(axis=0), m - means.mean(axis=0)) for m in means) / (count - 1)
    within = sum(np.outer(e - m, e - m) for m, part in zip(means, views, strict=True) for e in part)
    root = inv(sqrtm(within / (count * (q - 1)) + delta * np.eye(width)))
    values = np.linalg.eigvalsh(root @ between @ root)
    share = values / values.sum() + epsilon
    return float(np.exp(-(share * np.log(share)).sum()))


@pytest.mark.parametrize(("delta", "epsilon"), [(1e-4, 1e-7), (0.5, 1e-3)])
def test_lidar_is_the_written_out_matrix(delta, epsilon, monkeypatch):
    monkeypatch.setattr(module, "SAMPLES", 7)
    views = viewed()
    found = lidar(views, delta, epsilon=epsilon)
    assert found.value == pytest.approx(written_out(views, delta, epsilon), rel=1e-9)
    assert (found.delta, found.samples, found.views) == (delta, 40, 5)


def test_no_invertible_linear_map_changes_it_without_delta():
    views, rng = viewed(), np.random.default_rng(1)
    turned = views @ rng.standard_normal((6, 6)) + rng.standard_normal(6)
    assert lidar(turned, 0.0).value == pytest.approx(lidar(views, 0.0).value, rel=1e-9)
    assert lidar(turned, 0.3).value != pytest.approx(lidar(views, 0.3).value, rel=1e-3)


def test_a_relative_delta_does_not_see_the_scale():
    views = viewed()
    ours, longer = (lidar(scale * views, 0.1, relative=True) for scale in (1, 10))
    assert longer.value == pytest.approx(ours.value, rel=1e-9)
    assert longer.delta == pytest.approx(100 * ours.delta)
    within = (views - views.mean(axis=1, keepdims=True)) ** 2
    assert ours.delta == pytest.approx(0.1 * within.sum() / (40 * 4) / 6)
    assert lidar(10 * views, 0.1).value != pytest.approx(lidar(views, 0.1).value, rel=1e-3)


def test_equal_views_give_the_effective_rank_of_the_eigenvalues_between_samples():
    views = np.repeat(viewed(noise=0.0)[:, :1], 4, axis=1)
    expected = effective_rank(np.linalg.eigvalsh(np.cov(views[:, 0].T)))
    assert lidar(views).value == pytest.approx(expected, rel=1e-9)


def test_isotropic_samples_are_of_full_rank_and_few_of_their_number_less_one():
    rng = np.random.default_rng(0)
    many = rng.standard_normal((4000, 1, 8)) + 0.1 * rng.standard_normal((4000, 2, 8))
    assert lidar(many).value == pytest.approx(8, abs=0.1)
    few = rng.standard_normal((4, 1, 30)) + 1e-3 * rng.standard_normal((4, 60, 30))
    assert 2.5 < lidar(few).value < 3.01
    line = np.arange(50.0)[:, None, None] * np.ones(5) + 0.1 * rng.standard_normal((50, 3, 5))
    assert lidar(line).value == pytest.approx(1, abs=0.1)


def test_samples_that_are_all_alike_have_none():
    assert lidar(np.ones((5, 3, 4))).value is None


@pytest.mark.parametrize(
    ("views", "delta", "said"),
    [
        (viewed(views=1), 1e-4, "at least 2 views"),
        (viewed(samples=1), 1e-4, "at least 2 samples, got 1"),
        (viewed(samples=0), 1e-4, "at least 2 samples, got 0"),
        (viewed(), -1.0, "got 5 and -1.0"),
        (np.ones((5, 3, 4)), 0.0, "no full rank in 4"),
    ],
)
def test_what_is_not_defined_is_said(views, delta, said):
    with pytest.raises(ValueError, match=said):
        lidar(views, delta)
