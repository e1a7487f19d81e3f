"""The walk-context objective against the equation, pair by pair."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.objectives import walk_context
from unlabeled.objectives.walk_context import listed_products


def written_out(anchors, contexts, valid, negatives, weight) -> float:
    """Equation 5 in the official code's reading, in float64."""
    loss = 0.0
    for a, c, ok, n in zip(anchors, contexts, valid, negatives, strict=True):
        agree, apart = [], []
        for i in range(len(a)):
            for j in range(c.shape[1]):
                if ok[i, j]:
                    agree.append(np.log1p(np.exp(-a[i] @ c[i, j])))
                    apart += [np.log1p(np.exp(a[i] @ each)) for each in n]
        if agree:
            loss += np.mean(agree) + weight * np.mean(apart)
    return float(loss)


@settings(max_examples=40, deadline=None)
@given(
    groups=st.integers(1, 3), batch=st.integers(1, 4), many=st.integers(1, 3), drawn=st.integers(1, 4),
    weight=st.sampled_from([0.0, 0.01, 1.0]), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_the_written_out_equation(groups, batch, many, drawn, weight, seed) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal(shape) for shape in
             ((groups, batch, 5), (groups, batch, many, 5), (groups, drawn, 5))]  # fmt: skip
    valid = rng.random((groups, batch, many)) < 0.6
    expected = written_out(parts[0], parts[1], valid, parts[2], weight)
    anchors, contexts, negatives = (torch.from_numpy(part) for part in parts)
    found = walk_context(anchors, contexts, torch.from_numpy(valid), negatives, weight)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_of_zero_embeddings_it_is_known() -> None:
    zeros = torch.zeros(4, 3, 2, 6)
    loss = walk_context(zeros[:, :, 0], zeros, torch.ones(4, 3, 2, dtype=torch.bool), zeros[:, 0], 0.5)
    assert loss.item() == pytest.approx(4 * 1.5 * np.log(2), rel=1e-6)


def test_without_a_pair_it_is_zero_and_has_a_gradient() -> None:
    rows = torch.randn(2, 3, 4, requires_grad=True)
    loss = walk_context(rows, rows[:, :, None], torch.zeros(2, 3, 1, dtype=torch.bool), rows)
    loss.backward()
    assert loss.item() == 0 and rows.grad is not None and (rows.grad == 0).all()


def test_shapes_that_do_not_belong_together() -> None:
    rows = torch.randn(2, 3, 4)
    valid = torch.ones(2, 3, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="walk_context takes"):
        walk_context(rows, rows[:, :2, None], valid, rows)
    with pytest.raises(ValueError, match="negatives"):
        walk_context(rows, rows[:, :, None], valid, rows[:1])


@pytest.mark.parametrize("rows", [40, 300])
def test_listed_products_are_those_of_the_listed_rows(rows: int) -> None:
    """Where all products are formed, and where rows are gathered; and so are their gradients."""
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.standard_normal((3, rows, 5))).requires_grad_()
    own, other = rng.integers(0, rows, 6), rng.integers(0, rows, (3, 6, 2))
    shared = rng.integers(0, rows, (3, 4))
    near, apart = listed_products(values, *(torch.from_numpy(part) for part in (own, other, shared)))
    found = torch.cat([near, apart], 2)
    other = np.concatenate([other, np.repeat(shared[:, None], 6, 1)], 2)  # each own row's, listed out
    plain = values.detach().numpy()
    expected = [[[plain[g, own[b]] @ plain[g, other[g, b, j]] for j in range(6)] for b in range(6)] for g in range(3)]
    np.testing.assert_allclose(found.detach().numpy(), expected)
    pull = torch.from_numpy(rng.standard_normal(found.shape))
    found.backward(pull)
    gradient = np.zeros_like(plain)
    for g, b, j in np.ndindex(*found.shape):
        gradient[g, own[b]] += pull[g, b, j].item() * plain[g, other[g, b, j]]
        gradient[g, other[g, b, j]] += pull[g, b, j].item() * plain[g, own[b]]
    np.testing.assert_allclose(values.grad.numpy(), gradient, atol=1e-12)
