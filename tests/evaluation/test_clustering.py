import numpy as np
import pytest
from sklearn import metrics

from battery.features import digit_features, four_rows, mixture
from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.evaluation.clustering import clustering, random_clustering
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import CLUSTERS
from unlabeled.metrics.kmeans import kmeans
from unlabeled.metrics.neighbours import normalise


def parts(apart: float, classes: int = 6) -> tuple[Features, Features]:
    rows, labels = mixture(900, 16, classes, apart)
    ids = np.arange(900)
    return tuple(Features(rows[s], ids[s], labels[s]) for s in (slice(0, 600), slice(600, None)))


def test_figures_are_means_over_draws_of_those_of_scikit_learn():
    train, test = digit_features(600, 900)
    found = clustering(train, test, (25,), seeds=3, restarts=2, seed=4)
    assert [each.clusters for each in found.agreement] == [10, 25]
    for each in found.agreement:
        drawn = []
        for number in range(3):
            rng = chance.generator(4, chance.SPLIT, CLUSTERS, number)
            made = kmeans(normalise(train.embeddings), train.ids, each.clusters, rng, 2)
            clusters = made.nearest(normalise(test.embeddings))
            drawn.append(
                [
                    metrics.normalized_mutual_info_score(test.labels, clusters),
                    metrics.adjusted_mutual_info_score(test.labels, clusters),
                    metrics.adjusted_rand_score(test.labels, clusters),
                ]
            )
        ours = [each.nmi, each.ami, each.ari]
        assert [one.mean for one in ours] == pytest.approx(np.mean(drawn, axis=0), abs=1e-9)
        assert [one.deviation for one in ours] == pytest.approx(np.std(drawn, axis=0, ddof=1), abs=1e-9)
        assert each.purity.mean >= each.accuracy.mean
    assert found.value == found.agreement[0].accuracy.mean
    assert found.interval[0] < found.value < found.interval[1]
    assert (found.n_train, found.n_test, found.classes, found.seeds, found.restarts) == (600, 300, 10, 3, 2)
    assert found.value > 0.5


def test_parts_far_apart_are_the_classes_and_shuffled_labels_are_chance():
    train, test = parts(6.0)
    found = clustering(train, test, (), seeds=2, restarts=4).agreement[0]
    assert [found.accuracy.mean, found.nmi.mean, found.ami.mean, found.ari.mean, found.purity.mean] == [1.0] * 5
    shuffled = Features(test.embeddings, test.ids, np.random.default_rng(0).permutation(test.labels))
    low, high = clustering(train, shuffled, (), seeds=2).interval
    guess = random_clustering(train, test, (), seeds=20)
    assert low < guess.value < high
    assert guess.agreement[0].ami.mean == pytest.approx(0, abs=0.01)


def test_random_clusters_are_of_equal_size():
    rows, labels = np.zeros((40, 2), np.float32), np.arange(40) % 4
    test = Features(rows, np.arange(40), labels)
    found = random_clustering(test, test, (40,), seeds=3)
    assert found.agreement[1].purity.mean == 1.0  # one sample a cluster
    assert found.agreement[0].accuracy.mean < 0.6


def test_labels_of_the_training_samples_do_not_matter_and_the_seed_does():
    train, test = parts(1.0)
    other = Features(train.embeddings, train.ids, np.random.default_rng(0).permutation(train.labels))
    ours = clustering(train, test, (20,), seeds=2, restarts=2)
    assert ours == clustering(other, test, (20,), seeds=2, restarts=2)
    assert ours != clustering(train, test, (20,), seeds=2, restarts=2, seed=1)


def test_more_clusters_than_samples_are_clipped_and_equal_numbers_are_one():
    train, test = parts(1.0)
    assert [each.clusters for each in clustering(train, test, (6, 9000, 600), 1, 1).agreement] == [6, 600]
    assert clustering(train, test, (), 1, 1).agreement[0].nmi.deviation == 0.0


@pytest.mark.parametrize(
    ("train", "options", "said"),
    [
        (four_rows(), {"clusters": (3, 0)}, "--clusters of clustering .* got 0"),
        (four_rows(), {"seeds": 0}, "--seeds of clustering .* got 0"),
        (four_rows(), {"restarts": 0}, "--restarts of clustering .* got 0"),
        (four_rows(labels=None), {}, "clustering needs labels"),
    ],
)
def test_what_cannot_be_clustered_is_one_sentence(train, options, said):
    with pytest.raises(UserError, match=said):
        clustering(train, four_rows(), **options)
