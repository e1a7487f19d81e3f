"""The label-free protocol: rank, spectrum, and signs of collapse of representations."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from unlabeled import chance
from unlabeled.distributed import rank, total, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.split import CLUSTERS
from unlabeled.metrics import spectrum, spread
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.lidar import Lidar, lidar
from unlabeled.metrics.spectrum import blocks
from unlabeled.metrics.zipf import soft_shares, zipf_kl

PAIRS = 10_000
"""Rows whose pairs uniformity looks at; of more, so many are taken at even distances."""
PER_CLUSTER = 10
"""Rows a cluster that the divergence from Zipf's law needs at least."""


@dataclass(frozen=True)
class Health:
    """What `health` found; None is a figure that is not defined for these embeddings.

    Args:
        rankme: effective rank, at most min(N, D) but for epsilon; compare runs of one method only.
        alpha: decay of the spectrum; 1 is the sweet spot.
        alpha_r2: of alpha's fit; below 0.95 alpha means nothing.
        alignment: mean squared distance of two views of a sample on the sphere; needs a second view.
        uniformity: log of the mean Gaussian kernel over pairs, at best about -4; the mean of the views.
        mean_cosine: of two different rows.
        spread: of the normalised rows, 1 where isotropic.
        dead_dimensions: share of dimensions that hardly vary.
        participation_ratio: of the covariance's eigenvalues, 1 to D.
        top_variance_share: of the largest eigenvalue.
        nonfinite: share of values that are infinite or not a number.
        duplicates: rows that repeat another.
        zipf_kl: divergence of soft cluster sizes from Zipf's law, lower is better; None below 10 rows a cluster.
        zipf_kl_hard: the same of the clusters' counts.
        zipf_certainty: the mean share that a row gives its nearest cluster, 1/k to 1.
        lidar: effective rank of what tells samples apart in spite of their views; None unless views are given.
        lidar_delta: what was added to the within-sample scatter's diagonal.
    """

    rankme: float | None
    alpha: float | None
    alpha_r2: float | None
    alignment: float | None
    uniformity: float
    mean_cosine: float
    spread: float
    dead_dimensions: float
    participation_ratio: float | None
    top_variance_share: float | None
    nonfinite: float
    duplicates: int
    zipf_kl: float | None
    zipf_kl_hard: float | None
    zipf_certainty: float | None
    lidar: float | None
    lidar_delta: float | None

    def figures(self) -> dict[str, float]:
        """The figures that are defined, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: float(value) for name, value in values.items() if value is not None}

    def warnings(self) -> list[str]:
        """One sentence for each sign of collapse that is past its alarm (section 11.6)."""

        said = []
        if self.nonfinite > 0:
            said.append(
                f"{self.nonfinite:.2%} of the values are infinite or not a number (alarm above 0); their rows are left "
                "out of all other figures."
            )
        if self.participation_ratio is None or self.top_variance_share is None:
            said.append("All embeddings are equal: the encoder has collapsed completely.")
        elif self.participation_ratio < 2:
            said.append(f"Fewer than 2 directions are used: participation ratio {self.participation_ratio:.2f}.")
        if self.top_variance_share is not None and self.top_variance_share > 0.9:
            said.append(f"One direction holds {self.top_variance_share:.0%} of the variance (alarm above 90 %).")
        if self.mean_cosine > 0.9:
            said.append(
                f"All embeddings point almost the same way: mean cosine {self.mean_cosine:.3f} (alarm above 0.9)."
            )
        if self.spread < 0.1:
            said.append(f"Normalised embeddings hardly differ: spread {self.spread:.3f} of 1 (alarm below 0.1).")
        if self.dead_dimensions > 0.5:
            said.append(f"{self.dead_dimensions:.0%} of the dimensions hardly vary (alarm above 50 %).")
        return said


def health(
    first: np.ndarray,
    second: np.ndarray | None = None,
    zipf_clusters: int = 100,
    zipf_temperature: float = 1.0,
    discriminant: Lidar | None = None,
    seed: int = 0,
) -> Health:
    """Judge embeddings without labels (sections 11.1 to 11.3 and 11.5 to 11.6; LiDAR, 11.4, comes from `views_rank`).

    Rows with a value that is not finite count in `nonfinite` alone. Every process passes the same
    rows and works on its share of them.

    Args:
        first: (N, D), at least 2 rows, perhaps memory-mapped.
        second: (N, D), row i another view of the sample of row i of `first`.
        zipf_clusters: k of the divergence from Zipf's law, at least 2.
        zipf_temperature: of its soft assignment, above 0.
        discriminant: what `views_rank` found, where it was asked for.
        seed: of the clusters.

    Raises:
        UserError: fewer than 2 finite rows, shapes that do not fit, or a number outside its range.
    """
    if zipf_clusters < 2 or not zipf_temperature > 0:
        raise UserError(
            "the divergence from Zipf's law needs at least 2 clusters and a temperature above 0, got "
            f"--zipf-clusters {zipf_clusters} and --zipf-temperature {zipf_temperature}."
        )
    views = [first] if second is None else [first, second]
    if first.ndim != 2 or not first.shape[1] or any(view.shape != first.shape for view in views):
        shapes = " and ".join(str(view.shape) for view in views)
        raise UserError(f"health needs embeddings (samples, width), of both views alike, got {shapes}.")
    places = np.arange(rank(), len(first), world_size())
    shares = [view[rank() :: world_size()] for view in views]
    finite = np.logical_and.reduce([_finite_rows(share) for share in shares])
    count = int(total(torch.tensor(int(finite.sum()))))
    if count < 2:
        raise UserError(
            f"health needs at least 2 finite embeddings and {count} of {len(first)} are: give more samples."
        )
    lost = float(np.mean([spread.nonfinite(share) for share in shares]))
    if not finite.all():
        shares = [share[finite] for share in shares]
    paired = np.isin(places[finite], np.linspace(0, len(first) - 1, min(PAIRS, len(first))).astype(np.int64))
    found = spectrum.moments(shares[0])
    alpha, alpha_r2 = spectrum.power_law(found) or (None, None)
    zipf, zipf_hard, certainty = (
        _zipf(shares[0], places[finite], zipf_clusters, zipf_temperature, seed)
        if count >= PER_CLUSTER * zipf_clusters
        else (None, None, None)
    )
    return Health(
        rankme=spectrum.rankme(found),
        alpha=alpha,
        alpha_r2=alpha_r2,
        alignment=spread.alignment(shares[0], shares[1]) if second is not None else None,
        uniformity=float(np.mean([spread.uniformity(share[paired]) for share in shares])),
        mean_cosine=spread.mean_cosine(shares[0]),
        spread=spread.spread(shares[0]),
        dead_dimensions=spread.dead_dimensions(shares[0]),
        participation_ratio=spectrum.participation_ratio(found),
        top_variance_share=spectrum.top_variance_share(found),
        nonfinite=lost,
        duplicates=spread.duplicates(shares[0]),
        zipf_kl=zipf,
        zipf_kl_hard=zipf_hard,
        zipf_certainty=certainty,
        lidar=discriminant.value if discriminant else None,
        lidar_delta=discriminant.delta if discriminant else None,
    )


def views_rank(views: list[np.ndarray], delta: float = 1e-4, relative: bool = False) -> Lidar:
    """LiDAR of some views of the same samples (section 11.4); samples with a value that is not finite are left out.

    Every process passes the same rows and works on its share of them.

    Args:
        views: q of them, each (n, D), drawn as in pre-training.
        delta: added to the within-sample scatter's diagonal, at least 0.
        relative: whether delta is a share of that diagonal's mean.

    Raises:
        UserError: fewer than 2 finite samples or views, or a delta that is too small.
    """
    stacked = np.stack([view[rank() :: world_size()] for view in views], axis=1)  # (n, q, D)
    finite = np.isfinite(stacked).all(axis=(1, 2))
    try:
        return lidar(stacked[finite], delta, relative)
    except ValueError as problem:
        raise UserError(f"{problem} (see --lidar-samples, --lidar-views and --lidar-delta).") from None


def _zipf(rows: np.ndarray, places: np.ndarray, k: int, temperature: float, seed: int) -> tuple[float, float, float]:
    """Zipf's divergence of soft and of hard sizes of clusters of the rows as they are, and the certainty."""
    rng = chance.generator(seed, chance.SPLIT, CLUSTERS)
    centres = kmeans(rows, places, k, rng, restarts=1, spherical=False).centres
    soft, hard, certainty = soft_shares(rows, centres, temperature)
    return zipf_kl(soft), zipf_kl(hard), certainty


def _finite_rows(rows: np.ndarray) -> np.ndarray:
    """Which rows are finite, bool (N,)."""
    parts = [np.isfinite(part).all(axis=1) for part in blocks(rows)]
    return np.concatenate(parts) if parts else np.zeros(0, bool)
