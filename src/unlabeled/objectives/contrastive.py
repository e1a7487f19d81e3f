"""Objectives that pull the views of one sample together and push all other samples away."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from unlabeled.distributed import gather, rank

BLOCK = 512
"""Rows of logits held at a time by `nt_xent_by_blocks`."""


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """NT-Xent, the objective of SimCLR (Chen et al. 2020, equation 1).

    With z the 2N unit rows of all processes and p(i) the partner of row i, the mean over i of

        -log( exp(z_i . z_p(i) / t)  /  sum over k != i of exp(z_i . z_k / t) )

    Args:
        first: embeddings of one view, (B, D), of any length: they are normalised here.
        second: embeddings of the other view, (B, D); row i is the partner of row i of `first`.
        temperature: t > 0. The smaller, the more the nearest negatives weigh.

    Returns:
        The loss, a scalar: the mean over this process's 2B anchors (the paper's mean; the official code
        takes twice this). Every other row of all processes is a negative, and its gradient comes back
        through the gather. Half-precision embeddings are computed in float32.

    Raises:
        ValueError: the two shapes differ or are not (B, D), or the temperature is not above 0.
    """
    queries, keys, own, partner = _queries_and_keys(first, second, temperature)
    if len(queries) > 4 * BLOCK:
        loss: Tensor = _Blocks.apply(queries, keys, own, partner, temperature, BLOCK)
        return loss
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries @ keys.T / temperature  # (2B, R 2B)
    logits = logits.scatter(1, own[:, None], float("-inf"))  # an embedding is not its own negative
    return cross_entropy(logits, partner)


def nt_xent_by_blocks(first: Tensor, second: Tensor, temperature: float = 0.1, block: int = BLOCK) -> Tensor:
    """`nt_xent`, same value and gradient, holding `block` rows of logits at a time.

    The gradient is formed in the same pass as the value (softmax minus partner), so that memory grows
    with block x 2N and not with 2B x 2N. `nt_xent` itself turns to this form above 2,048 rows.

    Args:
        first: (B, D), as for `nt_xent`.
        second: (B, D), as for `nt_xent`.
        temperature: t > 0.
        block: rows of logits held at a time, at least 1.

    Returns:
        The loss, a scalar. It can be differentiated once.

    Raises:
        ValueError: as `nt_xent`, or a block below 1.
    """
    if block < 1:
        raise ValueError(f"nt_xent_by_blocks takes a block of at least 1 row, got {block}")
    queries, keys, own, partner = _queries_and_keys(first, second, temperature)
    loss: Tensor = _Blocks.apply(queries, keys, own, partner, temperature, block)
    return loss


def _queries_and_keys(first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit rows of this process (2B, D) and of all (R 2B, D), and the columns of each row itself and of its partner."""
    if first.shape != second.shape or first.ndim != 2:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"nt_xent takes two (B, D) tensors of one shape, got {shapes}")
    if not temperature > 0:
        raise ValueError(f"nt_xent takes a temperature above 0, got {temperature}")
    rows = torch.cat([first, second])  # (2B, D)
    if rows.dtype not in (torch.float32, torch.float64):
        rows = rows.float()
    queries = normalize(rows, dim=1)
    keys = gather(queries)  # process after process
    own = torch.arange(len(queries), device=queries.device) + rank() * len(queries)
    return queries, keys, own, own.roll(len(first))


class _Blocks(torch.autograd.Function):
    """Value and gradient of NT-Xent in one pass over blocks of anchors."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, own: Tensor, partner: Tensor, temperature: float, block: int
    ) -> Tensor:
        queries, keys = queries.detach(), keys.detach()
        to_queries, to_keys = torch.empty_like(queries), torch.zeros_like(keys)
        loss = torch.zeros((), dtype=torch.float64, device=queries.device)
        with torch.autocast(queries.device.type, enabled=False):
            for start in range(0, len(queries), block):
                rows = slice(start, start + block)
                logits = (queries[rows] @ keys.T).div_(temperature)  # (block, R 2B)
                logits.scatter_(1, own[rows, None], float("-inf"))
                positive = logits.gather(1, partner[rows, None])  # (block, 1)
                normaliser = logits.logsumexp(1, keepdim=True)
                loss += (normaliser - positive).sum(dtype=torch.float64)
                weights = logits.sub_(normaliser).exp_()  # softmax over the others
                weights.scatter_add_(1, partner[rows, None], weights.new_full((len(weights), 1), -1.0))
                to_queries[rows] = weights @ keys
                to_keys.addmm_(weights.T, queries[rows])
        scale = 1.0 / (temperature * max(len(queries), 1))
        ctx.save_for_backward(to_queries.mul_(scale), to_keys.mul_(scale))
        return (loss / len(queries)).to(queries.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_queries, to_keys = ctx.saved_tensors
        return gradient * to_queries, gradient * to_keys, None, None, None, None
