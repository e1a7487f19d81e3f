"""`unlabeled evaluate`: how good an encoder is, beside the baselines that it must beat."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from unlabeled.commands.fitted import finetune, linear_sgd
from unlabeled.commands.graph_classification import graph_classification
from unlabeled.commands.health import Healthy, health
from unlabeled.commands.labelled import Evaluated, Labelled, PathText
from unlabeled.commands.learnt_labels import labels as learnt_labels
from unlabeled.commands.link_prediction import link_prediction
from unlabeled.commands.probes import probes
from unlabeled.commands.stream import Streamed, stream
from unlabeled.commands.transfer import transfer

if TYPE_CHECKING:
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.few_shot import FewShot

__all__ = ["PROTOCOLS", "Evaluated", "Healthy", "evaluate", "health"]


def knn(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    k: tuple[int, ...] = (20,),
    temperature: float = 0.07,
    layer: int = 0,
    seed: int = 0,
    devices: int = 1,
) -> Evaluated:
    """Classify test samples by their nearest neighbours among the training samples, weighted by similarity.

    Example: unlabeled evaluate knn runs/photos --data photos/

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        k: neighbours that vote, at least 1; of several, the value is that of the first.
        temperature: of the vote's weights exp(similarity / temperature), above 0.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        seed: of the split.
        devices: processes on this machine that share the work; under torchrun leave it out.
    """
    from unlabeled.evaluation.knn import knn as protocol

    asked = Labelled(run, data, test, labels, test_labels, seed, layer, devices)
    return asked.evaluate("knn", "accuracy", partial(protocol, k=k, temperature=temperature))


def linear(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    layer: int = 0,
    seed: int = 0,
    devices: int = 1,
) -> Evaluated:
    """Fit a linear classifier on frozen representations, its penalty chosen on a tenth of the training samples.

    Example: unlabeled evaluate linear runs/photos --data train/ --test test/

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        seed: of the split and of the validation samples.
        devices: processes on this machine that share the work; under torchrun leave it out.
    """
    from unlabeled.evaluation.linear import linear as protocol

    asked = Labelled(run, data, test, labels, test_labels, seed, layer, devices)
    return asked.evaluate("linear", "accuracy", partial(protocol, seed=seed))


def retrieval(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    k: tuple[int, ...] = (1, 5, 10, 20, 50),
    layer: int = 0,
    seed: int = 0,
    devices: int = 1,
) -> Evaluated:
    """Order training samples by similarity to each test sample: recall at k, mean average precision, ranks.

    Example: unlabeled evaluate retrieval runs/photos --k 1 5 10

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder), the gallery; by default the run's own data.
        test: labelled samples, the queries; by default a fifth of the data, split by the seed. Given the data
            itself, each sample is left out of its own list.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        k: how far down the list is looked for a sample of the query's class, each at least 1.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        seed: of the split.
        devices: processes on this machine that share the work; under torchrun leave it out.
    """
    from unlabeled.evaluation.retrieval import retrieval as protocol

    asked = Labelled(run, data, test, labels, test_labels, seed, layer, devices)
    return asked.evaluate("retrieval", f"recall_at_{min(k, default=1)}", partial(protocol, k=k))


def clustering(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    clusters: tuple[int, ...] = (100,),
    seeds: int = 5,
    restarts: int = 10,
    layer: int = 0,
    seed: int = 0,
    devices: int = 1,
) -> Evaluated:
    """Cluster representations without labels, and see whether the clusters are the classes: Hungarian, NMI, AMI, ARI.

    Example: unlabeled evaluate clustering runs/photos --clusters 50 200

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder) to find clusters in; by default the run's own data.
        test: labelled samples to judge them on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        clusters: numbers of clusters beside the number of classes, each at least 1.
        seeds: draws that each figure is the mean of, at least 1.
        restarts: k-means++ starts of each, at least 1; the best is kept.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        seed: of the split and of the draws.
        devices: processes on this machine that share the work; under torchrun leave it out.
    """
    from unlabeled.evaluation.clustering import clustering as protocol
    from unlabeled.evaluation.clustering import random_clustering

    found = partial(protocol, clusters=clusters, seeds=seeds, restarts=restarts, seed=seed)
    guess = partial(random_clustering, clusters=clusters, seeds=seeds, seed=seed)
    asked = Labelled(run, data, test, labels, test_labels, seed, layer, devices)
    return asked.evaluate("clustering", "matched_accuracy", found, guess)


def few_shot(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    ways: int = 5,
    shots: tuple[int, ...] = (1, 5),
    queries: int = 15,
    episodes: int = 600,
    per_class: tuple[int, ...] = (1, 5),
    draws: int = 5,
    cost: float = 1.0,
    subsets: PathText | None = None,
    layer: int = 0,
    seed: int = 0,
    devices: int = 1,
) -> Evaluated:
    """Classify from a handful of samples a class: in episodes of a few classes, and among all classes.

    Example: unlabeled evaluate few-shot runs/photos --ways 5 --shots 1 5

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder) to learn from; by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        ways: classes of an episode, at least 2.
        shots: training samples of each of them, each number at least 1.
        queries: test samples of each of them, at least 1.
        episodes: at least 2.
        per_class: training samples of each class where all classes are told apart, each number at least 1.
        draws: of these samples, at least 1.
        cost: C of the logistic regression that learns from these samples where they are below 5, too few to choose it.
        subsets: a run whose few-shot kept what it drew, or that file (evaluations/few-shot.npz), to take the same
            samples; drawn from the same data with the same numbers.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        seed: of the split and of the draws.
        devices: processes on this machine that share the work; under torchrun leave it out.
    """
    from unlabeled.evaluation.few_shot import few_shot as protocol
    from unlabeled.evaluation.subsets import Sizes, Subsets, draw, keep
    from unlabeled.run import Run

    asked = Labelled(run, data, test, labels, test_labels, seed, layer, devices)
    sizes = Sizes(ways, tuple(shots), queries, episodes, tuple(per_class), draws)
    drawn = [] if subsets is None else [Subsets.read(subsets, sizes)]

    def learn(train: "Features", tested: "Features") -> "FewShot":
        if not drawn:
            drawn.append(draw(train, tested, sizes, seed))  # every encoder meets the same
        return protocol(train, tested, **vars(sizes), cost=cost, seed=seed, subsets=drawn[0])

    result = asked.evaluate("few-shot", f"accuracy_{ways}_way_{min(shots, default=1)}_shot", learn)
    keep(Run.open(run).path, drawn[0])
    return result


PROTOCOLS: dict[str, Callable[..., Evaluated | Healthy | Streamed]] = {
    "knn": knn,
    "linear": linear,
    "linear-sgd": linear_sgd,
    "finetune": finetune,
    "transfer": transfer,
    "retrieval": retrieval,
    "clustering": clustering,
    "few-shot": few_shot,
    "graph-classification": graph_classification,
    "probes": probes,
    "labels": learnt_labels,
    "stream": stream,
    "link-prediction": link_prediction,
    "health": health,
}
"""Protocol to function."""


def evaluate(protocol: str, run: PathText, /, **options: Any) -> Evaluated | Healthy | Streamed:
    """Evaluate a run by `protocol`, a name in `PROTOCOLS` (`_` for `-` is understood); `options` are its arguments.

    Raises:
        UserError: no such protocol or option, or whatever the protocol cannot do.
    """
    from unlabeled.errors import UserError
    from unlabeled.training.settings import completed

    name = protocol.replace("_", "-")
    if name not in PROTOCOLS:
        raise UserError(f"no protocol is called {protocol!r}; the protocols are {', '.join(PROTOCOLS)}.")
    function = PROTOCOLS[name]
    return function(run, **completed(function, "--", options, "run"))
