import numpy as np
import pytest

from battery.features import digit_features, four_rows
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.retrieval import retrieval
from unlabeled.metrics.neighbours import nearest


def test_figures_are_those_of_the_sorted_lists_on_digits():
    train, test = digit_features(1200, 1400)
    found = retrieval(train, test, (5, 1, 1200, 5000))
    _, order = nearest(test.embeddings, train.embeddings, len(train.ids))
    right = train.labels[order] == test.labels[:, None]
    first = right.argmax(axis=1) + 1
    precision = [np.mean([(n + 1) / (place + 1) for n, place in enumerate(np.flatnonzero(row))]) for row in right]
    assert [each.k for each in found.recall] == [1, 5, 1200, 5000]
    values = [each.value for each in found.recall]
    assert values == pytest.approx([(first <= k).mean() for k in (1, 5, 1200, 5000)])
    assert values == sorted(values) and values[-1] == values[-2] == 1.0
    assert found.value == values[0] and found.interval == found.recall[0].interval
    assert found.mean_average_precision == pytest.approx(np.mean(precision), rel=1e-12)
    low, high = found.mean_average_precision_interval
    assert high - low == pytest.approx(2 * 1.96 * np.std(precision, ddof=1) / 200**0.5, rel=1e-3)
    assert found.mean_reciprocal_rank == pytest.approx((1 / first).mean())
    assert found.median_rank == np.median(first)
    assert (found.n_train, found.n_test, found.classes, found.without_match) == (1200, 200, 10, 0)


def test_a_set_searched_in_itself_leaves_each_sample_out_of_its_own_list():
    train, _ = digit_features(300)
    found = retrieval(train, train)
    _, order = nearest(train.embeddings, train.embeddings, 1, np.arange(300))
    assert found.value == pytest.approx((train.labels[order[:, 0]] == train.labels).mean())
    assert found.value < 1
    twin = Features(train.embeddings, train.ids + 300, train.labels)
    assert retrieval(train, twin).value == 1.0


def test_queries_without_a_match_are_left_out_and_counted():
    rows = Features(np.eye(3, dtype=np.float32), np.arange(3), np.array([0, 0, 1]))
    found = retrieval(rows, rows)
    assert (found.n_test, found.without_match) == (2, 1)
    assert found.median_rank == 1.0  # of two equal rows the lower id is first, and that of the query is left out
    alone = Features(np.eye(2, dtype=np.float32), np.arange(2), np.arange(2))
    with pytest.raises(UserError, match="at least two samples of a class"):
        retrieval(alone, alone)


def test_shuffled_labels_are_at_chance():
    train, test = digit_features()
    labels = np.random.default_rng(0).permutation(train.labels)
    found = retrieval(Features(train.embeddings, train.ids, labels), test)
    assert found.value == pytest.approx(0.1, abs=0.05)
    assert found.mean_average_precision == pytest.approx(0.1, abs=0.02)


def test_the_order_of_the_rows_and_the_names_of_classes_do_not_matter():
    train, test = digit_features(400, 500)
    order = np.random.default_rng(0).permutation(400)
    other = Features(train.embeddings[order], np.arange(400), (train.labels[order] + 1) * 7)
    ours = retrieval(train, test)
    theirs = retrieval(other, Features(test.embeddings, test.ids, (test.labels + 1) * 7))
    assert ours.recall == theirs.recall
    assert ours.mean_average_precision == pytest.approx(theirs.mean_average_precision, rel=1e-9)


@pytest.mark.parametrize(
    ("train", "k", "said"),
    [
        (four_rows(), (), r"got \[\]"),
        (four_rows(), (1, 0), r"got \[1, 0\]"),
        (four_rows(labels=None), (1,), "retrieval needs labels"),
        (four_rows(embeddings=np.full((4, 4), np.nan, np.float32)), (1,), "4 of 4 training embeddings"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(train, k, said):
    with pytest.raises(UserError, match=said):
        retrieval(train, four_rows(), k)
