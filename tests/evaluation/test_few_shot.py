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
from unlabeled.evaluation.subsets import FILE, Sizes, Subsets, draw, keep


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
    for number in range(3):
        rng = chance.generator(1, chance.SPLIT, DRAWS, 4, number)
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


def test_from_five_samples_a_class_on_their_own_folds_choose_the_cost():
    """C by scikit-learn over the same folds: highest accuracy, of equals the smallest; test labels play no part."""
    train, test = digit_features()
    found = few_shot(train, test, episodes=2, per_class=(4, 7), draws=2, cost=0.5, seed=1).all_classes
    assert (found[0].selected_on, found[0].costs) == ("fixed", (0.5, 0.5))
    assert found[1].selected_on == "shots"
    rows, tested = centred(train, test)
    accuracies = []
    for number in range(2):
        rng = chance.generator(1, chance.SPLIT, DRAWS, 7, number)
        places = np.concatenate([rng.choice(np.flatnonzero(train.labels == c), 7, replace=False) for c in range(10)])
        shots, labels = rows[places], train.labels[places]
        fold = np.tile(np.arange(7) % 5, 10)
        scores = []
        for cost in 10.0 ** np.arange(-6, 6):
            right = 0
            for f in range(5):
                model = LogisticRegression(C=cost, tol=1e-8, max_iter=3000).fit(shots[fold != f], labels[fold != f])
                right += (model.predict(shots[fold == f]) == labels[fold == f]).sum()
            scores.append((-right, cost))
        best = min(scores)[1]
        assert found[1].costs[number] == pytest.approx(best)
        theirs = LogisticRegression(C=best, tol=1e-9, max_iter=5000).fit(shots, labels)
        accuracies.append((theirs.predict(tested) == test.labels).mean())
    assert found[1].logistic == pytest.approx(np.mean(accuracies), abs=1e-9)
    turned = Features(test.embeddings, test.ids, (test.labels + 1) % 10)
    assert few_shot(train, turned, episodes=2, per_class=(7,), draws=2, seed=1).all_classes[0].costs == found[1].costs


def test_what_was_drawn_is_kept_by_id_and_taken_again(tmp_path):
    train, test = digit_features()
    sizes = Sizes(3, (1, 2), 4, 20, (2,), 3)
    drawn = draw(train, test, sizes, seed=4)
    keep(tmp_path, drawn)
    again = Subsets.read(tmp_path, sizes)
    for name in ("learnt", "asked", "per_class"):
        one, other = getattr(drawn, name), getattr(again, name)
        assert one.keys() == other.keys() and all((one[n] == other[n]).all() for n in one)
    label_of = dict(zip(np.r_[train.ids, test.ids].tolist(), np.r_[train.labels, test.labels].tolist(), strict=True))
    for shots in (1, 2):
        learnt = np.vectorize(label_of.get)(again.learnt[shots])
        assert (learnt == learnt[:, :, :1]).all() and all(len(set(each)) == 3 for each in learnt[:, :, 0].tolist())
        assert (np.vectorize(label_of.get)(again.asked[shots]) == learnt[:, :, :1]).all()
        assert np.isin(again.learnt[shots], train.ids).all() and np.isin(again.asked[shots], test.ids).all()
    assert (np.vectorize(label_of.get)(again.per_class[2]) == np.arange(10)[:, None]).all()
    numbers = {"ways": 3, "shots": (1, 2), "queries": 4, "episodes": 20, "per_class": (2,), "draws": 3}
    own, theirs = few_shot(train, test, **numbers, seed=4), few_shot(train, test, **numbers, seed=9)
    assert few_shot(train, test, **numbers, seed=9, subsets=again) == own != theirs


def test_subsets_of_others_are_one_sentence(tmp_path):
    train, test = digit_features()
    sizes = Sizes(3, (1, 2), 4, 20, (2,), 3)
    keep(tmp_path, draw(train, test, sizes, seed=4))
    drawn = Subsets.read(tmp_path / FILE, sizes)
    fewer = Features(train.embeddings[1:], train.ids[1:], train.labels[1:])
    with pytest.raises(UserError, match="drawn from other samples, or from another split"):
        few_shot(fewer, test, 3, (1, 2), 4, 20, (2,), 3, subsets=drawn)
    for other, said in (
        (Sizes(3, (1, 5), 4, 20, (2,), 3), "other --shots or --per-class: it lacks learnt_5"),
        (Sizes(3, (1,), 4, 20, (3,), 3), "it lacks per_class_3"),
        (Sizes(3, (1,), 5, 20, (2,), 3), r"asked_1 is \(20, 3, 4\), and \(20, 3, 5\)"),
        (Sizes(3, (1,), 4, 21, (2,), 3), "learnt_1 is"),
        (Sizes(3, (1,), 4, 20, (2,), 4), "per_class_2 is"),
    ):
        with pytest.raises(UserError, match=said):
            Subsets.read(tmp_path, other)
    np.save(tmp_path / "rows.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("rows.npy", "text.npz", "absent.npz"):
        with pytest.raises(UserError, match="holds no subsets; give a run"):
            Subsets.read(tmp_path / name, sizes)


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


def test_samples_that_are_learnt_from_are_not_asked_about():
    with pytest.raises(UserError, match="does not learn from; give others as --test"):
        few_shot(rows := four_rows(), rows, 2, (1,), 1)
