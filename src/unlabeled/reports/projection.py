"""Embeddings in two dimensions, for people to look at."""

from dataclasses import dataclass

import numpy as np

from unlabeled.metrics.neighbours import normalise

KEPT = 50  # directions of largest variance that t-SNE sees
LEAST = 16  # points below which t-SNE has nothing to arrange
STEPS = 500  # of t-SNE; 3,000 points take about 5 s of one core, 10,000 points about 25 s


@dataclass(frozen=True)
class Projection:
    """Places in the plane.

    Args:
        points: float64 (N, 2), each axis within [0, 1], the longer one filling it.
        method: "t-SNE" or "PCA".
        explained: share of the variance that the directions it was made from hold, in [0, 1].
    """

    points: np.ndarray
    method: str
    explained: float


def project(embeddings: np.ndarray, seed: int = 0) -> Projection:
    """t-SNE (van der Maaten & Hinton 2008) of the 50 largest principal components of the normalised rows.

    Rows are normalised because neighbours are judged by cosine. Fewer than 16 rows, or rows that hardly
    differ, are shown by their two largest principal components. One thread computes it: sums over several
    come in any order, and the same run must give the same page.

    Args:
        embeddings: finite, (N, D), N at least 1.
        seed: of t-SNE.
    """
    rows = normalise(embeddings).astype(np.float64)
    rows -= rows.mean(axis=0)
    variance, directions = np.linalg.eigh(rows.T @ rows)  # rising
    variance, directions = variance[::-1].clip(0), directions[:, ::-1]
    total = float(variance.sum())
    kept = rows @ _signed(directions[:, :KEPT])  # (N, 50)
    if kept.shape[1] < 2:
        kept = np.pad(kept, ((0, 0), (0, 2 - kept.shape[1])))
    arranged = len(rows) >= LEAST and total > 1e-9 * len(rows)
    points = _tsne(kept, seed) if arranged else kept[:, :2]
    seen = variance[: KEPT if arranged else 2].sum()
    return Projection(_within_unit(points), "t-SNE" if arranged else "PCA", float(seen / total) if total > 0 else 1.0)


def _tsne(rows: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(rows) - 1) / 3)
    with threadpool_limits(1):
        arranged: np.ndarray = TSNE(
            2, perplexity=perplexity, init="pca", random_state=seed, max_iter=STEPS
        ).fit_transform(rows.astype(np.float32))
    return arranged


def _signed(directions: np.ndarray) -> np.ndarray:
    """Each column with its largest entry positive: a decomposition leaves the sign open."""
    largest = np.abs(directions).argmax(axis=0)
    signs: np.ndarray = np.sign(directions[largest, np.arange(directions.shape[1])])
    return directions * np.where(signs == 0, 1.0, signs)


def _within_unit(points: np.ndarray) -> np.ndarray:
    """Points moved and scaled, both axes alike, into the unit square and centred in it."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = float((high - low).max())
    scaled: np.ndarray = (points - (low + high) / 2) / (size if size > 0 else 1.0) + 0.5
    return scaled.clip(0, 1)
