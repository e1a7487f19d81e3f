"""Rows predicted from what an encoder has kept of them."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from unlabeled.distributed import total, world_size


def reconstruction(predicted: Tensor, target: Tensor, categories: int = 0) -> Tensor:
    """How far predicted rows are from the rows themselves: cross-entropy of a kind, mean square of the rest.

        mean over rows i of   - sum_k t_ik log softmax(p_i)_k   over the first K columns
                              + mean_d (t_id - p_id)^2          over the others

    The mean is over the rows of all processes, which may hold different numbers of them.

    Args:
        predicted: p, (n, F).
        target: t, (n, F); its first `categories` columns one-hot, all 0 where the kind is not known.
        categories: K, from 0 to F.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: the two shapes differ or are not (n, F), or there are not that many columns.
    """
    if predicted.shape != target.shape or predicted.ndim != 2 or not 0 <= categories <= predicted.shape[1]:
        raise ValueError(
            f"reconstruction takes two (n, F) tensors of one shape and at most F categories, got "
            f"{tuple(predicted.shape)}, {tuple(target.shape)} and {categories}"
        )
    wide = torch.promote_types(predicted.dtype, torch.float32)
    predicted, target = predicted.to(wide), target.to(wide)
    loss = predicted.new_zeros(())
    if categories:
        loss = loss - (target[:, :categories] * log_softmax(predicted[:, :categories], 1)).sum()
    rest = predicted.shape[1] - categories
    if rest:
        loss = loss + (predicted[:, categories:] - target[:, categories:]).square().sum() / rest
    rows = total(predicted.new_tensor(float(len(predicted))))
    return loss * world_size() / rows
