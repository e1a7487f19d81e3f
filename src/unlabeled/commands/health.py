"""`unlabeled evaluate health`: figures that need no labels."""

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.health import Health
    from unlabeled.metrics.lidar import Lidar
    from unlabeled.run import Run


@dataclass(frozen=True)
class Healthy:
    """Label-free figures of an encoder, and of the same architecture at random weights.

    Args:
        protocol: "health".
        run: the folder.
        n: samples that were looked at.
        figures: those that are defined, by name.
        baselines: the same of the random encoder.
        warnings: a sentence for each sign of collapse.
        seed: of the draw and of the views.
        details: the settings on which figures depend.
    """

    protocol: str
    run: str
    n: int
    figures: dict[str, float]
    baselines: dict[str, dict[str, float]]
    warnings: list[str]
    seed: int
    details: dict[str, Any] = field(default_factory=dict)


def health(
    run: str | PathLike[str],
    *,
    data: Any = None,
    limit: int = 10_000,
    zipf_clusters: int = 100,
    zipf_temperature: float = 1.0,
    lidar_samples: int = 0,
    lidar_views: int = 10,
    lidar_delta: float = 1e-4,
    lidar_relative: bool = False,
    seed: int = 0,
) -> Healthy:
    """Judge an encoder without labels: effective rank, spectrum, alignment, uniformity, signs of collapse.

    Example: unlabeled evaluate health runs/photos --lidar-samples 500

    Args:
        run: the run's folder.
        data: any samples; by default the run's own data.
        limit: at most this many samples, drawn by the seed.
        zipf_clusters: clusters whose sizes are compared with Zipf's law; needs ten samples of each.
        zipf_temperature: of their soft assignment exp(-distance^2 / temperature).
        lidar_samples: samples that LiDAR looks at; 0, the default, leaves it out, for it embeds each of them as
            often as `lidar_views` says. On a CPU take 500, where there is time 1000 with 50 views.
        lidar_views: views of each of them, drawn as in training, at least 2.
        lidar_delta: added to the diagonal of LiDAR's within-sample scatter.
        lidar_relative: whether `lidar_delta` is a share of that diagonal's mean; if not, the embeddings' scale counts.
        seed: of the draw and of the views.
    """
    from unlabeled.commands.load import data_of, load
    from unlabeled.errors import UserError
    from unlabeled.run import Run

    if lidar_samples < 0 or lidar_samples == 1 or lidar_views < 2 or lidar_delta < 0:
        raise UserError(
            "LiDAR needs at least 2 samples (0 for none), at least 2 views and a delta of at least 0, got "
            f"--lidar-samples {lidar_samples}, --lidar-views {lidar_views}, --lidar-delta {lidar_delta}."
        )
    folder = Run.open(run)
    load(folder.path)  # says first of all whether there is an encoder
    samples = data_of(folder, data)[0]

    def judged(random: bool) -> "Health":
        lidar = (
            lidar_of(folder, samples, lidar_samples, lidar_views, lidar_delta, lidar_relative, seed, random)
            if lidar_samples
            else None
        )
        return health_of(folder, samples, limit, seed, random, zipf_clusters, zipf_temperature, lidar)

    ours, random = judged(False), judged(True)
    details = {"zipf_clusters": zipf_clusters, "zipf_temperature": zipf_temperature}
    if lidar_samples:
        details |= {"lidar_samples": min(lidar_samples, len(samples)), "lidar_views": lidar_views}
        details |= {"lidar_delta": lidar_delta, "lidar_relative": lidar_relative}
    result = Healthy(
        protocol="health",
        run=str(folder.path),
        n=min(limit, len(samples)),
        figures=ours.figures(),
        baselines={"random_encoder": random.figures()},
        warnings=ours.warnings(),
        seed=seed,
        details=details,
    )
    folder.keep_evaluation("health", result)
    return result


def health_of(
    folder: "Run",
    samples: Any,
    limit: int,
    seed: int,
    random: bool = False,
    zipf_clusters: int = 100,
    zipf_temperature: float = 1.0,
    lidar: "Lidar | None" = None,
) -> "Health":
    """Label-free figures of a run's encoder, or of the random one, on the views that its method trains on.

    Args:
        folder: the run.
        samples: opened data.
        limit: at most this many samples, drawn by the seed.
        seed: of the draw and of the views.
        random: judge the encoder as it was before training.
        zipf_clusters: clusters whose sizes are compared with Zipf's law.
        zipf_temperature: of their soft assignment.
        lidar: what `lidar_of` gave, to stand among the figures.
    """
    from unlabeled.evaluation.health import health as protocol

    encoder = _encoder(folder, random)
    extracted = encoder.extract(_drawn(samples, limit, seed), views_of(folder, encoder), seed)
    first, *others = extracted.views
    return protocol(first, others[0] if others else None, zipf_clusters, zipf_temperature, lidar, seed)


def lidar_of(
    folder: "Run",
    samples: Any,
    count: int,
    views: int,
    delta: float = 1e-4,
    relative: bool = False,
    seed: int = 0,
    random: bool = False,
) -> "Lidar":
    """LiDAR of a run's encoder output, or of the random one's, on the views that its method trains on.

    Args:
        folder: the run.
        samples: opened data.
        count: at most this many samples, drawn by the seed.
        views: of each, at least 2.
        delta: added to the diagonal of the within-sample scatter.
        relative: whether it is a share of that diagonal's mean.
        seed: of the draw and of the views.
        random: judge the encoder as it was before training.
    """
    from unlabeled.evaluation.health import views_rank

    encoder = _encoder(folder, random)
    drawn = replace(views_of(folder, encoder), count=views)
    return views_rank(encoder.extract(_drawn(samples, count, seed), drawn, seed).views, delta, relative)


def _encoder(folder: "Run", random: bool) -> "Encoder":
    from unlabeled.commands.load import load, random_encoder

    return random_encoder(folder) if random else load(folder.path)


def _drawn(samples: Any, limit: int, seed: int) -> Any:
    """At most `limit` samples, drawn by the seed."""
    from unlabeled import chance
    from unlabeled.errors import UserError

    if limit < 2:
        raise UserError(f"--limit takes a number of at least 2, got {limit}.")
    if len(samples) <= limit:
        return samples
    drawn = chance.generator(seed, chance.SPLIT).choice(len(samples), limit, replace=False)
    drawn.sort()
    return samples.subset(drawn)


def views_of(folder: "Run", encoder: "Encoder") -> Any:
    """The views that the run's method was trained on."""
    from unlabeled import methods
    from unlabeled.training.settings import called

    config, name = folder.config(), encoder.description["modality"]
    preset = getattr(methods.find(config["method"]), "views", {}).get(name, encoder.modality.views)
    return called(preset, "--views.", config["views"], size=encoder.size)
