import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from battery.features import digit_features, four_rows
from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.few_shot import few_shot
from unlabeled.evaluation.split import DRAWS, EPISODES


def centred(train: Features, test: Features) -> list[np.ndarray]:
    mean = train.embeddings.astype(np.float64).mean(axis=0)
    rows = [each.embeddings - mean for each in (train, test)]
    return [each / np.linalg.norm(each, axis=1, keepdims=True) for each in rows]


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")
def test_episodes_are_the_nearest_class_means_of_scikit_learn():
    train, test = digit_features()
    found = few_shot(train, test, 4, (3,), 7, episodes=20, per_class=(), seed=2)
    rows, tested = centred(train, test)
    values = []
    for place in range(20):
        rng = chance.generator(2, chance.SPLIT, EPISODES, 3, place)
        ways = rng.choice(10, 4, replace=False)
        learnt = np.concatenate([rng.choice(np.flatnonzero(train.labels == c), 3, replace=False) for c in ways])
        asked = np.concatenate([rng.choice(np.flatnonzero(test.labels == c), 7, replace=False) for c in ways])
        theirs = NearestCentroid().fit(rows[learnt], train.labels[learnt])
        values.append((theirs.predict(tested[asked]) == test.labels[asked]).mean())
    assert found.value == pytest.approx(np.mean(values))
    half = 1.96 * np.std(values, ddof=1) / 20**0.5
    assert found.interval == pytest.approx((found.value - half, found.value + half), rel=1e-3)
    assert found.all_classes == []
    assert (found.ways, found.queries, found.episodes, found.n_train, found.n_test) == (4, 7, 20, 1200, 597)


def test_all_classes_are_the_logistic_regression_of_scikit_learn_and_a_vote():
    train, test = digit_features()
    found = few_shot(train, test, episodes=2, per_class=(4,), draws=3, cost=0.5, seed=1).all_classes[0]
    rows, tested = centred(train, test)
    logistic, neighbours = [], []
    for draw in range(3):
        rng = chance.generator(1, chance.SPLIT, DRAWS, 4, draw)
        places = np.concatenate([rng.choice(np.flatnonzero(train.labels == c), 4, replace=False) for c in range(10)])
        theirs = LogisticRegression(C=0.5, tol=1e-9, max_iter=5000).fit(rows[places], train.labels[places])
        logistic.append((theirs.predict(tested) == test.labels).mean())
        nearest = np.sort(np.argsort(-(tested @ rows[places].T), axis=1, kind="stable")[:, :4], axis=1)
        votes = np.zeros((len(tested), 10))
        for column in nearest.T:
            weight = np.exp((tested * rows[places[column]]).sum(axis=1) / 0.07)
            votes[np.arange(len(tested)), train.labels[places[column]]] += weight
        neighbours.append((votes.argmax(axis=1) == test.labels).mean())
    assert found.n == 4
    assert [found.logistic, found.neighbours] == pytest.approx([np.mean(logistic), np.mean(neighbours)])
    deviations = [found.logistic_deviation, found.neighbours_deviation]
    assert deviations == pytest.approx([np.std(logistic, ddof=1), np.std(neighbours, ddof=1)])


def test_more_shots_are_better_and_shuffled_labels_are_at_chance():
    train, test = digit_features()
    found = few_shot(train, test, shots=(5, 1), episodes=200, per_class=(5, 1), draws=3)
    assert [each.shots for each in found.episodic] == [1, 5]
    assert found.value == found.episodic[0].value < found.episodic[1].value
    assert found.all_classes[0].logistic < found.all_classes[1].logistic
    shuffled = Features(train.embeddings, train.ids, np.random.default_rng(0).permutation(train.labels))
    low, high = few_shot(shuffled, test, episodes=200, per_class=(), draws=1).interval
    assert low < 0.2 + 0.02 and high > 0.2 - 0.02


def test_lengths_and_a_common_shift_of_the_embeddings_do_not_matter():
    train, test = digit_features(500, 800)
    moved = [Features(3 * each.embeddings + 1, each.ids, each.labels) for each in (train, test)]
    ours, theirs = (few_shot(*pair, shots=(2,), episodes=30, per_class=()) for pair in ((train, test), moved))
    assert ours.value == pytest.approx(theirs.value, abs=0.003)  # rounding to float32 may turn a tie


def test_classes_with_too_few_samples_take_no_part():
    train, test = digit_features(300, 600)
    kept = ~((test.labels == 3) & (np.cumsum(test.labels == 3) > 4))
    few = Features(test.embeddings[kept], test.ids[kept], test.labels[kept])
    assert few_shot(train, few, 9, (1,), 15, episodes=5, per_class=()).ways == 9
    with pytest.raises(UserError, match=r"10 classes with at least 1 training and 15 test .* 9 of 10 classes"):
        few_shot(train, few, 10, (1,), 15, episodes=5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "needs 5 classes with at least 5 training and 15 test samples each, and 0 of 2 classes"),
        ({"ways": 2, "shots": (1,), "queries": 3}, "0 of 2 classes have so many: lower --ways, --shots or --queries"),
        ({"ways": 2, "shots": (1,), "queries": 1}, "5 training samples of each class, and one class has 2"),
        ({"ways": 1}, "--ways takes numbers of at least 2, got 1"),
        ({"shots": (1, 0)}, "--shots .* got 0"),
        ({"shots": ()}, "--shots .* got 0"),
        ({"queries": 0}, "--queries .* got 0"),
        ({"episodes": 1}, "--episodes .* got 1"),
        ({"per_class": (0,)}, "--per-class .* got 0"),
        ({"draws": 0}, "--draws .* got 0"),
        ({"cost": 0.0}, "--cost .* got 0.0"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(options, said):
    with pytest.raises(UserError, match=said) as problem:
        few_shot(four_rows(), four_rows(), **options)
    assert "\n" not in str(problem.value)
