"""Learnt labels against scikit-learn's figures; finders against what they claim to be."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from battery.features import digit_features
from battery.processes import run_in_processes
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.learnt_labels import (
    LearntLabels,
    at_random,
    by_heads,
    by_kmeans,
    by_random_heads,
    learnt_labels,
)
from unlabeled.training.labeller import Labeller


def labeller(heads: int = 3, clusters: int = 12, strength: float = 10.0) -> Labeller:
    """Heads of any weights, and a bias that changes labels."""
    torch.manual_seed(0)
    shape = (heads, clusters)
    return Labeller(torch.randn(*shape, 64), torch.randn(shape), 10 * torch.randn(shape), strength)


def test_figures_are_scikit_learns_by_head() -> None:
    train, test = digit_features()
    kept = labeller()
    found = learnt_labels(train, test, kept, by_heads(kept))
    tables = []
    for head in range(3):
        offset = (kept.bias + kept.balance / 10)[head].numpy()
        tables.append((test.embeddings @ kept.weight[head].numpy().T + offset).argmax(1))
    ami = [metrics.adjusted_mutual_info_score(test.labels, each) for each in tables]
    assert found.value == found.ami.mean == pytest.approx(np.mean(ami), abs=1e-9)
    assert found.best == pytest.approx(max(ami), abs=1e-9) and found.ami.deviation == pytest.approx(np.std(ami, ddof=1))
    nmi = [metrics.normalized_mutual_info_score(test.labels, each) for each in tables]
    ari = [metrics.adjusted_rand_score(test.labels, each) for each in tables]
    assert (found.nmi.mean, found.ari.mean) == (pytest.approx(np.mean(nmi)), pytest.approx(np.mean(ari)))
    inside = metrics.mutual_info_score(test.labels, test.labels) - np.array(
        [metrics.mutual_info_score(test.labels, each) for each in tables]
    )
    assert found.entropy.mean == pytest.approx(inside.mean())
    assert found.used == np.mean([len(set(each)) for each in tables])
    assert (found.clusters, found.heads, found.classes) == (12, 3, 10)
    assert (found.n_train, found.n_test) == (1200, 597)
    low, high = found.interval
    assert low < found.value < high and 0.01 < high - low < 0.2


def test_random_labels_are_at_chance_and_the_transport_and_kmeans_above_it() -> None:
    train, test = digit_features()
    kept = labeller()
    chance, alone, centres = (
        learnt_labels(train, test, kept, find(kept, 0)).value for find in (at_random, by_random_heads, by_kmeans)
    )
    assert abs(chance) < 0.02 < 0.2 < alone < centres and centres > 0.6, "k-means is strong on pixels of digits"


def test_the_transport_alone_fills_its_clusters_equally() -> None:
    train, _ = digit_features()
    kept = labeller(heads=2)
    sizes = [np.bincount(by_random_heads(kept, 0)(train, train, head), minlength=12) for head in range(2)]
    assert all(60 <= each.min() and each.max() <= 140 for each in sizes), "about a twelfth of 1,200 each"
    assert not np.array_equal(*sizes)


def judged() -> list[LearntLabels]:
    train, test = digit_features(200, 301)
    kept = labeller(heads=2)
    return [
        learnt_labels(train, test, kept, find)
        for find in (by_heads(kept), at_random(kept, 0), by_random_heads(kept, 0), by_kmeans(kept, 0))
    ]


def test_two_processes_judge_as_one() -> None:
    for shares in run_in_processes(judged, 2):
        for found, expected in zip(shares, judged(), strict=True):
            assert found.value == pytest.approx(expected.value, abs=1e-9) and found.accuracy == expected.accuracy


def test_classes_are_needed() -> None:
    train, test = digit_features()
    with pytest.raises(UserError, match="needs labels"):
        learnt_labels(Features(train.embeddings, train.ids), test, labeller(), by_heads(labeller()))
