"""How rows are shared out among clusters: collapse to a few clusters, and how sure each row is."""

import torch
from torch import Tensor


def effective_clusters(shares: Tensor, owner: Tensor, owners: int) -> Tensor:
    """exp(H(mean of an owner's rows)): how many clusters its rows fill evenly, 1 to C.

    Args:
        shares: (n, C), rows summing to 1.
        owner: of each row, int64 (n,).
        owners: B, each with a row at least.

    Returns:
        (B,).
    """
    mean = _means(shares, owner, owners)
    found: Tensor = torch.special.entr(mean).sum(1).exp()
    return found


def row_entropy(shares: Tensor, owner: Tensor, owners: int) -> Tensor:
    """The mean entropy of an owner's rows over ln C: 0 where each row lies in one cluster, 1 where all are even.

    Args and shapes are those of `effective_clusters`.
    """
    entropies = torch.special.entr(shares).sum(1, keepdim=True)
    most = torch.tensor(float(max(shares.shape[1], 2))).log()
    return _means(entropies, owner, owners)[:, 0] / most.to(shares)


def _means(rows: Tensor, owner: Tensor, owners: int) -> Tensor:
    counts = torch.bincount(owner, minlength=owners).to(rows.dtype)
    return rows.new_zeros(owners, rows.shape[1]).index_add(0, owner, rows) / counts[:, None]
