"""The label-free protocol: rank, spectrum, and signs of collapse of representations."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from unlabeled import chance
from unlabeled.distributed import rank, total, world_size
from unlabeled.errors import UserError
from unlabeled.evaluation.sanity import Sanity, sanity_of
from unlabeled.evaluation.split import CLUSTERS
from unlabeled.metrics import spectrum, spread
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.lidar import Lidar, lidar
from unlabeled.metrics.zipf import soft_shares, zipf_kl

PAIRS = 10_000
"""Rows whose pairs uniformity looks at; of more, so many are taken at even distances."""
PER_CLUSTER = 10
"""Rows a cluster that the divergence from Zipf's law needs at least."""


@dataclass(frozen=True)
class Projected:
    """What came out of the projector, of which RankMe and LiDAR are by their papers.

    Args:
        rows: (N, P), of the first view of each sample.
        layer: of the projector, from 1.
        discriminant: what `views_rank` found of its output, where that was asked for.
    """

    rows: np.ndarray
    layer: int
    discriminant: Lidar | None = None


@dataclass(frozen=True)
class Health:
    """What `health` found; None is a figure that is not defined for these embeddings.

    Args:
        rankme: effective rank, at most min(N, D) but for epsilon; compare runs of one method only.
        rankme_layer: of what: 0 the encoder's output, k that of the projector's k-th layer.
        rankme_encoder: that of the encoder's output, where `rankme` is the projector's.
        alpha: decay of the spectrum; 1 is the sweet spot.
        alpha_r2: of alpha's fit; below 0.95 alpha means nothing.
        alignment: mean squared distance of two views of a sample on the sphere; needs a second view.
        uniformity: log of the mean Gaussian kernel over pairs, at best about -4; the mean of the views.
        mean_cosine: of two different rows.
        spread: of the normalised rows, 1 where isotropic.
        dead_dimensions: share of dimensions that hardly vary.
        participation_ratio: of the covariance's eigenvalues, 1 to D.
        top_variance_share: of the largest eigenvalue.
        nonfinite: share of values that are infinite or not a number, over the views.
        duplicates: rows that repeat another.
        zipf_kl: divergence of soft cluster sizes from Zipf's law, lower is better; None below 10 rows a cluster.
        zipf_kl_hard: the same of the clusters' counts.
        zipf_certainty: the mean share that a row gives its nearest cluster, 1/k to 1.
        lidar: effective rank of what tells samples apart in spite of their views; None unless it was asked for.
        lidar_layer: of what, as `rankme_layer`.
        lidar_delta: what was added to the within-sample scatter's diagonal.
        lidar_encoder: that of the encoder's output, where `lidar` is the projector's.
        lidar_encoder_delta: what was added there.
        sanity: the first view's rows at a glance.
    """

    rankme: float | None
    rankme_layer: int
    rankme_encoder: float | None
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
    lidar_layer: int | None
    lidar_delta: float | None
    lidar_encoder: float | None
    lidar_encoder_delta: float | None
    sanity: Sanity

    def figures(self) -> dict[str, float]:
        """The figures that are defined, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, int | float)}

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
    projected: Projected | None = None,
    discriminant: Lidar | None = None,
    layer: int = 0,
    zipf_clusters: int = 100,
    zipf_temperature: float = 1.0,
    seed: int = 0,
) -> Health:
    """Judge embeddings without labels (sections 11.1 to 11.3 and 11.5 to 11.6; LiDAR, 11.4, comes from `views_rank`).

    Rows with a value that is not finite count in `nonfinite` alone. Every process passes the same
    rows and works on its share of them.

    Args:
        first: (N, D), at least 2 rows, perhaps memory-mapped.
        second: (N, D), row i another view of the sample of row i of `first`.
        projected: the projector's output, of which RankMe and LiDAR are then, those of `first` beside them.
        discriminant: what `views_rank` found of such embeddings, where it was asked for.
        layer: what `first` is the output of: 0 the encoder, k the projector's k-th layer.
        zipf_clusters: k of the divergence from Zipf's law, at least 2.
        zipf_temperature: of its soft assignment, above 0.
        seed: of the clusters.

    Raises:
        UserError: fewer than 2 finite rows, shapes that do not fit, or a number outside its range.
    """
    if zipf_clusters < 2 or not zipf_temperature > 0:
        raise UserError(
            "the divergence from Zipf's law needs at least 2 clusters and a temperature above 0, got "
            f"--zipf-clusters {zipf_clusters} and --zipf-temperature {zipf_temperature}."
        )
    share = _share([first] if second is None else [first, second])
    rows = share.views[0]
    paired = np.isin(share.places, np.linspace(0, len(first) - 1, min(PAIRS, len(first))).astype(np.int64))
    found = spectrum.moments(rows)
    alpha, alpha_r2 = spectrum.power_law(found) or (None, None)
    zipf = _zipf(share, zipf_clusters, zipf_temperature, seed)
    own_rank, ranked = spectrum.rankme(found), discriminant if projected is None else projected.discriminant
    beside = None if projected is None else discriminant
    at = layer if projected is None else projected.layer
    sane = sanity_of(rows, len(first), share.nonfinite)
    assert sane.mean_cosine is not None  # there are two rows
    return Health(
        rankme=own_rank if projected is None else _rank_of(projected, share.places),
        rankme_layer=at,
        rankme_encoder=None if projected is None else own_rank,
        alpha=alpha,
        alpha_r2=alpha_r2,
        alignment=spread.alignment(rows, share.views[1]) if second is not None else None,
        uniformity=float(np.mean([spread.uniformity(view[paired]) for view in share.views])),
        mean_cosine=sane.mean_cosine,
        spread=spread.spread(rows),
        dead_dimensions=spread.dead_dimensions(rows),
        participation_ratio=spectrum.participation_ratio(found),
        top_variance_share=spectrum.top_variance_share(found),
        nonfinite=share.nonfinite,
        duplicates=sane.duplicates,
        zipf_kl=zipf[0],
        zipf_kl_hard=zipf[1],
        zipf_certainty=zipf[2],
        lidar=ranked.value if ranked else None,
        lidar_layer=at if ranked else None,
        lidar_delta=ranked.delta if ranked else None,
        lidar_encoder=beside.value if beside else None,
        lidar_encoder_delta=beside.delta if beside else None,
        sanity=sane,
    )


@dataclass(frozen=True)
class _Share:
    """This process's rows that are finite in every view.

    Args:
        views: (N_p, D) each.
        places: of these rows among all, int64 (N_p,).
        count: such rows of all processes, at least 2.
        nonfinite: share of the values of all rows that are not finite.
    """

    views: list[np.ndarray]
    places: np.ndarray
    count: int
    nonfinite: float


def _share(views: list[np.ndarray]) -> _Share:
    first = views[0]
    if first.ndim != 2 or not first.shape[1] or any(view.shape != first.shape for view in views):
        shapes = " and ".join(str(view.shape) for view in views)
        raise UserError(f"health needs embeddings (samples, width), of both views alike, got {shapes}.")
    places = np.arange(rank(), len(first), world_size())
    shares = [view[rank() :: world_size()] for view in views]
    finite = np.logical_and.reduce([spread.finite_rows(share) for share in shares])
    count = int(total(torch.tensor(int(finite.sum()))))
    if count < 2:
        raise UserError(
            f"health needs at least 2 finite embeddings and {count} of {len(first)} are: give more samples."
        )
    lost = float(np.mean([spread.nonfinite(share) for share in shares]))
    return _Share(shares if finite.all() else [share[finite] for share in shares], places[finite], count, lost)


def _rank_of(projected: Projected, places: np.ndarray) -> float | None:
    """RankMe of this process's rows of the projector's output; None where hardly any is finite."""
    rows = projected.rows[places]
    rows = rows[spread.finite_rows(rows)]
    return spectrum.rankme(spectrum.moments(rows)) if int(total(torch.tensor(len(rows)))) > 1 else None


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


def _zipf(share: _Share, k: int, temperature: float, seed: int) -> tuple[float, float, float] | tuple[None, None, None]:
    """Zipf's divergence of soft and of hard sizes of clusters of the rows as they are, and the certainty."""
    if share.count < PER_CLUSTER * k:
        return None, None, None
    rng, rows = chance.generator(seed, chance.SPLIT, CLUSTERS), share.views[0]
    centres = kmeans(rows, share.places, k, rng, restarts=1, spherical=False).centres
    soft, hard, certainty = soft_shares(rows, centres, temperature)
    return zipf_kl(soft), zipf_kl(hard), certainty
