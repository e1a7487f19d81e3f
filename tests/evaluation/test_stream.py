"""The stream protocol's figures against scikit-learn, and what renaming and splitting must not change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from battery.features import mixture
from unlabeled.errors import UserError
from unlabeled.evaluation.stream import Assigned, by_kmeans, forgotten, incremental, knn_error, per_class
from unlabeled.metrics.contingency import matched_accuracy, purity


def assigned(components: np.ndarray, labels: np.ndarray, count: int) -> Assigned:
    """Samples that are certain of their component."""
    return Assigned(np.eye(count)[components], np.zeros((len(labels), 1)), np.arange(len(labels)), labels)


@given(seed=st.integers(0, 99), count=st.integers(1, 7))
def test_renaming_components_changes_nothing_and_hungarian_is_no_more(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    components, labels = rng.integers(0, count, 50), rng.integers(0, 4, 50)
    table = assigned(components, labels, count).table(4)
    renamed = assigned(rng.permutation(count)[components], labels, count).table(4)
    assert purity(table) == purity(renamed) >= matched_accuracy(table)
    assert per_class(table) == per_class(renamed) or np.isnan(per_class(table)).any()
    sizes = np.bincount(labels, minlength=4)
    assert np.nansum(np.array(per_class(table)) * sizes) / 50 == pytest.approx(purity(table))


def test_each_sample_a_component_of_its_own_is_right_and_one_component_is_the_largest_class() -> None:
    labels = np.array([0, 0, 0, 1, 2])
    assert purity(assigned(np.arange(5), labels, 5).table(3)) == 1
    assert purity(assigned(np.zeros(5, int), labels, 1).table(3)) == 0.6
    assert per_class(assigned(np.zeros(5, int), labels, 1).table(3)) == [1.0, 0.0, 0.0]


def test_the_error_of_neighbours_is_scikit_learns() -> None:
    rows, labels = mixture(300, 5, 4)
    shares = np.ones((300, 1))
    train = Assigned(shares[:200], rows[:200], np.arange(200), labels[:200])
    test = Assigned(shares[200:], rows[200:], np.arange(200, 300), labels[200:])
    for k, error in knn_error(train, test).items():
        theirs = KNeighborsClassifier(k).fit(rows[:200], labels[:200]).score(rows[200:], labels[200:])
        assert error == pytest.approx(1 - theirs)
    alone = knn_error(train, train, (1,))[1]
    distances = np.square(rows[:200, None] - rows[None, :200]).sum(2) + np.diag(np.full(200, np.inf))
    assert alone == pytest.approx(float((labels[:200][distances.argmin(1)] != labels[:200]).mean()))


def test_incremental_accuracy_is_the_trace_and_within_tasks_more() -> None:
    shares = np.array([[0.6, 0.1, 0.3, 0.0], [0.1, 0.2, 0.7, 0.0], [0.2, 0.1, 0.3, 0.4], [0.0, 0.1, 0.5, 0.4]])
    labels = np.array([0, 1, 2, 3])
    test = Assigned(shares, np.zeros((4, 1)), labels, labels)
    assert incremental(test, [[0, 1], [2, 3]]) == (0.25, 0.5)
    assert purity(test.table(4)) == 0.75, "which purity would call the accuracy"
    early = Assigned(shares[:, :3], np.zeros((4, 1)), labels, labels)
    assert incremental(early, [[0, 1], [2, 3]]) == (0.5, 0.75), "class 3 was never met and is wrong"
    with pytest.raises(UserError, match="at least one test sample"):
        incremental(Assigned(shares[:0], np.zeros((0, 1)), labels[:0], labels[:0]), [[0]])


def test_forgetting_is_the_fall_from_the_best_time() -> None:
    assert forgotten([[0.9, 0.0, float("nan")], [0.4, 0.6, float("nan")]]) == pytest.approx([0.5, 0.0, 0.0])


def test_k_means_finds_groups_that_are_there() -> None:
    rows, labels = mixture(400, 5, 4, apart=20)
    parts = [Assigned(np.ones((200, 1)), rows[s], np.arange(200), labels[s]) for s in (slice(200), slice(200, 400))]
    assert by_kmeans(*parts, 4, 4, 0) == 1.0 and by_kmeans(*parts, 1, 4, 0) < 0.5
