"""Objectives that pull the views of one sample together and push all other samples away."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unlabeled.distributed import gather, rank, world_size

Negatives = Literal["both", "one"]
"""Other samples' embeddings of both views, or of the view that the anchor's partner is of."""

TILE = {"cpu": 512, "cuda": 4096}
"""Side of the piece of the kernel that is held at a time: on a processor, what its cache holds."""


def nt_xent(
    first: Tensor, second: Tensor, temperature: float = 0.1, normalized: bool = True, negatives: Negatives = "both"
) -> Tensor:
    """NT-Xent, the objective of SimCLR (Chen et al. 2020, equation 1).

    With z the 2N unit rows of all processes and p(i) the partner of row i, the mean over i of

        -log( exp(z_i . z_p(i) / t)  /  sum over k != i of exp(z_i . z_k / t) )

    The (2B, 2N) logits are never held whole, and the gradient is formed together with the value, so it
    can be differentiated once.

    Args:
        first: embeddings of one view, (B, D), of any length: they are normalised here.
        second: embeddings of the other view, (B, D); row i is the partner of row i of `first`.
        temperature: t > 0. The smaller, the more the nearest negatives weigh.
        normalized: false leaves the embeddings as long as they are (Table 5).
        negatives: `both` sums over the other rows of both views, 2N - 1 terms; `one` over those of the partner's view
            alone, N terms, as the paper does where it compares losses (appendix B.10).

    Returns:
        The loss, a scalar: the mean over this process's 2B anchors (the paper's mean; the official code
        takes twice this). Every other row of all processes is a negative, and its gradient comes back
        through the gather. Half-precision embeddings are computed in float32.

    Raises:
        ValueError: the two shapes differ or are not (B, D), or the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"nt_xent takes a temperature above 0, got {temperature}")
    rows = joined("nt_xent", first, second, normalized)
    tile = TILE.get(rows.device.type, TILE["cuda"])
    # by tiles exp(-2 / t) must be a number, which it is in float32 down to a temperature of 1/43
    if world_size() == 1 and 32 * temperature >= 1 and normalized and negatives == "both":
        return by_tiles(rows, temperature, tile)
    return by_blocks(rows, temperature, tile, negatives)


def joined(name: str, first: Tensor, second: Tensor, normalized: bool) -> Tensor:
    """The rows of both views, view by view, (2B, D), in float32 at least and of unit length where `normalized`.

    Args:
        name: of the objective, for the message.
        first: (B, D).
        second: (B, D).
        normalized: whether to bring them to length 1.

    Raises:
        ValueError: the two shapes differ or are not (B, D).
    """
    if first.shape != second.shape or first.ndim != 2:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"{name} takes two (B, D) tensors of one shape, got {shapes}")
    rows = torch.cat([first, second])  # (2B, D)
    rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
    return normalize(rows, dim=1) if normalized else rows


