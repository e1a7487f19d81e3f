"""The figures that a run logs and that `evaluate` gives, in plain words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """One figure.

    Args:
        title: a few words, for a heading.
        unit: what it is counted in.
        meaning: one sentence: what it says and what is good.
    """

    title: str
    unit: str
    meaning: str


WORDS = {
    "loss": Words("Loss", "nats", "The sum that training makes small; figures of two methods cannot be compared."),
    "learning_rate": Words("Learning rate", "", "The size of the optimiser's steps."),
    "samples_per_second": Words("Speed", "samples a second", "How fast training was."),
    "contrastive_accuracy": Words(
        "Contrastive accuracy", "share",
        "How often a view's nearest in the batch is the other view of its sample; training makes it rise.",
    ),
    "contrastive_entropy": Words(
        "Contrastive entropy", "nats",
        "How undecided that choice is; 0 is certain, the logarithm of the batch is a guess.",
    ),
    "probe_accuracy": Words(
        "Accuracy of the probe", "share",
        "Of the linear classifier that is trained beside the encoder, on the last batch.",
    ),
    "rankme": Words(
        "Effective rank", "dimensions",
        "RankMe: how many dimensions the embeddings really use; within one method, more is usually better.",
    ),
    "rankme_layer": Words("Of what", "layer", "0: the encoder's output; k: that of its projector's k-th layer."),
    "rankme_encoder": Words("Effective rank of the encoder", "dimensions", "The same of the encoder's output."),
    "uniformity": Words(
        "Uniformity", "log kernel",
        "How evenly embeddings cover the sphere; 0 is one point, about −4 is everywhere.",
    ),
    "alignment": Words(
        "Alignment", "squared distance",
        "How far two views of one sample lie apart; 0 is the same place, 2 is unrelated.",
    ),
    "mean_cosine": Words(
        "Mean cosine", "cosine",
        "How alike two different samples look to the encoder; near 0 is good, 1 is collapse.",
    ),
    "spread": Words("Spread", "of 1", "How much normalised embeddings vary; 1 in all directions alike, 0 is collapse."),
    "alpha": Words(
        "Decay of the spectrum (α)", "exponent",
        "How fast the variance falls from direction to direction; about 1 is the sweet spot.",
    ),
    "alpha_r2": Words("Fit of α", "R²", "How well that decay is a power law; below 0.95, α means nothing."),
    "dead_dimensions": Words("Dead dimensions", "share", "Dimensions that hardly vary; 0 is best."),
    "participation_ratio": Words(
        "Participation ratio", "dimensions", "A stricter count of the directions in use; below 2 is collapse.",
    ),
    "top_variance_share": Words(
        "Largest direction", "share of variance", "What one direction holds of all variance; above 0.9 is collapse.",
    ),
    "zipf_kl": Words(
        "Distance to Zipf's law", "nats",
        "How far the sizes of clusters, softly counted, are from Zipf's law; lower is usually better.",
    ),
    "zipf_kl_hard": Words("The same of whole counts", "nats", "Each sample counted for its nearest cluster alone."),
    "zipf_certainty": Words(
        "Certainty of the clusters", "share", "What a sample gives its nearest cluster; at 1 soft counts are whole.",
    ),
    "lidar": Words(
        "LiDAR", "dimensions", "How many directions tell samples apart whatever the view; more is usually better.",
    ),
    "lidar_delta": Words("δ of LiDAR", "", "What was added to the scatter within samples; part of LiDAR's definition."),
    "lidar_layer": Words("Of what", "layer", "0: the encoder's output; k: that of its projector's k-th layer."),
    "lidar_encoder": Words("LiDAR of the encoder", "dimensions", "The same of the encoder's output."),
    "lidar_encoder_delta": Words("δ of that", "", "What was added to the scatter within samples there."),
    "nonfinite": Words("Broken values", "share", "Values that are infinite or not a number; must be 0."),
    "relabellings": Words("Relabellings", "times", "How often all samples have been labelled anew."),
    "relabel_seconds": Words("Time for relabelling", "seconds", "What they took in this call."),
    "marginal_error": Words(
        "Error of the shares", "relative", "How far the fullest or emptiest cluster is from the share asked for.",
    ),
    "solver_passes": Words("Passes of the solver", "passes", "How often it went through all samples to balance them."),
    "labels_changed": Words(
        "Labels changed", "share of samples", "By the last relabelling; falls as the clusters settle.",
    ),
    "size_entropy": Words(
        "Evenness of the clusters", "of 1", "1 where all are equally large; 0, one with everything, is collapse.",
    ),
    "clusters_used": Words("Clusters used", "clusters", "With at least one sample; the mean over heads."),
    "effective_clusters_1": Words(
        "Clusters in use, first pool", "clusters",
        "How many clusters the nodes of a graph fill, the mean over graphs; 1 is collapse.",
    ),
    "effective_clusters_2": Words("Clusters in use, second pool", "clusters", "The same of the clusters' clusters."),
    "effective_clusters_3": Words("Clusters in use, third pool", "clusters", "The same of the third level."),
    "assignment_entropy_1": Words(
        "Undecided nodes, first pool", "of 1", "0: each node lies in one cluster; 1: each is spread over all alike.",
    ),
    "assignment_entropy_2": Words("Undecided clusters, second pool", "of 1", "The same of the clusters' clusters."),
    "assignment_entropy_3": Words("Undecided clusters, third pool", "of 1", "The same of the third level."),
    "components": Words("Components", "components", "Of the mixture, active so far; each was caused by poor samples."),
    "bound": Words(
        "Bound on log p(x)", "nats a picture",
        "How well the model explains the last batch of real data; nearer to 0 is better; it falls where data is new.",
    ),
    "log_likelihood": Words("Reconstruction", "nats a picture", "log p(x | z), the part that pixels give."),
    "latent_kl": Words("KL of the latents", "nats a picture", "What the latents say beyond their component's prior."),
    "component_kl": Words(
        "KL of the components", "nats a picture", "How decided the choice is; the logarithm of their number is sure.",
    ),
    "poor": Words("Poor samples", "share", "Of the last batch of real data, those below the threshold."),
    "duplicates": Words("Duplicates", "rows", "Embeddings that repeat another exactly; equal pictures do."),
}  # fmt: skip
"""Name to words; what is not here is shown by its name."""


def shown_figures(figures: dict[str, float]) -> dict[str, float]:
    """Those that a reader needs: of which layer they are only where that is not the encoder's output."""
    return {name: value for name, value in figures.items() if value or not name.endswith("_layer")}


def words(name: str) -> Words:
    """The words of a figure, its name's own where there are none."""
    return WORDS.get(name, Words(name.replace("_", " ").capitalize(), "", ""))
