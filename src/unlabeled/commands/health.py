"""`unlabeled evaluate health`: figures that need no labels."""

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.health import Health
    from unlabeled.evaluation.sanity import Sanity
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
        layer: where the representations come from: 0 the encoder's output, k the k-th layer of its projector; that of
            RankMe and of LiDAR stands among the figures.
        sanity: the trained encoder's representations at a glance.
    """

    protocol: str
    run: str
    n: int
    figures: dict[str, float]
    baselines: dict[str, dict[str, float]]
    warnings: list[str]
    seed: int
    details: dict[str, Any] = field(default_factory=dict)
    layer: int = 0
    sanity: "Sanity | None" = None


@dataclass(frozen=True)
class Looks:
    """How an encoder is judged without labels; `health` describes the fields, which are its arguments."""

    limit: int = 10_000
    layer: int | None = None
    zipf_clusters: int = 100
    zipf_temperature: float = 1.0
    lidar_samples: int = 0
    lidar_views: int = 10
    lidar_delta: float = 1e-4
    lidar_relative: bool = False
    seed: int = 0

    def check(self) -> None:
        """Refuse numbers outside their range, before anything is opened.

        Raises:
            UserError: the first that is.
        """
        from unlabeled.errors import UserError, in_range

        in_range(limit=(self.limit, 2), seed=(self.seed, 0))
        if self.lidar_samples < 0 or self.lidar_samples == 1 or self.lidar_views < 2 or not self.lidar_delta >= 0:
            raise UserError(
                "LiDAR needs at least 2 samples (0 for none), at least 2 views and a delta of at least 0, got "
                f"--lidar-samples {self.lidar_samples}, --lidar-views {self.lidar_views}, --lidar-delta "
                f"{self.lidar_delta}."
            )

    def told(self, samples: int) -> dict[str, Any]:
        """The settings on which figures depend, of data with so many samples."""
        zipf = {"zipf_clusters": self.zipf_clusters, "zipf_temperature": self.zipf_temperature}
        if not self.lidar_samples:
            return zipf
        names = ("lidar_views", "lidar_delta", "lidar_relative")
        lidar = {"lidar_samples": min(self.lidar_samples, samples)}
        return zipf | lidar | {name: getattr(self, name) for name in names}


def health(
    run: str | PathLike[str],
    *,
    data: Any = None,
    limit: int = 10_000,
    layer: int | None = None,
    zipf_clusters: int = 100,
    zipf_temperature: float = 1.0,
    lidar_samples: int = 0,
    lidar_views: int = 10,
    lidar_delta: float = 1e-4,
    lidar_relative: bool = False,
    seed: int = 0,
    devices: int = 1,
) -> Healthy:
    """Judge an encoder without labels: effective rank, spectrum, alignment, uniformity, signs of collapse.

    All figures are of the encoder's output, but for RankMe and LiDAR: these are of the projector's output where the
    run keeps a projector, as their papers have them, and those of the encoder's output stand beside them.

    Example: unlabeled evaluate health runs/photos --lidar-samples 500

    Args:
        run: the run's folder.
        data: any samples; by default the run's own data.
        limit: at most this many samples, drawn by the seed.
        layer: take all figures of one layer: 0 the encoder's output, k that of the k-th layer of its projector, -1 the
            projector's last; by default as above.
        zipf_clusters: clusters whose sizes are compared with Zipf's law; needs ten samples of each.
        zipf_temperature: of their soft assignment exp(-distance^2 / temperature).
        lidar_samples: samples that LiDAR looks at; 0, the default, leaves it out, for it embeds each of them as
            often as `lidar_views` says. On a CPU take 500, where there is time 1000 with 50 views.
        lidar_views: views of each of them, drawn as in training, at least 2.
        lidar_delta: added to the diagonal of LiDAR's within-sample scatter.
        lidar_relative: whether `lidar_delta` is a share of that diagonal's mean; if not, the embeddings' scale counts.
        seed: of the draw and of the views.
        devices: processes on this machine that share the work; under torchrun leave it out.
    """
    from unlabeled.commands.labelled import kept_as
    from unlabeled.commands.load import load, random_encoder
    from unlabeled.commands.samples import data_of
    from unlabeled.run import Run
    from unlabeled.training.launching import join

    zipf = zipf_clusters, zipf_temperature
    looks = Looks(limit, layer, *zipf, lidar_samples, lidar_views, lidar_delta, lidar_relative, seed)
    looks.check()
    folder = Run.open(run)
    join(devices)
    encoder = load(folder.path, layer or 0)  # says first of all whether there is an encoder, and such a layer
    samples = data_of(folder, data)[0]
    ours, random = health_of(folder, samples, looks), health_of(folder, samples, looks, random=True)
    drawn = _drawn(samples, limit, seed)
    result = Healthy(
        protocol="health",
        run=str(folder.path),
        n=ours.sanity.n,
        figures=ours.figures() | encoder.diagnosed(drawn),
        baselines={"random_encoder": random.figures() | random_encoder(folder).diagnosed(drawn)},
        warnings=ours.warnings(),
        seed=seed,
        details=looks.told(len(samples)),
        layer=encoder.layer,
        sanity=ours.sanity,
    )
    folder.keep_evaluation(kept_as("health", encoder.layer), result)
    return result


def health_of(folder: "Run", samples: Any, looks: Looks, random: bool = False) -> "Health":
    """Label-free figures of a run's encoder, or of the random one, on the views that its method trains on.

    Args:
        folder: the run.
        samples: opened data.
        looks: what is asked.
        random: judge the encoder as it was before training.

    Raises:
        UserError: the run has no such layer, or what comes out cannot be judged.
    """
    from unlabeled.evaluation.health import Projected
    from unlabeled.evaluation.health import health as protocol

    encoder = _encoder(folder, looks.layer, random)
    beside, ranked = lidar_of(folder, encoder, samples, looks) if looks.lidar_samples else (None, None)
    views = encoder.extract(_drawn(samples, looks.limit, looks.seed), views_of(folder, encoder), looks.seed).views
    first, second = views[0], views[1] if len(views) > 1 else None
    settings = looks.zipf_clusters, looks.zipf_temperature, looks.seed
    if looks.layer is None and encoder.layer:
        projected = Projected(encoder.projected(first), encoder.layer, ranked)
        return protocol(first, second, projected, beside, 0, *settings)
    second = None if second is None else encoder.projected(second)
    return protocol(encoder.projected(first), second, None, ranked, encoder.layer, *settings)


def lidar_of(folder: "Run", encoder: "Encoder", samples: Any, looks: Looks) -> tuple["Lidar", "Lidar"]:
    """LiDAR of an encoder's output, and of what comes out of its head, on the views that the run's method trains on.

    Args:
        folder: the run.
        encoder: the trained one, or the random one.
        samples: opened data.
        looks: what is asked.
    """
    from unlabeled.evaluation.health import views_rank

    drawn = replace(views_of(folder, encoder), count=looks.lidar_views)
    views = encoder.extract(_drawn(samples, looks.lidar_samples, looks.seed), drawn, looks.seed).views
    beside = views_rank(views, looks.lidar_delta, looks.lidar_relative)
    if not encoder.layer:
        return beside, beside
    return beside, views_rank([encoder.projected(view) for view in views], looks.lidar_delta, looks.lidar_relative)


def _encoder(folder: "Run", layer: int | None, random: bool) -> "Encoder":
    """With the head that `layer` names; where it is None, with the whole projector if the run keeps one."""
    from unlabeled.commands.load import load, projector_layers, random_encoder

    if layer is None:
        layer = -1 if projector_layers(folder) else 0
    return random_encoder(folder, layer) if random else load(folder.path, layer)


def _drawn(samples: Any, limit: int, seed: int) -> Any:
    """At most `limit` samples, drawn by the seed."""
    from unlabeled import chance

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
