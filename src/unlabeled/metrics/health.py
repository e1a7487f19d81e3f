"""The health of one batch, cheap enough to look at while training."""

from itertools import combinations

import numpy as np
from torch import Tensor

from unlabeled.metrics import spectrum


def batch_health(embeddings: Tensor, views: int = 2) -> dict[str, float]:
    """Label-free figures of the representations of one training batch (evaluation protocols, section 11).

    The rows are this process's only, and few, and the network is in training mode: signs to watch, not
    the figures of `evaluate health`. The effective rank cannot exceed the number of rows.

    Args:
        embeddings: (views B, D), view by view, of any float type, on any device.
        views: of each sample, at least 1.

    Returns:
        `rankme` of all rows; `uniformity`, `mean_cosine` and `spread`, each the mean of the views;
        `alignment`, the mean over pairs of views. What is not defined is absent: alignment of one
        view, figures of pairs where B is 1, and everything where a value is not finite.
    """
    rows = embeddings.detach().float().cpu().numpy().astype(np.float64)
    if not np.isfinite(rows).all():
        return {}
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = (rows / np.where(norm > 0, norm, 1.0)).reshape(views, -1, rows.shape[1])  # (views, B, D)
    with spectrum.one_core():
        singular = np.sqrt(spectrum.eigenvalues(rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T))
        cosines = unit @ unit.transpose(0, 2, 1)  # (views, B, B)
    figures = {"spread": float(unit.std(axis=1).mean() * rows.shape[1] ** 0.5)}
    effective = spectrum.effective_rank(singular)
    if effective is not None:
        figures["rankme"] = effective
    count = unit.shape[1]
    pairs = count * (count - 1)
    if pairs:
        own = np.trace(cosines, axis1=1, axis2=2)  # (views,)
        figures["mean_cosine"] = float(((cosines.sum((1, 2)) - own) / pairs).mean())
        kernel = np.exp(4 * (cosines - 1))  # exp(-2 |a - b|^2), for |a - b|^2 = 2 - 2 a.b
        apart = kernel.sum((1, 2)) - np.trace(kernel, axis1=1, axis2=2)
        figures["uniformity"] = float(np.log(np.maximum(apart / pairs, 1e-300)).mean())
    if views > 1:
        gaps = [np.square(unit[one] - unit[other]).sum(axis=1) for one, other in combinations(range(views), 2)]
        figures["alignment"] = float(np.mean(gaps))
    return figures
