import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from unlabeled.metrics.accuracy import correct_at, majority, mean_per_class


@given(count=st.integers(1, 30), classes=st.integers(3, 9), k=st.integers(1, 8), seed=st.integers(0, 999))
def test_top_k_is_that_of_scikit_learn(count, classes, k, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.standard_normal((count, classes)), rng.integers(0, classes, count)
    if k < classes:
        expected = top_k_accuracy_score(labels, scores, k=k, labels=range(classes))
        assert correct_at(scores, labels, k).mean() == pytest.approx(expected)
    else:
        assert correct_at(scores, labels, k).all()


def test_of_equal_scores_the_lower_class_answers():
    scores = np.array([[0.0, 1.0, 1.0]])
    assert [bool(correct_at(scores, np.array([y]))[0]) for y in range(3)] == [False, True, False]
    assert correct_at(scores, np.array([2]), 2)[0]


def test_a_class_that_is_no_answer_is_never_right():
    scores = np.array([[0.3, -np.inf, -np.inf]])
    assert not correct_at(scores, np.array([1]), 3)[0]
    assert correct_at(scores, np.array([0]), 3)[0]


@given(count=st.integers(1, 40), classes=st.integers(2, 6), seed=st.integers(0, 999))
def test_mean_per_class_is_the_balanced_accuracy(count, classes, seed):
    rng = np.random.default_rng(seed)
    labels, answers = rng.integers(0, classes, (2, count))
    expected = np.mean([(answers[labels == c] == c).mean() for c in np.unique(labels)])
    assert mean_per_class(answers == labels, labels) == pytest.approx(expected)
    if np.isin(answers, labels).all() and len(np.unique(labels)) > 1:  # else scikit-learn warns
        assert mean_per_class(answers == labels, labels) == pytest.approx(balanced_accuracy_score(labels, answers))


def test_majority_answers_with_the_largest_class_of_the_training_set():
    train, test = np.array([0, 2, 2, 1]), np.array([0, 0, 0, 2])
    assert majority(train, test) == 0.25


def test_labels_outside_the_scores_are_refused():
    with pytest.raises(ValueError, match="labels must be 0 to 2, got 0 to 3"):
        correct_at(np.zeros((2, 3)), np.array([0, 3]))
    with pytest.raises(ValueError, match="got 0"):
        correct_at(np.zeros((2, 3)), np.array([0, 1]), 0)
