"""Reconstruction and local-global against their equations in NumPy; properties; several processes of unequal rows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from battery.processes import run_in_processes
from unlabeled.distributed import rank, world_size
from unlabeled.objectives import local_global, reconstruction

SEEDS = st.integers(0, 99)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def softplus(x: float) -> float:
    return float(np.logaddexp(0, x))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 3), SEEDS)
def test_reconstruction_is_its_equation(rows: int, kinds: int, rest: int, seed: int) -> None:
    if kinds + rest == 0:
        return
    predicted, target = drawn(rows, kinds + rest, seed=seed), drawn(rows, kinds + rest, seed=seed + 1)
    if kinds:
        target[:, :kinds] = np.eye(kinds)[np.random.default_rng(seed).integers(0, kinds, rows)]
    expected = 0.0
    for p, t in zip(predicted, target, strict=True):
        if kinds:
            expected -= np.log(np.exp(p[:kinds]) / np.exp(p[:kinds]).sum())[t[:kinds].argmax()]
        if rest:
            expected += np.mean((p[kinds:] - t[kinds:]) ** 2)
    found = reconstruction(torch.from_numpy(predicted), torch.from_numpy(target), kinds)
    assert found.item() == pytest.approx(expected / rows, rel=1e-9)


def test_an_unknown_kind_costs_nothing_and_a_perfect_row_nothing() -> None:
    rows = torch.tensor([[0.0, 0.0, 2.0, 3.0]])
    assert reconstruction(rows, rows, 2).item() == 0
    with pytest.raises(ValueError, match="two \\(n, F\\) tensors"):
        reconstruction(torch.ones(2, 3), torch.ones(2, 3), 4)
    with pytest.raises(ValueError, match="two \\(n, F\\) tensors"):
        reconstruction(torch.ones(2, 3), torch.ones(3, 3))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(1, 9), st.integers(1, 4), SEEDS)
def test_local_global_is_its_equation(wholes: int, parts: int, width: int, seed: int) -> None:
    p, w = drawn(parts, width, seed=seed), drawn(wholes, width, seed=seed + 1)
    owner = np.random.default_rng(seed).integers(0, wholes, parts)
    positive = np.mean([softplus(-(p[i] @ w[owner[i]])) for i in range(parts)])
    negative = np.mean([softplus(p[i] @ w[j]) for i in range(parts) for j in range(wholes) if j != owner[i]])
    found = local_global(torch.from_numpy(p), torch.from_numpy(w), torch.from_numpy(owner))
    assert found.item() == pytest.approx(positive + negative, rel=1e-9)


def test_local_global_of_nothing_known_is_two_logarithms_of_two() -> None:
    found = local_global(torch.zeros(5, 3), torch.zeros(2, 3), torch.zeros(5, dtype=torch.int64))
    assert found.item() == pytest.approx(2 * np.log(2))
    with pytest.raises(ValueError, match="at least two wholes"):
        local_global(torch.zeros(5, 3), torch.zeros(1, 3), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ValueError, match="takes \\(n, D\\)"):
        local_global(torch.zeros(5, 3), torch.zeros(2, 4), torch.zeros(5, dtype=torch.int64))


def unequal() -> tuple[float, list[torch.Tensor]]:
    """Both objectives on this process's wholes and on their parts, which are of another number on each."""
    p, w = torch.from_numpy(drawn(8, 4)), torch.from_numpy(drawn(4, 4, seed=1))
    owner = torch.tensor([0, 0, 1, 2, 2, 2, 3, 3])
    if world_size() > 1:
        half = slice(0, 3) if rank() == 0 else slice(3, 8)
        p, owner = p[half], owner[half] - 2 * rank()
        w = w[2 * rank() : 2 * rank() + 2]
    p, w = p.clone().requires_grad_(), w.clone().requires_grad_()
    loss = local_global(p, w, owner) + reconstruction(p.sin(), p, 2)
    return loss.item(), [each / world_size() for each in torch.autograd.grad(loss, [p, w])]


def test_processes_with_unequal_parts_equal_one() -> None:
    shards, whole = run_in_processes(unequal, 2), unequal()
    assert np.mean([loss for loss, _ in shards]) == pytest.approx(whole[0], rel=1e-12)
    for place, expected in enumerate(whole[1]):
        torch.testing.assert_close(torch.cat([gradients[place] for _, gradients in shards]), expected)
