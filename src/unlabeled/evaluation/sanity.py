"""What is looked at before any figure of embeddings is believed."""

from dataclasses import dataclass

import numpy as np
import torch

from unlabeled.distributed import rank, total, world_size
from unlabeled.metrics import spread

QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Of the dimensions' deviations: least, tenth, median, nine tenths, largest."""


@dataclass(frozen=True)
class Sanity:
    """Embeddings at a glance (evaluation protocols, section 10); None is a figure that is not defined for them.

    Args:
        n: rows.
        width: D.
        nonfinite: share of values that are infinite or not a number, which must be 0; their rows are left out of what
            follows.
        mean_norm: of the rows.
        norm_deviation: over the rows.
        deviation_quantiles: of the dimensions, at `QUANTILES`.
        mean_cosine: of two different rows.
        duplicates: rows that repeat another, value for value.
        majority_share: of the largest class among the labelled rows.
    """

    n: int
    width: int
    nonfinite: float
    mean_norm: float | None
    norm_deviation: float | None
    deviation_quantiles: tuple[float, ...] | None
    mean_cosine: float | None
    duplicates: int
    majority_share: float | None = None


def sanity(embeddings: np.ndarray, labels: np.ndarray | None = None) -> Sanity:
    """Look at embeddings; every process passes the same rows and works on its share of them.

    Args:
        embeddings: (N, D), perhaps memory-mapped.
        labels: int64 (N,) from 0, negative for none.
    """
    share = embeddings[rank() :: world_size()]
    finite = spread.finite_rows(share)
    rows = share if finite.all() else share[finite]
    return sanity_of(rows, len(embeddings), spread.nonfinite(share), labels)


def sanity_of(rows: np.ndarray, n: int, nonfinite: float, labels: np.ndarray | None = None) -> Sanity:
    """`sanity` of this process's share of the finite rows.

    Args:
        rows: (N_p, D), finite.
        n: rows of all processes, those that are not finite too.
        nonfinite: share of values that are not.
        labels: of the rows of all processes.
    """
    count = int(total(torch.tensor(len(rows))))
    mean_norm, norm_deviation = spread.norms(rows) if count else (None, None)
    known = None if labels is None else labels[labels >= 0]
    return Sanity(
        n=n,
        width=rows.shape[1],
        nonfinite=nonfinite,
        mean_norm=mean_norm,
        norm_deviation=norm_deviation,
        deviation_quantiles=tuple(np.quantile(spread.deviations(rows), QUANTILES).tolist()) if count else None,
        mean_cosine=spread.mean_cosine(rows) if count > 1 else None,
        duplicates=spread.duplicates(rows),
        majority_share=None if known is None or not len(known) else float(np.bincount(known).max() / len(known)),
    )
