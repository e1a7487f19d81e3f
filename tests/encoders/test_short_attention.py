"""Attention over short histories against torch's own, and its gradient against finite differences."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from unlabeled.data.temporal_graphs import southern_women
from unlabeled.encoders.temporal_graphs import Attention, SelfAttention, short_attention, temporal
from unlabeled.encoders.temporal_graphs.temporal import causal


def parts(queries: int = 5, keys: int = 5, nodes: int = 7) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(count, 2, 3, nodes, dtype=torch.float64, generator=generator).requires_grad_()
        for count in (queries, keys, keys)
    ]


def torchs(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    turned = [part.permute(3, 2, 0, 1) for part in (query, key, value)]  # (N, H, T, K)
    return scaled_dot_product_attention(*turned, mask, scale=scale).permute(2, 3, 1, 0)


@pytest.mark.parametrize("block", [2, 7, 256])
@pytest.mark.parametrize(("queries", "window"), [(5, -1), (5, 2), (2, -1), (1, 3)])
@pytest.mark.parametrize("each", [False, True])
def test_it_is_torchs_attention(
    queries: int, window: int, each: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_attention, "BLOCK", block)
    mask = causal(5, window, torch.device("cpu"))[-queries:]
    if each:  # every node has a mask of its own, in which the present is always seen
        mask = mask & (torch.rand(7, 1, 1, 5) < 0.5) | torch.eye(5, dtype=torch.bool)[-queries:]
    one, other = parts(queries), parts(queries)
    found, expected = short_attention.short_attention(*one, mask, 0.0, 0.3), torchs(*other, mask, 0.3)
    torch.testing.assert_close(found, expected)
    pull = torch.randn_like(found)
    found.backward(pull)
    expected.backward(pull)
    for mine, torch_own in zip(one, other, strict=True):
        torch.testing.assert_close(mine.grad, torch_own.grad)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_its_gradient_is_that_of_finite_differences(rate: float) -> None:
    mask = causal(4, -1, torch.device("cpu"))[-3:]

    def seeded(*given: Tensor) -> Tensor:
        torch.manual_seed(1)  # the same entries are dropped each time
        return short_attention.short_attention(*given, mask, rate, 0.5)

    assert torch.autograd.gradcheck(seeded, parts(3, 4, 2))


def test_dropout_drops_shares_and_keeps_their_mean() -> None:
    query, key, _ = (torch.zeros(1, 1, 1, 20_000) for _ in range(3))
    torch.manual_seed(0)
    one = torch.ones(1, 1, 1, 20_000)
    found = short_attention.short_attention(query, key, one, torch.ones(1, 1, dtype=torch.bool), 0.25)
    assert found.unique().tolist() == pytest.approx([0, 4 / 3]) and found.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    "options",
    [{}, {"mask_unseen": True}, {"attention_window": 2}, {"scale": "snapshots", "residual": True}],
    ids=["plain", "masked", "window", "residual"],
)
def test_an_encoder_is_the_same_by_either(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = SelfAttention(18, 14, Attention((8,), (2,), (8, 8), (4, 2), **options)).double().eval()
    graph = module.graph_of(southern_women())
    ours = module(graph), module(graph, last=3)
    monkeypatch.setattr(temporal, "SHORT", 0)
    torch.testing.assert_close(ours, (module(graph), module(graph, last=3)))
