from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from battery.features import digit_features
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.linear import linear, linear_with_scores
from unlabeled.evaluation.split import held_out
from unlabeled.metrics.logistic import COSTS


def test_linear_is_scikit_learn_at_the_chosen_cost():
    train, test = digit_features(700)
    found = linear(train, test)
    assert found.cost in COSTS
    theirs = LogisticRegression(C=found.cost, tol=1e-8, max_iter=5000).fit(train.embeddings, train.labels)
    right = theirs.predict(test.embeddings) == test.labels
    assert found.value == pytest.approx(right.mean(), abs=1e-12)
    assert found.per_class == pytest.approx(np.mean([right[test.labels == c].mean() for c in range(10)]))
    order = np.argsort(-theirs.decision_function(test.embeddings), axis=1)[:, :5]
    assert found.top5 == pytest.approx((order == test.labels[:, None]).any(axis=1).mean())
    assert found.converged
    assert found.selected_on == "validation"
    assert found.value > 0.9
    scores = linear_with_scores(train, test)[1]
    np.testing.assert_allclose(
        scores - scores.mean(1, keepdims=True), theirs.decision_function(test.embeddings), atol=0.01
    )


def test_the_cost_is_chosen_without_the_test_samples():
    train, test = digit_features(700)
    wrong = Features(test.embeddings, test.ids, np.random.default_rng(0).permutation(test.labels))
    ours, other = linear(train, test), linear(train, wrong)
    assert (ours.cost, ours.validation_accuracy) == (other.cost, other.validation_accuracy)
    assert other.interval[0] < 0.13


def test_the_validation_accuracy_is_that_of_the_held_out_samples():
    train, test = digit_features(300, 400)
    found = linear(train, test, seed=3)
    kept_back = held_out(train.labels, 0.1, 3)
    theirs = LogisticRegression(C=found.cost, tol=1e-8, max_iter=5000)
    theirs.fit(train.embeddings[~kept_back], train.labels[~kept_back])
    right = theirs.predict(train.embeddings[kept_back]) == train.labels[kept_back]
    assert found.validation_accuracy == pytest.approx(right.mean(), abs=1e-12)
    assert found == linear(train, test, seed=3)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=120),
    share=st.floats(0.01, 0.9),
    seed=st.integers(0, 50),
)
def test_held_out_samples_are_a_share_of_each_class_and_never_the_whole(labels, share, seed):
    labels = np.unique(labels, return_inverse=True)[1]
    chosen = held_out(labels, share, seed)
    sizes, taken = np.bincount(labels), np.bincount(labels[chosen], minlength=labels.max() + 1)
    assert (taken < sizes).all()
    assert chosen.any() == (sizes > 1).any() or share * len(labels) < 1 or (taken == 0).any()
    assert (taken <= np.ceil(share * sizes) + (taken.sum() == 1)).all()
    assert (taken >= np.minimum(np.floor(share * sizes), sizes - 1)).all()


def test_every_sample_is_held_out_by_some_seed():
    labels = np.repeat([0, 1, 2], [3, 5, 40])
    times = sum(held_out(labels, 0.1, seed).astype(int) for seed in range(400))
    assert times.min() > 15  # 40 expected
    assert times.max() < 75


def test_a_handful_of_samples_is_enough():
    rows = np.array([[0, 1], [0, 2], [1, 0], [2, 0]], np.float32)
    few = Features(rows, np.arange(4), np.array([0, 0, 1, 1]))
    found = linear(few, replace(few))
    assert found.value == 1.0
    assert found.converged


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_validation_share_that_is_none_is_said(share):
    train, test = digit_features(50, 60)
    with pytest.raises(UserError, match=f"got {share}"):
        linear(train, test, validation=share)


def test_single_samples_cannot_choose():
    one = Features(np.eye(3, dtype=np.float32), np.arange(3), np.arange(3))
    with pytest.raises(UserError, match="3 training samples in 3 classes"):
        linear(one, replace(one))
    with pytest.raises(UserError, match="the linear probe needs labels and the training samples have none"):
        linear(Features(one.embeddings, one.ids), one)
    with pytest.raises(UserError, match="does not learn from; give others as --test"):
        linear(one, one)
