import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from unlabeled.metrics.contingency import (
    adjusted_mutual_information,
    adjusted_rand_index,
    conditional_entropy,
    contingency,
    entropy,
    expected_mutual_information,
    matched_accuracy,
    mutual_information,
    normalised_mutual_information,
    purity,
)

FIGURES = (
    purity,
    matched_accuracy,
    normalised_mutual_information,
    adjusted_mutual_information,
    adjusted_rand_index,
)


@st.composite
def partitions(draw, most: int = 60):
    """Clusters and labels of the same samples, related or not, some numbers unused."""
    count, clusters, classes = draw(st.integers(1, most)), draw(st.integers(1, 9)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = rng.integers(0, classes, count)
    found = np.where(rng.random(count) < draw(st.sampled_from([0.0, 0.5, 1.0])), labels % clusters, 0)
    return found + rng.integers(0, 2, count) * (clusters > 8), labels


@settings(deadline=None, max_examples=200)
@given(both=partitions())
def test_figures_are_those_of_scikit_learn(both):
    clusters, labels = both
    table = contingency(clusters, labels, 10, 7)
    assert table.sum() == len(labels)
    assert mutual_information(table) == pytest.approx(metrics.mutual_info_score(labels, clusters), abs=1e-12)
    normalised = metrics.normalized_mutual_info_score(labels, clusters)
    assert normalised_mutual_information(table) == pytest.approx(normalised, abs=1e-9)
    assert adjusted_rand_index(table) == pytest.approx(metrics.adjusted_rand_score(labels, clusters), abs=1e-12)
    held = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(held.shape) < len(labels):  # where every sample is alone scikit-learn divides nought by nought
        adjusted = metrics.adjusted_mutual_info_score(labels, clusters)
        assert adjusted_mutual_information(table) == pytest.approx(adjusted, abs=1e-7)


@settings(deadline=None, max_examples=60)
@given(both=partitions())
def test_conditional_entropy_is_the_mean_over_clusters(both):
    clusters, labels = both
    inside = [np.bincount(labels[clusters == k]) / (clusters == k).sum() for k in np.unique(clusters)]
    weight = [np.mean(clusters == k) for k in np.unique(clusters)]
    expected = sum(w * -(s[s > 0] * np.log(s[s > 0])).sum() for w, s in zip(weight, inside, strict=True))
    assert conditional_entropy(contingency(clusters, labels, 10, 7)) == pytest.approx(expected, abs=1e-12)
    assert conditional_entropy(contingency(labels, labels, 7, 7)) == 0.0


@settings(deadline=None, max_examples=60)
@given(both=partitions(7))
def test_accuracies_are_the_best_over_every_naming(both):
    from itertools import permutations

    clusters, labels = both
    table = contingency(clusters, labels, 10, 7)
    numbers = [*np.unique(clusters), *[-1] * max(0, len(np.unique(labels)) - len(np.unique(clusters)))]
    best = max(
        np.mean([dict(zip(order, np.unique(labels), strict=False)).get(c) == y for c, y in zip(*both, strict=True)])
        for order in permutations(numbers, min(len(numbers), len(np.unique(labels))))
    )
    assert matched_accuracy(table) == pytest.approx(best)
    named = [np.bincount(labels[clusters == c]).max() for c in np.unique(clusters)]
    assert purity(table) == pytest.approx(sum(named) / len(labels))


@settings(deadline=None)
@given(both=partitions(), seed=st.integers(0, 99))
def test_names_do_not_matter_and_purity_is_at_least_hungarian(both, seed):
    rng = np.random.default_rng(seed)
    table = contingency(*both, 10, 7)
    renamed = np.pad(table, ((0, 3), (0, 2)))[rng.permutation(13)][:, rng.permutation(9)]
    for figure in FIGURES:
        assert figure(renamed) == pytest.approx(figure(table), abs=1e-9)
    assert purity(table) >= matched_accuracy(table)
    assert purity(table) <= 1 and normalised_mutual_information(table) <= 1


def test_classes_under_other_names_are_perfect():
    labels = np.repeat([0, 1, 2], [5, 1, 9])
    table = contingency((labels * 2 + 1) % 6, labels, 6, 3)
    for figure in FIGURES:
        assert figure(table) == pytest.approx(1.0)


def test_one_cluster_and_every_sample_alone():
    one, alone = contingency(np.zeros(6, int), np.arange(6), 1, 6), np.eye(6, dtype=int)
    assert [figure(one) for figure in FIGURES] == pytest.approx([1 / 6, 1 / 6, 0, 0, 0], abs=1e-12)
    assert [figure(alone) for figure in FIGURES] == pytest.approx([1, 1, 1, 1, 1])
    assert [figure(np.array([[7]])) for figure in FIGURES] == pytest.approx([1, 1, 1, 1, 1])


def test_the_expectation_is_the_mean_over_shuffled_labels(monkeypatch):
    rng = np.random.default_rng(0)
    clusters, labels = rng.integers(0, 4, 40), np.minimum(rng.integers(0, 6, 40), 3)
    table = contingency(clusters, labels, 4, 4)
    shuffled = [mutual_information(contingency(clusters, rng.permutation(labels), 4, 4)) for _ in range(3000)]
    expected = expected_mutual_information(table)
    assert expected == pytest.approx(np.mean(shuffled), abs=4 * np.std(shuffled) / 3000**0.5)
    monkeypatch.setattr("unlabeled.metrics.contingency.PIECE", 3)
    assert expected_mutual_information(table) == pytest.approx(expected, rel=1e-12)


def test_random_clusters_of_many_numbers_have_nmi_but_no_ami():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2000)
    table = contingency(rng.integers(0, 300, 2000), labels, 300, 10)
    assert normalised_mutual_information(table) > 0.15
    assert adjusted_mutual_information(table) == pytest.approx(0, abs=0.01)
    assert adjusted_rand_index(table) == pytest.approx(0, abs=0.01)


def test_large_counts_do_not_overflow():
    table = np.diag([2_000_000_000, 3_000_000_000]) + 1
    assert adjusted_rand_index(table) == pytest.approx(1, abs=1e-8)


def test_entropy_is_that_of_the_shares():
    assert entropy(np.array([0, 3, 3, 3])) == pytest.approx(np.log(3))
    assert entropy(np.array([5])) == 0


@pytest.mark.parametrize(
    ("clusters", "labels"),
    [([0, 3], [0, 0]), ([-1, 0], [0, 0]), ([0, 0], [0, 2]), ([0, 0], [-1, 0]), ([0], [0, 0])],
)
def test_numbers_out_of_range_are_said(clusters, labels):
    with pytest.raises(ValueError, match="clusters of 0 to 2 and labels of 0 to 1"):
        contingency(np.array(clusters), np.array(labels), 3, 2)


@pytest.mark.parametrize("figure", FIGURES)
def test_an_empty_table_is_said(figure):
    with pytest.raises(ValueError, match="at least one sample"):
        figure(np.zeros((3, 2), int))
