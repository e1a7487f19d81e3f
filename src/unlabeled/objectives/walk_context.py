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
    chance = anchors @ negatives.transpose(1, 2)  # (G, B, K)
    pairs = valid.sum(2).to(wide)  # (G, B)
    weight = torch.where(valid, softplus(-agree), 0.0).sum((1, 2))  # (G,)
    weight = weight + negative_weight * (pairs * softplus(chance).mean(2)).sum(1)
    return (world_size() * weight / total(pairs.sum(1)).clamp(min=1)).sum()
