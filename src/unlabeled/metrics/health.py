"""The health of one batch, cheap enough to look at while training."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


@torch.no_grad()
def batch_health(embeddings: Tensor, views: int = 2) -> dict[str, float]:
    """Label-free figures of the representations of one training batch (evaluation protocols, section 11).

    The batch is small and the network in training mode, so these are signs to watch, not the figures of
    `evaluate health`: the effective rank cannot exceed the number of rows.

    Args:
        embeddings: (views x B, D), view by view.
        views: of each sample, at least 1.

    Returns:
        `rankme` (11.1), `alignment` of the first two views and `uniformity` (11.3), `mean_cosine` and
        `spread` (11.6: 1 where directions are isotropic, 0 where they have collapsed).
    """
    rows = embeddings.detach().to(torch.float32)
    singular = torch.linalg.eigvalsh((rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T).double())
    singular = singular.clamp_min(0).sqrt()
    share = singular / singular.sum().clamp_min(1e-12) + 1e-7
    unit = normalize(rows, dim=1)
    parts = unit.chunk(views)  # (B, D) each
    count = len(parts[0])
    cosines = parts[0] @ parts[0].T  # (B, B)
    pairs = max(count * (count - 1), 1)
    apart = torch.exp(4 * (cosines.double() - 1))  # exp(-2 |a - b|^2) of unit rows
    figures = {
        "rankme": float(torch.exp(-(share * share.log()).sum())),
        "uniformity": float(((apart.sum() - apart.diagonal().sum()) / pairs).clamp_min(1e-12).log()),
        "mean_cosine": float((cosines.double().sum() - cosines.double().diagonal().sum()) / pairs),
        "spread": float(unit.std(0).mean() * unit.shape[1] ** 0.5),
    }
    if views > 1:
        figures["alignment"] = float((parts[0] - parts[1]).square().sum(1).mean())
    return figures
