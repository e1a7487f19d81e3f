"""Every objective, as the battery calls it, and the checks that each must pass."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unlabeled import objectives


@dataclass(frozen=True)
class Case:
    """One objective.

    Args:
        call: embeddings of each view, (B, D) each, to a scalar.
        views: how many it takes.
        smallest: the smallest batch it takes.
    """

    call: Callable[..., Tensor]
    views: int = 2
    smallest: int = 2


CASES: dict[str, Case] = {
    "nt_xent": Case(objectives.nt_xent),
    "nt_xent as long as it is": Case(partial(objectives.nt_xent, temperature=10.0, normalized=False)),
    "nt_xent of one view": Case(partial(objectives.nt_xent, negatives="one")),
    "nt_logistic": Case(objectives.nt_logistic),
    "nt_logistic semi-hard": Case(partial(objectives.nt_logistic, semi_hard=True)),
    "nt_logistic of one view": Case(partial(objectives.nt_logistic, negatives="one", semi_hard=True)),
    "margin_triplet": Case(objectives.margin_triplet),
    "margin_triplet semi-hard": Case(partial(objectives.margin_triplet, semi_hard=True)),
    "local_global": Case(lambda parts, wholes: objectives.local_global(parts, wholes, torch.arange(len(parts)))),
    "reconstruction": Case(objectives.reconstruction),
    "reconstruction of a kind": Case(partial(objectives.reconstruction, categories=3)),
    "margin_triplet as long as it is": Case(partial(objectives.margin_triplet, normalized=False, negatives="one")),
    "walk_context": Case(
        lambda first, second: objectives.walk_context(
            first[None], second[None, :, None], torch.ones(1, len(first), 1, dtype=torch.bool), drawn(first)
        )
    ),
    "mixture_elbo": Case(lambda first, second: -objectives.mixture_elbo(first, second.abs(), second).mean()),
    "mixture_elbo over the batch": Case(
        lambda first, second: -objectives.mixture_elbo(first, second.abs(), second, over_batch=True).mean()
    ),
    "component_elbo": Case(
        lambda first, second: (
            objectives.component_elbo(first[:, 0], first[:, 1].abs(), second, torch.full((len(second),), 2))
            .square()
            .mean()
        )
    ),
}
"""Name in `unlabeled.objectives`, and more words for more ways to call it, to case: a new objective adds its line."""


def drawn(rows: Tensor) -> Tensor:
    """Negatives that every process shares, (1, 3, D), the same in every precision."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(1, 3, rows.shape[1], generator=generator).bfloat16().to(rows.dtype)


def embeddings(case: Case, batch: int = 6, width: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64):
    """Random embeddings of every view, (B, D) each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, width, generator=generator, dtype=dtype) for _ in range(case.views)]


def is_a_finite_scalar(case: Case) -> None:
    for scale in (1e-3, 1.0, 1e3):
        loss = case.call(*[scale * view for view in embeddings(case)])
        assert loss.shape == () and torch.isfinite(loss), f"{loss} at scale {scale}"


def has_the_gradient_of_finite_differences(case: Case) -> None:
    views = [view.requires_grad_() for view in embeddings(case)]
    gradients = torch.autograd.grad(case.call(*views), views)
    generator = torch.Generator().manual_seed(1)
    for number, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
        step = 1e-6
        moved = [[v.detach() + sign * step * direction if n == number else v.detach() for n, v in enumerate(views)]
                 for sign in (1, -1)]  # fmt: skip
        slope = (case.call(*moved[0]) - case.call(*moved[1])) / (2 * step)
        expected = (gradient * direction).sum()
        assert torch.isclose(slope, expected, rtol=1e-5, atol=1e-9), f"view {number}: {slope} against {expected}"
        assert expected.abs() > 1e-6, "the gradient vanishes, so that the check would pass for any"


def ignores_the_order_of_the_batch(case: Case) -> None:
    views = embeddings(case)
    order = torch.randperm(len(views[0]), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(case.call(*views), case.call(*[view[order] for view in views]), rtol=1e-12, atol=1e-12)


def pairs_the_views(case: Case) -> None:
    """Breaking the pairing must change the loss, else the objective does not look at it."""
    views = embeddings(case)
    shifted = [views[0], *[view.roll(1, 0) for view in views[1:]]]
    assert (case.call(*views) - case.call(*shifted)).abs() > 1e-4


def agrees_in_float32(case: Case) -> None:
    views = embeddings(case, batch=16, width=8)
    wide, narrow = case.call(*views), case.call(*[view.float() for view in views])
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), wide, rtol=1e-5, atol=1e-6)


def takes_half_precision(case: Case) -> None:
    views = embeddings(case)
    half = case.call(*[view.bfloat16() for view in views])
    rounded = case.call(*[view.bfloat16().double() for view in views])
    torch.testing.assert_close(half.double(), rounded, rtol=1e-4, atol=1e-5)


CHECKS = (
    is_a_finite_scalar,
    has_the_gradient_of_finite_differences,
    ignores_the_order_of_the_batch,
    pairs_the_views,
    agrees_in_float32,
    takes_half_precision,
)


def loss_and_gradients(case: Case, process: int, processes: int, batch: int = 8) -> tuple[float, list[Tensor]]:
    """The loss and the embeddings' gradients on one process's rows of one global batch (float64).

    Gradients are scaled as DDP does: the mean over processes of what each asks for.
    """
    whole = embeddings(case, batch=batch)
    share = batch // processes
    rows = slice(process * share, (process + 1) * share)
    views = [view[rows].clone().requires_grad_() for view in whole]
    loss = case.call(*views)
    return loss.item(), [gradient / processes for gradient in torch.autograd.grad(loss, views)]


def is_the_same_over_processes(shards: list[tuple[float, list[Tensor]]], whole: tuple[float, list[Tensor]]) -> None:
    """The shards' mean loss and stacked gradients equal the whole batch's."""
    loss = sum(shard[0] for shard in shards) / len(shards)
    assert abs(loss - whole[0]) < 1e-10, f"loss {loss} over processes, {whole[0]} in one"
    for number, expected in enumerate(whole[1]):
        found = torch.cat([shard[1][number] for shard in shards])
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
