import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from unlabeled.objectives import nt_xent
from unlabeled.objectives.contrastive import TILE, by_blocks, by_tiles


def of_views(form, piece: int):
    """A form of the objective that takes unit rows, as one that takes two views."""
    return lambda first, second, temperature=0.1: form(normalize(torch.cat([first, second]), dim=1), temperature, piece)


FORMS = {"nt_xent": nt_xent, "by_tiles": of_views(by_tiles, 3), "by_blocks": of_views(by_blocks, 3)}
each_form = pytest.mark.parametrize("objective", FORMS.values(), ids=FORMS.keys())


def written_out(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    """Equation 1 of the paper, one pair at a time, in float64."""
    z = np.concatenate([first, second]).astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    count, half = len(z), len(first)
    losses = []
    for i in range(count):
        others = [np.exp(z[i] @ z[k] / temperature) for k in range(count) if k != i]
        losses.append(-np.log(np.exp(z[i] @ z[(i + half) % count] / temperature) / sum(others)))
    return float(np.mean(losses))


def table_2(first: np.ndarray, second: np.ndarray, temperature: float) -> np.ndarray:
    """The gradient with respect to the raw rows of both views, (2B, D), by Table 2's closed form for each anchor.

    Table 2 gives an anchor's own gradient; its keys' parts follow by symmetry of u . v. The last step is the
    projection through the normalisation.
    """
    raw = np.concatenate([first, second]).astype(np.float64)
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    z, count, half = raw / length, len(raw), len(first)
    gradient = np.zeros_like(z)
    for i in range(count):
        others = [k for k in range(count) if k != i]
        weight = np.exp(z[others] @ z[i] / temperature)
        weight /= weight.sum()
        positive = (i + half) % count
        gradient[i] += (weight @ z[others] - z[positive]) / temperature / count
        for k, w in zip(others, weight, strict=True):
            gradient[k] += (w - (k == positive)) * z[i] / temperature / count
    return (gradient - (gradient * z).sum(1, keepdims=True) * z) / length


def rows(seed: int, batch: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(seed).standard_normal((2, batch, width))
    return first, second


@each_form
@settings(deadline=None, max_examples=60)
@given(batch=st.integers(1, 9), width=st.integers(2, 33), temperature=st.floats(0.05, 10.0), seed=st.integers(0, 99))
def test_is_the_written_out_equation(objective, batch: int, width: int, temperature: float, seed: int) -> None:
    first, second = rows(seed, batch, width)
    loss = objective(torch.from_numpy(first), torch.from_numpy(second), temperature)
    assert loss.item() == pytest.approx(written_out(first, second, temperature), rel=1e-9, abs=1e-9)


@each_form
@pytest.mark.parametrize(("batch", "width", "temperature"), [(2, 3, 0.5), (5, 8, 0.1), (7, 2, 2.0)])
def test_gradient_is_table_2(objective, batch: int, width: int, temperature: float) -> None:
    first, second = (torch.from_numpy(part).requires_grad_() for part in rows(3, batch, width))
    objective(first, second, temperature).backward()
    found = torch.cat([first.grad, second.grad]).numpy()
    np.testing.assert_allclose(found, table_2(*rows(3, batch, width), temperature), rtol=1e-9, atol=1e-12)


@each_form
def test_gradient_by_finite_differences(objective) -> None:
    first, second = (torch.from_numpy(part).requires_grad_() for part in rows(4, 4, 6))
    assert torch.autograd.gradcheck(lambda a, b: objective(a, b, 0.2), (first, second), eps=1e-6, rtol=1e-5)


@each_form
def test_closed_forms(objective) -> None:
    same = torch.ones(6, 4, dtype=torch.float64)
    assert objective(same, same, 0.5).item() == pytest.approx(np.log(2 * 6 - 1))
    apart = torch.eye(5, dtype=torch.float64)  # positives equal, all others orthogonal
    assert objective(apart, apart, 0.1).item() == pytest.approx(np.log(1 + 8 * np.exp(-10)))
    alone = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    loss = objective(alone, torch.randn(1, 4, dtype=torch.float64))
    loss.backward()
    assert abs(loss.item()) < 1e-12 and alone.grad.abs().max() < 1e-12
    first, second = (torch.from_numpy(part) for part in rows(0, 6, 4))
    assert objective(first, second, 1e6).item() == pytest.approx(np.log(11), rel=1e-6)


@each_form
def test_vanishes_where_partners_are_nearest_and_the_temperature_is_low(objective) -> None:
    first, second = (torch.from_numpy(part) for part in rows(0, 6, 32))
    near = first + 0.05 * second
    losses = [objective(first, near, temperature).item() for temperature in (1.0, 0.3, 0.1, 0.04)]
    assert losses == sorted(losses, reverse=True) and 0 < losses[-1] < 1e-3 * losses[0]


@each_form
@settings(deadline=None, max_examples=60)
@given(batch=st.integers(2, 9), width=st.integers(2, 9), temperature=st.floats(0.2, 9.0), seed=st.integers(0, 99))
def test_bounds(objective, batch: int, width: int, temperature: float, seed: int) -> None:
    """0 < L <= ln(1 + (2N - 2) e^(2/t)), which partners that are opposite and negatives that are equal come near."""
    most = np.log1p((2 * batch - 2) * np.exp(2 / temperature))
    first, second = (torch.from_numpy(part) for part in rows(seed, batch, width))
    assert 0 < objective(first, second, temperature).item() <= most
    opposite = first[:1].expand(batch, width)
    # of a row of +u's and a row of -u's: its partner is opposite, half of its negatives are equal
    reached = np.log(batch + (batch - 1) * np.exp(2 / temperature))
    assert objective(opposite, -opposite, temperature).item() == pytest.approx(reached) and reached <= most


@each_form
def test_symmetries(objective) -> None:
    first, second = (torch.from_numpy(part) for part in rows(1, 6, 5))
    loss = objective(first, second, 0.3)
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(0).standard_normal((5, 5))))[0]
    longer = torch.rand(6, 1, dtype=torch.float64) + 0.1
    for other in (objective(second, first, 0.3), objective(first @ turn, second @ turn, 0.3),
                  objective(first * longer, second, 0.3)):  # fmt: skip
        torch.testing.assert_close(other, loss, rtol=1e-10, atol=1e-12)
    raw = first.clone().requires_grad_()
    objective(raw, second, 0.3).backward()
    assert (raw.grad * raw).sum(1).abs().max() < 1e-12, "the gradient is not orthogonal to the row"


