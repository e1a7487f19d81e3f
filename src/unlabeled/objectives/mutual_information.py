"""Parts against wholes: which whole does a part belong to?"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from unlabeled.distributed import gather, rank, total, world_size


def local_global(parts: Tensor, wholes: Tensor, owner: Tensor) -> Tensor:
    """The Jensen-Shannon estimator of InfoGraph (Sun et al., ICLR 2020, equation 4), from Deep InfoMax.

        mean over parts p of  softplus(- p . w(p))
        + mean over parts p and wholes w other than p's own of  softplus(p . w)

    Both means are over the parts and wholes of all processes.

    Args:
        parts: embeddings of the parts, (n, D).
        wholes: embeddings of the wholes, (B, D), as many on every process.
        owner: the whole of each part, int64 (n,) from 0 to B - 1.

    Returns:
        The loss, a scalar; 2 ln 2 where all products are 0.

    Raises:
        ValueError: shapes that do not fit, or one whole alone, which has no others.
    """
    if parts.ndim != 2 or wholes.ndim != 2 or parts.shape[1] != wholes.shape[1] or owner.shape != parts.shape[:1]:
        raise ValueError(
            f"local_global takes (n, D), (B, D) and (n,), got {tuple(parts.shape)}, {tuple(wholes.shape)} and "
            f"{tuple(owner.shape)}"
        )
    wide = torch.promote_types(parts.dtype, torch.float32)
    keys = gather(wholes.to(wide))  # (R B, D)
    if len(keys) < 2:
        raise ValueError("local_global needs at least two wholes: one alone has no others to tell its parts from")
    products = parts.to(wide) @ keys.T  # (n, R B)
    own = (owner + rank() * len(wholes))[:, None]
    mine = products.gather(1, own)[:, 0]
    positive = softplus(-mine).sum()
    negative = (softplus(products).sum() - softplus(mine).sum()) / (len(keys) - 1)
    rows = total(parts.new_tensor(float(len(parts)), dtype=wide))
    return (positive + negative) * world_size() / rows
