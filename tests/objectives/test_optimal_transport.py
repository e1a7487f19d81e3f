"""The plan, its labels and its invariants, against linear programmes, POT and the paper's own loop."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax, softmax

from unlabeled.objectives import assign, balanced_assignment

EXACT = 1e-11


def drawn(samples: int, clusters: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((samples, clusters))


def official(logits: np.ndarray, strength: float, loops: int = 3000) -> np.ndarray:
    """The paper's own loop on the powered softmax, in float64; N Q, (N, K)."""
    power = softmax(logits, axis=1).T ** strength  # (K, N)
    clusters, samples = power.shape
    c = np.full(samples, 1 / samples)
    for _ in range(loops):
        r = (1 / clusters) / (power @ c)
        c = (1 / samples) / (r @ power)
    return (r[:, None] * power * c).T * samples


def plan(logits: np.ndarray, bias: torch.Tensor, strength: float) -> np.ndarray:
    """Row i of N Q, (N, K), written out in float64."""
    return softmax(strength * np.asarray(logits, np.float64) + bias.numpy(), axis=1)


def cost(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean -log p(label)."""
    return float(-np.take_along_axis(log_softmax(logits, axis=1), labels[:, None], 1).mean())


def optimum(logits: np.ndarray) -> np.ndarray:
    """The labels that the exact balanced assignment gives: each cluster N/K times a column of an assignment problem."""
    samples, clusters = logits.shape
    _, column = linear_sum_assignment(-np.repeat(log_softmax(logits, axis=1), samples // clusters, axis=1))
    return column // (samples // clusters)


@pytest.mark.parametrize(
    ("samples", "clusters", "strength"), [(60, 5, 5.0), (40, 8, 10.0), (7, 12, 2.0), (30, 3, 25.0)]
)
def test_is_the_official_loop(samples: int, clusters: int, strength: float) -> None:
    logits = drawn(samples, clusters)
    found = balanced_assignment(torch.from_numpy(logits), strength, tolerance=EXACT)
    expected = official(logits, strength)
    np.testing.assert_allclose(plan(logits, found.bias, strength), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.labels.numpy(), expected.argmax(1))
    assert abs(found.bias.mean()) < 1e-12 and found.labels.dtype == torch.int64 and found.bias.dtype == torch.float64


@pytest.mark.parametrize("strength", [1.0, 10.0])
def test_is_the_plan_of_pot_under_any_marginals_and_weights(strength: float) -> None:
    logits, rng = drawn(50, 6), np.random.default_rng(1)
    shares, weights = rng.dirichlet(np.full(6, 3.0)), rng.uniform(0.1, 1.0, 50)
    found = balanced_assignment(logits, strength, marginals=shares, weights=weights, tolerance=EXACT)
    mass = weights / weights.sum()
    expected = ot.sinkhorn(
        mass, shares, -log_softmax(logits, axis=1), 1 / strength, "sinkhorn_log", numItermax=20000, stopThr=1e-13
    )
    np.testing.assert_allclose(mass[:, None] * plan(logits, found.bias, strength), expected, rtol=1e-7, atol=1e-10)


@settings(deadline=None, max_examples=12)
@given(per=st.integers(1, 5), clusters=st.integers(2, 6), strength=st.floats(1.0, 25.0), seed=st.integers(0, 999))
def test_cost_is_within_the_bounds_of_duality(per: int, clusters: int, strength: float, seed: int) -> None:
    logits = drawn(per * clusters, clusters, seed)
    best = cost(logits, optimum(logits))
    found = balanced_assignment(logits, strength, tolerance=1e-6, max_passes=400)
    entropic = float(-(plan(logits, found.bias, strength) * log_softmax(logits, axis=1)).sum(1).mean())
    rest = 1e-6 + 10 * found.marginal_error
    assert best - rest <= entropic <= best + np.log(clusters) / strength + rest
    counts = np.bincount(found.labels, minlength=clusters) / len(logits)
    assert cost(logits, found.labels.numpy()) <= best + ((counts - 1 / clusters) @ found.bias.numpy()) / strength + rest


def test_grows_into_the_exact_assignment() -> None:
    logits = drawn(60, 6, 3)
    best = optimum(logits)
    costs = []
    for strength in (10.0, 100.0, 1000.0):
        found = balanced_assignment(logits, strength, tolerance=1e-4, max_passes=3000)
        costs.append(-(plan(logits, found.bias, strength) * log_softmax(logits, axis=1)).sum(1).mean())
    assert costs[0] > costs[1] > costs[2] > cost(logits, best) - 1e-3 > costs[2] - 4e-3
    np.testing.assert_array_equal(found.labels.numpy(), best)


@settings(deadline=None, max_examples=10)
@given(samples=st.integers(2, 40), clusters=st.integers(2, 7), seed=st.integers(0, 999))
def test_shifts_and_permutations(samples: int, clusters: int, seed: int) -> None:
    logits, rng = drawn(samples, clusters, seed), np.random.default_rng(seed)
    found = balanced_assignment(logits, 8.0, tolerance=1e-10)
    by_row, by_cluster = rng.normal(0, 30, (samples, 1)), rng.normal(0, 30, clusters)
    rows, columns = rng.permutation(samples), rng.permutation(clusters)
    shifted = balanced_assignment(logits + by_row, 8.0, tolerance=1e-10)
    np.testing.assert_allclose(shifted.bias, found.bias, atol=1e-7)
    moved = balanced_assignment(logits + by_cluster, 8.0, tolerance=1e-10)
    np.testing.assert_allclose(
        moved.bias + 8.0 * torch.from_numpy(by_cluster - by_cluster.mean()), found.bias, atol=1e-6
    )
    np.testing.assert_array_equal(moved.labels, found.labels)
    turned = balanced_assignment(logits[rows][:, columns], 8.0, tolerance=1e-10)
    np.testing.assert_array_equal(columns[turned.labels], found.labels[rows])


def test_limits() -> None:
    logits = drawn(40, 4)
    weak = balanced_assignment(logits, 1e-9, marginals=np.array([1, 2, 3, 4]), tolerance=1e-12)
    np.testing.assert_allclose(plan(logits, weak.bias, 1e-9), np.tile([0.1, 0.2, 0.3, 0.4], (40, 1)), rtol=1e-7)
    same = balanced_assignment(np.zeros((9, 3)))
    assert same.passes == 1 and same.marginal_error < 1e-12 and not same.bias.any()
    alone = balanced_assignment(drawn(5, 1))
    assert not alone.labels.any() and alone.bias.tolist() == [0] and alone.marginal_error == 0
    square = drawn(12, 12)
    permuted = balanced_assignment(square, 300.0, tolerance=0.05, max_passes=20000)
    np.testing.assert_array_equal(permuted.labels, optimum(square))
    assert sorted(permuted.labels.tolist()) == list(range(12))


def test_clusters_that_would_collapse_are_all_used() -> None:
    logits = drawn(600, 10) * 0.3 + np.linspace(0, 8, 10)
    assert len(np.unique(logits.argmax(1))) <= 2
    found = balanced_assignment(logits.astype(np.float32))
    assert np.abs(np.bincount(found.labels, minlength=10) - 60).max() <= 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_underflow(dtype: torch.dtype) -> None:
    logits = 50 * drawn(200, 6) + 40 * np.arange(6)
    with np.errstate(all="ignore"):
        assert not np.isfinite(official(logits.astype(np.float32), 25.0, 5)).all()
    found = balanced_assignment(torch.from_numpy(logits).to(dtype), 25.0, tolerance=0.1, max_passes=20000)
    assert found.marginal_error < 0.1 and found.bias.isfinite().all()
    shares = plan(logits, found.bias, 25.0).mean(0)
    np.testing.assert_allclose(shares, 1 / 6, rtol=0.1 if dtype == torch.float64 else 0.15)


def test_infinite_logits_are_never_and_always() -> None:
    logits = drawn(300, 4)
    logits[:50, 0], logits[7, 1:], logits[60, 2], logits[70, :2] = -np.inf, -np.inf, np.inf, np.inf
    logits[7, 0] = 1.0
    found = balanced_assignment(logits, 5.0, tolerance=1e-9)
    limit = logits.copy()
    limit[60], limit[70] = [-np.inf, -np.inf, 0, -np.inf], [0, 0, -np.inf, -np.inf]
    np.testing.assert_allclose(plan(limit, found.bias, 5.0).mean(0), 0.25, rtol=1e-8)
    assert (found.labels[:7] != 0).all() and found.labels[7] == 0 and found.labels[60] == 2 and found.labels[70] < 2
    kept = balanced_assignment(logits, 5.0, tolerance=1e-9, kernel_memory=2**20)
    np.testing.assert_allclose(kept.bias, found.bias, atol=1e-8)


def test_weights_are_repetitions_and_zero_is_absence() -> None:
    logits = drawn(50, 5)
    times = np.random.default_rng(2).integers(0, 4, 50)
    by_weight = balanced_assignment(logits, 6.0, tolerance=EXACT, weights=times)
    by_copies = balanced_assignment(np.repeat(logits, times, axis=0), 6.0, tolerance=EXACT)
    np.testing.assert_allclose(by_weight.bias, by_copies.bias, atol=1e-9)
    np.testing.assert_array_equal(np.repeat(by_weight.labels.numpy(), times), by_copies.labels)


def test_assigns_new_samples_by_the_same_bias() -> None:
    logits = drawn(300, 7).astype(np.float32)
    found = balanced_assignment(logits[:200], 4.0)
    new = assign(logits, found.bias, 4.0)
    np.testing.assert_array_equal(new.labels[:200], found.labels)
    expected = plan(logits, found.bias, 4.0)
    np.testing.assert_allclose(new.confidences, expected.max(1), rtol=1e-5)
    np.testing.assert_array_equal(new.labels, expected.argmax(1))


def test_a_warm_start_is_taken_up() -> None:
    logits = drawn(400, 16)
    cold = balanced_assignment(logits, 10.0, tolerance=1e-9)
    moved = logits + 0.01 * drawn(400, 16, 5)
    again = balanced_assignment(moved, 10.0, tolerance=1e-9, start=cold.bias)
    fresh = balanced_assignment(moved, 10.0, tolerance=1e-9)
    np.testing.assert_allclose(again.bias, fresh.bias, atol=1e-6)
    assert again.passes < fresh.passes
    assert balanced_assignment(logits, 10.0, tolerance=1e-8, start=cold.bias + 3.0).passes == 1


BROKEN = {
    "row 3 is not a number": (lambda x: x.index_fill(0, torch.tensor([3]), float("nan")), {}),
    "row 4 is -inf in all": (lambda x: x.index_fill(0, torch.tensor([4]), -float("inf")), {}),
    "cluster 2 has none": (lambda x: x.index_fill(1, torch.tensor([2]), -float("inf")), {}),
    "at least one sample": (lambda x: x[:0], {}),
    "(20,)": (lambda x: x[:, 0], {}),
    "not a generator": (lambda x: iter([x]), {}),
    "(n, 3) as those before": (lambda x: [x, x[:, :2]], {}),
    "strength above 0, got -1": (lambda x: x, {"strength": -1.0}),
    "strength above 0, got nan": (lambda x: x, {"strength": float("nan")}),
    "relaxation above 0 and below 2": (lambda x: x, {"relaxation": 2.0}),
    "max_passes above 0": (lambda x: x, {"max_passes": 0}),
    "subsample in (0, 1]": (lambda x: x, {"subsample": 0.0}),
    "sum of 0.9": (lambda x: x, {"marginals": np.array([0.3, 0.3, 0.3])}),
    "smallest of 0": (lambda x: x, {"marginals": np.array([0, 1, 1])}),
    "marginals is 3 finite numbers": (lambda x: x, {"marginals": np.array([0.5, 0.5])}),
    "start is 3 finite numbers": (lambda x: x, {"start": torch.tensor([0.0, 1.0, float("nan")])}),
    "got 19 for more": (lambda x: x, {"weights": np.ones(19)}),
    "got 21 for 20": (lambda x: x, {"weights": np.ones(21)}),
    "numbers from 0": (lambda x: x, {"weights": -np.ones(20)}),
    "sum above 0": (lambda x: x, {"weights": np.zeros(20)}),
    "beyond the largest number": (lambda x: x.float() * 1e38, {}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_refuses(words: str) -> None:
    logits, arguments = BROKEN[words]
    with pytest.raises(ValueError) as raised:
        balanced_assignment(logits(torch.from_numpy(drawn(20, 3))), **arguments)
    assert words in str(raised.value), raised.value


def test_assign_refuses() -> None:
    with pytest.raises(ValueError, match="3 for a bias of 2"):
        assign(drawn(4, 3), np.zeros(2))
    rows = drawn(4, 3)
    rows[2] = np.nan
    with pytest.raises(ValueError, match="row 2 is not a number"):
        assign(rows, np.zeros(3))