def partners(count: int, device: torch.device) -> Tensor:
    """Among the keys of all processes, the columns of the partners of this process's `count` rows; int64 (2B,)."""
    return (torch.arange(count, device=device) + rank() * count).roll(count // 2)


def left_out(count: int, device: torch.device, negatives: Negatives, part: slice = slice(None)) -> Tensor:
    """Which keys are not compared with this process's rows: themselves, or all of their own view.

    Args:
        count: rows of this process, 2B, view by view; of every process, process after process, are the keys.
        device: of the answer.
        negatives: `both` leaves a row itself out, `one` every key of its view.
        part: of the rows.

    Returns:
        bool (rows of the part, R 2B).
    """
    rows, keys = torch.arange(count, device=device)[part, None], torch.arange(world_size() * count, device=device)
    if negatives == "both":
        return keys == rows + rank() * count
    return keys % count // max(count // 2, 1) == rows // max(count // 2, 1)


def by_tiles(rows: Tensor, temperature: float, tile: int) -> Tensor:
    """NT-Xent of one process: its kernel is symmetric, so that half of it is enough.

    Args:
        rows: unit rows of both views, (2B, D), view by view.
        temperature: t, at least 1/32.
        tile: the kernel is formed in pieces (tile, tile).
    """
    loss: Tensor = _Tiles.apply(rows, temperature, tile)
    return loss


def by_blocks(rows: Tensor, temperature: float, block: int, negatives: Negatives = "both") -> Tensor:
    """NT-Xent of any process among many, at any temperature: this process's rows against those of all.

    Args:
        rows: rows of both views, (2B, D), view by view, of any length.
        temperature: t > 0.
        block: the logits are formed in pieces (block, 2N).
        negatives: see `nt_xent`.
    """
    loss: Tensor = _Blocks.apply(rows, gather(rows), temperature, block, negatives)
    return loss


class _Tiles(torch.autograd.Function):
    """Two passes over the tiles on and above the diagonal, with k_ij = exp(z_i . z_j / t) and k_ii = 0.

    First the normalisers n_i = sum_j k_ij, then the gradient of row i,

        1 / (2B t)  ( sum_j k_ij (1 / n_i + 1 / n_j) z_j  -  2 z_p(i) )

    The products amount to two of (2B, 2B, D), which is what a form that holds the kernel whole needs.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, temperature: float, tile: int) -> Tensor:
        rows, scaled = rows.detach(), rows.detach() / temperature
        count, top = len(rows), 1 / temperature  # no logit is above 1/t: subtracted, no exponential overflows
        partners = rows.roll(count // 2, 0)
        normaliser, gradient = rows.new_zeros(count), torch.zeros_like(rows)
        buffer = rows.new_empty(min(tile, count) ** 2)
        places = [(a, b) for a in range(0, count, tile) for b in range(a, count, tile)]

        def kernel(a: int, b: int) -> Tensor:
            one, other = scaled[a : a + tile], rows[b : b + tile]
            piece = buffer[: len(one) * len(other)].view(len(one), len(other))
            torch.mm(one, other.T, out=piece).sub_(top).exp_()
            return piece.fill_diagonal_(0) if a == b else piece

        with torch.autocast(rows.device.type, enabled=False):
            for a, b in places:
                piece = kernel(a, b)
                normaliser[a : a + tile] += piece.sum(1)
                if a != b:
                    normaliser[b : b + tile] += piece.sum(0)
            share = 1 / normaliser
            for a, b in places:
                piece = kernel(a, b).mul_(share[a : a + tile, None] + share[None, b : b + tile])
                gradient[a : a + tile].addmm_(piece, rows[b : b + tile])
                if a != b:
                    gradient[b : b + tile].addmm_(piece.T, rows[a : a + tile])
            positive = (scaled * partners).sum(1, dtype=torch.float64)
        ctx.save_for_backward(gradient.sub_(partners, alpha=2).div_(temperature * max(count, 1)))
        return (normaliser.double().log() + top - positive).mean().to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient * ctx.saved_tensors[0], None, None


class _Blocks(torch.autograd.Function):
    """One pass over blocks of this process's anchors: the gradient is softmax minus partner, both ways."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, keys: Tensor, temperature: float, block: int, negatives: Negatives) -> Tensor:
        rows, keys = rows.detach(), keys.detach()
        partner = partners(len(rows), rows.device)
        to_rows, to_keys = torch.empty_like(rows), torch.zeros_like(keys)
        loss = torch.zeros((), dtype=torch.float64, device=rows.device)
        with torch.autocast(rows.device.type, enabled=False):
            for start in range(0, len(rows), block):
                part = slice(start, start + block)
                logits = (rows[part] @ keys.T).div_(temperature)  # (block, R 2B)
                logits.masked_fill_(left_out(len(rows), rows.device, negatives, part), float("-inf"))
                positive = logits.gather(1, partner[part, None])  # (block, 1)
                normaliser = logits.logsumexp(1, keepdim=True)
                loss += (normaliser - positive).sum(dtype=torch.float64)
                weights = logits.sub_(normaliser).exp_()  # softmax over the others
                weights.scatter_add_(1, partner[part, None], weights.new_full((len(weights), 1), -1.0))
                to_rows[part] = weights @ keys
                to_keys.addmm_(weights.T, rows[part])
        scale = 1.0 / (temperature * max(len(rows), 1))
        ctx.save_for_backward(to_rows.mul_(scale), to_keys.mul_(scale))
        return (loss / len(rows)).to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_rows, to_keys = ctx.saved_tensors
        return gradient * to_rows, gradient * to_keys, None, None, None
