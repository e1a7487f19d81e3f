"""NT-Logistic and the margin triplet against a double loop over anchors and negatives in NumPy."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.objectives import margin_triplet, nt_logistic, nt_xent


def rows(seed: int, batch: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(seed).standard_normal((2, batch, width))
    return first, second


def log_sigmoid(x: float) -> float:
    return -float(np.logaddexp(0.0, -x))


def semi_hard_of(positive: float, others: list[float]) -> list[float]:
    """The nearest that is farther than the positive, else the farthest."""
    below = [s for s in others if s < positive]
    return ([max(below)] if below else [min(others)]) if others else []


def logistic_of(positive: float, others: list[float], temperature: float) -> float:
    pushed = [log_sigmoid(-s / temperature) for s in others]
    return -log_sigmoid(positive / temperature) - (float(np.mean(pushed)) if pushed else 0.0)


def triplet_of(positive: float, others: list[float], margin: float) -> float:
    return float(np.mean([max(s - positive + margin, 0.0) for s in others])) if others else 0.0


def xent_of(positive: float, others: list[float], temperature: float) -> float:
    return float(np.logaddexp.reduce([s / temperature for s in (positive, *others)]) - positive / temperature)


def written_out(first, second, of, scale: float, normalized: bool, negatives: str, semi_hard: bool) -> float:
    """The mean over anchors of `of`(similarity of the positive, similarities of the negatives, scale)."""
    z = np.concatenate([first, second])
    if normalized:
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
    half, losses = len(first), []
    for i in range(2 * half):
        positive = (i + half) % (2 * half)
        others = []
        for k in range(2 * half):
            in_partners_view = (k < half) == (positive < half)
            if k not in (i, positive) and (negatives == "both" or in_partners_view):
                others.append(float(z[i] @ z[k]))
        similar = float(z[i] @ z[positive])
        losses.append(of(similar, semi_hard_of(similar, others) if semi_hard else others, scale))
    return float(np.mean(losses))


drawn = {
    "batch": st.integers(1, 8),
    "width": st.integers(2, 12),
    "normalized": st.booleans(),
    "negatives": st.sampled_from(["both", "one"]),
    "seed": st.integers(0, 999),
}


@settings(deadline=None, max_examples=150)
@given(semi_hard=st.booleans(), scale=st.sampled_from([0.1, 0.2, 0.5, 1.0]), **drawn)
def test_nt_logistic_is_the_double_loop(batch, width, normalized, negatives, semi_hard, seed, scale) -> None:
    first, second = rows(seed, batch, width)
    loss = nt_logistic(torch.from_numpy(first), torch.from_numpy(second), scale, normalized, negatives, semi_hard)
    expected = written_out(first, second, logistic_of, scale, normalized, negatives, semi_hard)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=150)
@given(semi_hard=st.booleans(), scale=st.sampled_from([0.0, 0.4, 0.8, 1.6]), **drawn)
def test_margin_triplet_is_the_double_loop(batch, width, normalized, negatives, semi_hard, seed, scale) -> None:
    first, second = rows(seed, batch, width)
    loss = margin_triplet(torch.from_numpy(first), torch.from_numpy(second), scale, normalized, negatives, semi_hard)
    expected = written_out(first, second, triplet_of, scale, normalized, negatives, semi_hard)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(temperature=st.sampled_from([0.05, 0.1, 1.0, 10.0, 100.0]), **drawn)
def test_nt_xent_in_all_its_ways_is_the_double_loop(batch, width, normalized, negatives, temperature, seed) -> None:
    first, second = rows(seed, batch, width)
    loss = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature, normalized, negatives)
    expected = written_out(first, second, xent_of, temperature, normalized, negatives, semi_hard=False)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_rows_of_any_length_overflow_nothing() -> None:
    first, second = (100 * part for part in rows(8, 6, 5))
    loss = nt_xent(torch.from_numpy(first).float(), torch.from_numpy(second).float(), 0.1, normalized=False)
    assert loss.item() == pytest.approx(written_out(first, second, xent_of, 0.1, False, "both", False), rel=1e-5)


WAYS = {
    "logistic": nt_logistic,
    "logistic, semi-hard": partial(nt_logistic, semi_hard=True),
    "triplet": partial(margin_triplet, margin=0.4),
    "triplet, semi-hard, one view": partial(margin_triplet, negatives="one", semi_hard=True),
    "logistic, as long as it is": partial(nt_logistic, normalized=False, temperature=1.0),
    "nt-xent, one view": partial(nt_xent, negatives="one"),
    "nt-xent, as long as it is": partial(nt_xent, temperature=10.0, normalized=False),
}


@pytest.mark.parametrize("objective", WAYS.values(), ids=WAYS)
def test_gradient_by_finite_differences(objective) -> None:
    first, second = (torch.from_numpy(part).requires_grad_() for part in rows(5, 5, 4))
    assert torch.autograd.gradcheck(objective, (first, second), eps=1e-6, rtol=1e-5)


@pytest.mark.parametrize("objective", WAYS.values(), ids=WAYS)
def test_the_views_may_be_swapped_and_turned(objective) -> None:
    first, second = (torch.from_numpy(part) for part in rows(6, 7, 5))
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(0).standard_normal((5, 5))))[0]
    for other in (objective(second, first), objective(first @ turn, second @ turn)):
        torch.testing.assert_close(other, objective(first, second), rtol=1e-10, atol=1e-12)


def test_table_2s_gradient_of_one_negative() -> None:
    """Of u for one v+ and one v-, times -1: sigmoid(-u.v+/t)/t v+ - sigmoid(u.v-/t)/t v-; v+ - v- in the margin."""
    u, plus, minus = (torch.nn.functional.normalize(torch.randn(1, 6, dtype=torch.float64), dim=1) for _ in range(3))
    first = torch.cat([u, torch.zeros_like(u)]).requires_grad_()
    second = torch.cat([plus, minus])
    for objective, expected in (
        (
            partial(nt_logistic, temperature=0.5),
            torch.sigmoid(-u @ plus.T / 0.5) / 0.5 * plus - torch.sigmoid(u @ minus.T / 0.5) / 0.5 * minus,
        ),
        (partial(margin_triplet, margin=3.0), plus - minus),
    ):
        (gradient,) = torch.autograd.grad(objective(first, second, normalized=False, negatives="one"), first)
        own = 4 * gradient[0] - _as_a_key(objective, u, plus, minus)
        torch.testing.assert_close(own[None], -expected, rtol=1e-9, atol=1e-12)


def _as_a_key(objective, u, plus, minus) -> torch.Tensor:
    """What the anchors v+ and v- of the second view ask of u: written out by their own logits' derivatives."""
    key = u.clone().requires_grad_()
    if objective.func is nt_logistic:
        t = objective.keywords["temperature"]
        sigmoid = torch.nn.functional.logsigmoid
        asked = -sigmoid(plus @ key.T / t) - sigmoid(-minus @ key.T / t)
    else:
        margin = objective.keywords["margin"]
        asked = (margin - plus @ key.T).clamp(min=0) + (minus @ key.T + margin).clamp(min=0)
    return torch.autograd.grad(asked.sum(), key)[0][0]


@pytest.mark.parametrize("objective", [nt_logistic, margin_triplet, nt_xent])
def test_refuses(objective) -> None:
    name = objective.__name__
    with pytest.raises(ValueError, match=rf"{name} takes two \(B, D\) tensors of one shape, got \(4, 3\) and \(5, 3\)"):
        objective(torch.zeros(4, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match=f"{name} takes a"):
        objective(torch.zeros(4, 3), torch.zeros(4, 3), -1.0)
