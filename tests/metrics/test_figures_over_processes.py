"""Two gloo processes, each with its own rows, give the figures of one process with all rows."""

import numpy as np
import pytest

from battery.features import mixture
from battery.processes import run_in_processes
from unlabeled.distributed import rank, world_size
from unlabeled.evaluation.clustering import Clustering, clustering, random_clustering
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.few_shot import FewShot, few_shot
from unlabeled.evaluation.health import Projected, health, views_rank
from unlabeled.evaluation.knn import knn
from unlabeled.evaluation.linear import linear
from unlabeled.evaluation.retrieval import retrieval
from unlabeled.evaluation.sanity import Sanity, sanity
from unlabeled.metrics import spread
from unlabeled.metrics.contingency import contingency
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.lidar import lidar
from unlabeled.metrics.logistic import Problem, path
from unlabeled.metrics.neighbours import nearest_across
from unlabeled.metrics.spectrum import moments, participation_ratio, power_law, rankme
from unlabeled.metrics.zipf import soft_shares


def rows_of(count: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two views, with one repeated row and one dead dimension, and labels."""
    first, labels = mixture(count, width, 3)
    first[-1], first[:, 3] = first[0], 0.5
    return first, first + 0.1 * np.random.default_rng(1).standard_normal(first.shape).astype(np.float32), labels


def figures() -> dict[str, object]:
    """Everything, from shards of 90 and 30 rows; of none and 20 rows; and the protocols from whole features."""
    found: dict[str, object] = {}
    for name, count, width, cut in (("many", 120, 40, 90), ("few", 20, 40, 0)):
        share = slice(None) if world_size() == 1 else (slice(None, cut), slice(cut, None))[rank()]
        first, second, labels = rows_of(count, width)
        mine, other = first[share], second[share]
        seen = moments(mine)
        found |= {
            f"{name} spectrum": [*seen.raw[:19], *seen.central[:19], rankme(seen), participation_ratio(seen)],
            f"{name} pairs": [
                spread.alignment(mine, other),
                spread.uniformity(mine, block=7),
                spread.mean_cosine(mine),
            ],
            f"{name} columns": [
                spread.spread(mine),
                spread.dead_dimensions(mine),
                spread.nonfinite(mine),
                spread.duplicates(mine),
            ],
            f"{name} table": contingency(labels[share] % 2, labels[share], 2, 3),
            f"{name} lidar": lidar(np.stack([mine, other], axis=1)).value,
            f"{name} shares": np.concatenate([*soft_shares(mine, first[:4], 9.0)[:2]]),
            f"{name} clusters": clusters(mine, np.arange(count)[share]),
        }
        if name == "many":
            found["alpha"] = power_law(seen)
        ids = np.arange(count)
        for exclude in (None, ids):
            nearby = nearest_across(first, mine, ids[share], labels[share], 15, exclude)
            found[f"{name} neighbours {exclude is None}"] = np.stack([*nearby])
    first, _, labels = rows_of(120, 40)
    share = slice(None) if world_size() == 1 else (slice(None, 90), slice(90, None))[rank()]
    problem = Problem(first[share], labels[share], 3, np.arange(len(first[share]))[::2])
    found["logistic"] = np.c_[(fit := problem.solve(1.0, tolerance=1e-11)).weight, fit.bias]
    _, *scores = path(problem, first[share][1::2], labels[share][1::2], tolerance=1e-10)
    found["path"] = np.concatenate(scores)
    return found | protocols()


def clusters(rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Centres of four clusters; within 1e-7 for float32 holds them."""
    return np.round(kmeans(rows, ids, 4, np.random.default_rng(0), restarts=3, spherical=False).centres, 5)


def protocols() -> dict[str, object]:
    first, second, labels = rows_of(120, 40)
    train, test = (Features(first[s], np.arange(120)[s], labels[s]) for s in (slice(0, 80), slice(80, None)))
    probe, match = linear(train, test), retrieval(train, test)
    return {
        "knn": [(found := knn(train, test)).value, found.top5, found.per_class, knn(train, train, k=7).value],
        "linear": [probe.value, probe.cost, probe.validation_accuracy, probe.per_class],
        "retrieval": [*[each.value for each in match.recall], match.mean_average_precision],
        "ranks": [match.median_rank, match.mean_reciprocal_rank, retrieval(test, test).mean_average_precision],
        "clustering": agreements(clustering(train, test, (8,), 2, 3)),
        "chance": agreements(random_clustering(train, test, (8,), 2)),
        "few-shot": shots(few_shot(train, test, 2, (2,), 5, 9, (3, 6), 2)),
        "several k": [each.accuracy for each in knn(train, test, (5, 1, 20)).by_k],
        "sanity": glance(sanity(first, labels)),
        "lidar": views_rank([first, second, first + second]).value,
        "health": list(health(first, second, zipf_clusters=12).figures().values()),
        "projected": list(health(first, second, Projected(second[:, :9] + 1, 2)).figures().values()),
    }


def shots(found: FewShot) -> list[float]:
    each = [(of.logistic, of.logistic_deviation, of.neighbours, *of.costs) for of in found.all_classes]
    return [found.value, *(figure for figures in each for figure in figures)]


def glance(found: Sanity) -> list[float]:
    return [figure for each in vars(found).values() for figure in (each if isinstance(each, tuple) else (each,))]


def agreements(found: Clustering) -> list[float]:
    figures = ("accuracy", "nmi", "ami", "ari", "purity")
    return [getattr(each, name).mean for each in found.agreement for name in figures]


@pytest.fixture(scope="module")
def two() -> list[dict[str, object]]:
    return run_in_processes(figures, 2)


def test_two_processes_give_the_figures_of_one(two):
    for name, expected in figures().items():
        for part in two:
            np.testing.assert_allclose(part[name], expected, rtol=1e-8, atol=2e-8, err_msg=name)
