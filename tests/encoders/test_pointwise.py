"""ELU and dropout of our own: torch's values and gradients, and the chance that was asked for."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch.nn import functional

from unlabeled.encoders.temporal_graphs.pointwise import PART, elu_, kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_elu_is_torchs_in_value_and_gradient(dtype: torch.dtype) -> None:
    rows = torch.cat([torch.linspace(-120, 90, 2001), torch.tensor([0.0, 1e-9, -1e-9, -1e-4, 1e30, -1e30])]).to(dtype)
    ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    weight = torch.randn(len(rows), dtype=torch.float64).to(dtype)
    (elu_(ours * 1) * weight).sum().backward()
    (functional.elu(theirs) * weight).sum().backward()
    bound = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(elu_(rows.clone()), functional.elu(rows), rtol=bound, atol=bound)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=bound, atol=bound)


@pytest.mark.parametrize("shape", [(0, 3, 2), (1, PART + 1), (2 * PART // 7 + 5, 7)])
def test_elu_in_parts_of_any_shape_is_that_of_the_whole(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    leaf = torch.randn(shape, requires_grad=True)
    rows = leaf + 0
    found = elu_(rows)
    assert found.data_ptr() == rows.data_ptr()  # in place
    found.sum().backward()  # a gradient without memory of its own
    torch.testing.assert_close(found, functional.elu(leaf), rtol=0, atol=1e-6)
    torch.testing.assert_close(leaf.grad, leaf.detach().clamp(max=0).exp(), rtol=0, atol=1e-6)


def test_what_is_no_number_stays_none() -> None:
    assert elu_(torch.tensor([torch.nan])).isnan().all()


@pytest.mark.parametrize("rate", [0.1, 0.5, 1 / 3])
def test_dropout_keeps_the_share_that_was_asked_for_and_its_mean(rate: float) -> None:
    torch.manual_seed(3)
    found = kept((997, 101), rate, torch.empty(0, dtype=torch.float64)).numpy()
    assert set(np.unique(found)) == {0.0, 1 / (1 - rate)}
    assert binomtest(int((found > 0).sum()), found.size, 1 - rate).pvalue > 1e-3
    for lane in range(4):  # of one random number four are made
        part = found.ravel()[lane::4]
        assert binomtest(int((part > 0).sum()), part.size, 1 - rate).pvalue > 1e-3


def test_neighbours_are_dropped_apart_from_each_other() -> None:
    torch.manual_seed(4)
    found = (kept((4, 40_000), 0.5, torch.empty(0)) > 0).numpy().reshape(-1).astype(float)
    for shift in (1, 2, 3, 4, 40_000):
        assert abs(np.corrcoef(found[:-shift], found[shift:])[0, 1]) < 0.012


def test_the_seed_decides() -> None:
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(kept((50, 3), 0.3, torch.empty(0)))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
