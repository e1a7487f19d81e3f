import numpy as np
import pytest

from battery.features import digit_features, four_rows
from unlabeled.errors import UserError
from unlabeled.evaluation import knn as module
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.knn import knn


def written_out(train: Features, test: Features, k: int, temperature: float, classes: int) -> np.ndarray:
    """Scores of the vote, one test row at a time, in float64."""
    bank = train.embeddings / np.linalg.norm(train.embeddings.astype(np.float64), axis=1, keepdims=True)
    scores = np.zeros((len(test.ids), classes))
    for i, row in enumerate(test.embeddings.astype(np.float64)):
        cosines = bank @ (row / np.linalg.norm(row))
        if test is train:
            cosines[i] = -2
        for j in np.argsort(-cosines, kind="stable")[:k]:
            scores[i, train.labels[j]] += np.exp(cosines[j] / temperature)
    return scores


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (200, 0.1)])
def test_knn_is_the_written_out_vote(k, temperature):
    train, test = digit_features()
    found = knn(train, test, k, temperature)
    scores = written_out(train, test, k, temperature, 10)
    order = np.argsort(-scores, axis=1, kind="stable")
    voted = np.take_along_axis(scores, order, axis=1) > 0
    hits = (order == test.labels[:, None]) & voted
    assert found.value == pytest.approx(hits[:, 0].mean(), abs=1e-12)
    assert found.top5 == pytest.approx(hits[:, :5].any(axis=1).mean(), abs=1e-12)
    expected = np.mean([hits[test.labels == c, 0].mean() for c in range(10)])
    assert found.per_class == pytest.approx(expected, abs=1e-12)
    assert (found.k, found.n_train, found.n_test, found.classes) == (k, 1200, 597, 10)
    assert found.interval[0] < found.value < found.interval[1]
    assert found.value > 0.9


def test_several_k_in_one_pass_are_those_of_one_each(monkeypatch):
    train, test = digit_features()
    asked = (200, 5, 1, 2000, 5000)
    each = {k: knn(train, test, k) for k in asked}
    searches = []
    whole = module.nearest_across
    monkeypatch.setattr(module, "nearest_across", lambda *rest: searches.append(rest[4]) or whole(*rest))
    found = knn(train, test, asked)
    assert searches == [5000], "one search, of which the first k are those of every k"
    assert [of.k for of in found.by_k] == [200, 5, 1, 1200]  # two are clipped to the 1200 training samples
    for of in found.by_k:
        one = each[of.k if of.k < 1200 else 2000]
        assert (of.accuracy, of.interval, of.per_class, of.top5) == (one.value, one.interval, one.per_class, one.top5)
        assert one.by_k == ()
    assert {**vars(found), "by_k": ()} == vars(each[200])
    assert found.value < max(of.accuracy for of in found.by_k), "the value is that of the first, not of the best"
    assert knn(train, test, [7]) == knn(train, test, np.int64(7)) == knn(train, test, 7)


def test_a_set_tested_on_itself_leaves_each_sample_out_of_its_own_vote():
    train, _ = digit_features(300)
    train = Features(np.repeat(train.embeddings, 2, axis=0), np.arange(600), np.repeat(train.labels, 2))
    scores = written_out(train, train, 1, 0.07, 10)
    assert knn(train, train, 1).value == (scores.argmax(axis=1) == train.labels).mean() == 1.0  # its own twin
    train = Features(train.embeddings[::2], np.arange(300), train.labels[::2])
    assert knn(train, train, 1).value == (written_out(train, train, 1, 0.07, 10).argmax(axis=1) == train.labels).mean()
    assert knn(train, train, 1000).k == 299


def test_the_numbers_of_the_labels_do_not_matter():
    train, test = digit_features()
    renamed = [Features(part.embeddings, part.ids, (7 * part.labels + 3) % 101) for part in (train, test)]
    ours, other = knn(train, test), knn(*renamed)
    assert (ours.value, ours.top5, ours.per_class) == (other.value, other.top5, other.per_class)


def test_shuffled_labels_are_at_chance():
    train, test = digit_features()
    labels = np.random.default_rng(0).permutation(train.labels)
    low, high = knn(Features(train.embeddings, train.ids, labels), test, 200).interval
    assert low < 0.13
    assert high > 0.07


def test_the_majority_is_what_a_constant_answer_reaches():
    train, test = digit_features(40, 60)
    largest = np.bincount(train.labels).argmax()
    assert knn(train, test).majority == (test.labels == largest).mean()


@pytest.mark.parametrize(
    ("train", "test", "options", "said"),
    [
        (four_rows(labels=None), four_rows(), {}, "training samples have none"),
        (four_rows(), four_rows(labels=None), {}, "test samples have none"),
        (four_rows(labels=np.zeros(4, np.int64)), four_rows(labels=np.zeros(4, np.int64)), {}, "at least 2 classes"),
        (four_rows(), four_rows(labels=np.array([0, 1, 5, 6])), {}, "2 others .*label 5"),
        (four_rows(embeddings=np.full((4, 4), np.nan, np.float32)), four_rows(), {}, "4 of 4 training embeddings"),
        (
            four_rows(),
            four_rows(embeddings=np.diag([1, 1, np.inf, 1]).astype(np.float32)),
            {},
            "1 of 4 test embeddings",
        ),
        (four_rows(), four_rows(embeddings=np.ones((4, 3), np.float32)), {}, "4 for training and 3 for test"),
        (
            four_rows(),
            four_rows(embeddings=np.ones((0, 4)), ids=np.arange(0), labels=np.arange(0)),
            {},
            "no test samples",
        ),
        (four_rows(), four_rows(), {"k": 0}, "got k = 0"),
        (four_rows(), four_rows(), {"k": (5, -1)}, "got k = -1"),
        (four_rows(), four_rows(), {"k": ()}, "got k = 0"),
        (four_rows(), four_rows(), {"temperature": 0.0}, "above 0, got 0.0"),
        (four_rows(), four_rows(), {"temperature": float("nan")}, "above 0, got nan"),
    ],
)
def test_what_cannot_be_classified_is_one_sentence(train, test, options, said):
    with pytest.raises(UserError, match=said) as problem:
        knn(train, test, **options)
    assert "\n" not in str(problem.value)