def plain(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """The objective with the logits held whole, by torch's own cross-entropy and gradient."""
    z = normalize(torch.cat([first, second]), dim=1)
    return cross_entropy((z @ z.T / temperature).fill_diagonal_(float("-inf")), torch.arange(len(z)).roll(len(first)))


def both_ways(objective, views, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """The value, and the gradients of three times it."""
    first, second = (view.clone().requires_grad_() for view in views)
    loss = objective(first, second, temperature)
    (3 * loss).backward()
    return loss.detach(), first.grad, second.grad


@pytest.mark.parametrize("form", [by_tiles, by_blocks])
@pytest.mark.parametrize("piece", [1, 2, 5, 12, 100])
@pytest.mark.parametrize("temperature", [0.04, 0.2])
def test_pieces_are_the_whole(form, piece: int, temperature: float) -> None:
    views = [torch.from_numpy(part) for part in rows(2, 6, 5)]
    found, expected = both_ways(of_views(form, piece), views, temperature), both_ways(plain, views, temperature)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.001, 0.03, 0.032, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_of_several_tiles_at_every_temperature(temperature: float, dtype: torch.dtype) -> None:
    views = [torch.from_numpy(part).to(dtype) for part in rows(5, TILE["cpu"] + 4, 8)]
    views[1][:8] = -views[0][:8]  # partners as far apart as can be
    found, expected = both_ways(nt_xent, views, temperature), both_ways(plain, views, temperature)
    exact = {torch.float32: 1e-4, torch.float64: 1e-10}[dtype]
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= exact * other.norm()


def test_autocast_does_not_reach_the_logits() -> None:
    first, second = (torch.from_numpy(part).float() for part in rows(6, 8, 16))
    with torch.autocast("cpu", torch.bfloat16):
        under = nt_xent(first, second)
    assert under.dtype == torch.float32
    torch.testing.assert_close(under, nt_xent(first, second), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("shapes", "temperature", "words"),
    [
        (((4, 3), (5, 3)), 0.1, "(4, 3) and (5, 3)"),
        (((4, 3, 1), (4, 3, 1)), 0.1, "(4, 3, 1)"),
        (((4, 3), (4, 3)), 0.0, "above 0, got 0.0"),
        (((4, 3), (4, 3)), float("nan"), "nan"),
    ],
)
def test_refuses(shapes, temperature: float, words: str) -> None:
    with pytest.raises(ValueError, match=r"nt_xent takes") as raised:
        nt_xent(*(torch.zeros(shape) for shape in shapes), temperature)
    assert words in str(raised.value)
