"""Skip-gram with negatives, in groups: what appears together agrees, what is drawn by chance does not."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from unlabeled.distributed import total, world_size


def walk_context(
    anchors: Tensor, contexts: Tensor, valid: Tensor, negatives: Tensor, negative_weight: float = 1.0
) -> Tensor:
    """Embeddings agree with those of their contexts, and not with negatives, by inner products (DySAT, equation 5).

    Over the pairs (b, j) of group g that are valid, on all processes together, P_g of them:

        sum over g of  1/P_g sum_(b, j) [ softplus(-<a_gb, c_gbj>)  +  w / K sum_k softplus(<a_gb, n_gk>) ]

    A group without pairs counts as 0. The mean over negatives is that of DySAT's official code; the paper leaves open
    whether it is taken once a pair or once an anchor.

    Args:
        anchors: a, (G, B, D).
        contexts: c, (G, B, J, D).
        valid: bool (G, B, J).
        negatives: n, (G, K, D), the same on every process.
        negative_weight: w, at least 0.

    Returns:
        A scalar; its mean over processes is the loss of all pairs.

    Raises:
        ValueError: shapes that do not belong together.
    """
    group, batch, width = anchors.shape
    if contexts.shape[:2] != (group, batch) or contexts.shape[3:] != (width,) or valid.shape != contexts.shape[:3]:
        raise ValueError(
            f"walk_context takes (G, B, D), (G, B, J, D), (G, B, J), got {tuple(anchors.shape)}, "
            f"{tuple(contexts.shape)}, {tuple(valid.shape)}"
        )
    if negatives.shape[0] != group or negatives.shape[2:] != (width,):
        raise ValueError(f"walk_context takes negatives (G, K, D), got {tuple(negatives.shape)}")
    wide = torch.promote_types(anchors.dtype, torch.float32)  # half precision has no room for these sums
    anchors, contexts, negatives = anchors.to(wide), contexts.to(wide), negatives.to(wide)
    agree = (contexts @ anchors[..., None]).squeeze(3)  # (G, B, J)
    return walk_context_of(agree, anchors @ negatives.transpose(1, 2), valid, negative_weight)


def walk_context_of(agree: Tensor, apart: Tensor, valid: Tensor, negative_weight: float = 1.0) -> Tensor:
    """`walk_context`, of the inner products that it looks at.

    Args:
        agree: <a_gb, c_gbj>, (G, B, J).
        apart: <a_gb, n_gk>, (G, B, K).
        valid: bool (G, B, J).
        negative_weight: w, at least 0.

    Returns:
        A scalar; its mean over processes is the loss of all pairs.
    """
    wide = torch.promote_types(agree.dtype, torch.float32)
    agree, apart = agree.to(wide), apart.to(wide)
    pairs = valid.sum(2).to(wide)  # (G, B)
    weight = torch.where(valid, softplus(-agree), 0.0).sum((1, 2))  # (G,)
    weight = weight + negative_weight * (pairs * softplus(apart).mean(2)).sum(1)
    return (world_size() * weight / total(pairs.sum(1)).clamp(min=1)).sum()


def listed_products(rows: Tensor, own: Tensor, other: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
    """<rows_gb, rows_gj> for own row b and each other row j that is listed for it, and for each that all share.

    Where there are not many rows, all their products are formed and the listed ones taken: a matrix product of 64
    columns costs about what one gathered row does. Rows are taken by `index_select`, whose gradient needs no sorting.

    Args:
        rows: (G, M, D).
        own: int64 (B,), below M.
        other: int64 (G, B, J), below M.
        shared: int64 (G, K), below M.

    Returns:
        (G, B, J) and (G, B, K).
    """
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    mine = rows.index_select(1, own)  # (G, B, D)
    if rows.shape[1] <= 64 * other.shape[2]:
        every = mine @ rows.transpose(1, 2)  # (G, B, M)
        return every.gather(2, other), every.gather(2, shared[:, None].expand(-1, len(own), -1))
    groups = torch.arange(len(rows), device=rows.device) * rows.shape[1]
    flat = rows.flatten(0, 1)
    near, apart = (
        flat.index_select(0, (groups.view(-1, *[1] * (each.ndim - 1)) + each).flatten()).view(*each.shape, -1)
        for each in (other, shared)
    )
    return (near @ mine[..., None]).squeeze(3), mine @ apart.transpose(1, 2)
