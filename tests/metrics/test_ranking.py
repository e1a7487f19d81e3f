import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from unlabeled.metrics import ranking
from unlabeled.metrics.neighbours import normalise
from unlabeled.metrics.ranking import rank_relevant


def counted(queries, gallery, query_labels, gallery_labels, exclude):
    """Ranks by counting better items, and precision at each, one query at a time."""
    first, precision = [], []
    unit = normalise(gallery).astype(np.float64)
    for i, query in enumerate(normalise(queries).astype(np.float64)):
        cosine = np.array([np.float32((query * row).sum()) for row in unit])
        others = [j for j in range(len(gallery)) if j != exclude[i]]
        ranks = sorted(
            1 + sum(cosine[g] > cosine[j] or (cosine[g] == cosine[j] and g < j) for g in others)
            for j in others
            if gallery_labels[j] == query_labels[i]
        )
        first.append(ranks[0] if ranks else 0)
        precision.append(np.mean([(n + 1) / r for n, r in enumerate(ranks)]) if ranks else 0.0)
    return np.array(first, int), np.array(precision)


@st.composite
def galleries(draw):
    """Few small whole numbers: ties, equal rows and rows of zeros abound; some classes have no row."""
    width, many = draw(st.integers(1, 3)), draw(st.integers(1, 25))
    numbers = st.lists(st.integers(-1, 2), min_size=width, max_size=width)
    queries = np.array(draw(st.lists(numbers, min_size=1, max_size=6)), np.float32)
    gallery = np.array(draw(st.lists(numbers, min_size=many, max_size=many)), np.float32)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    labels = rng.integers(0, 3, len(queries)), rng.integers(0, 3, many)
    return queries, gallery, *labels, rng.integers(-1, many, len(queries))


@settings(deadline=None, max_examples=150)
@given(made=galleries(), queries_at_once=st.sampled_from([1, 2, 100]))
def test_sorting_gives_the_ranks_of_counting_with_their_tie_rule(made, queries_at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "QUERIES", queries_at_once)
        found = rank_relevant(*made)
    first, precision = counted(*made)
    np.testing.assert_array_equal(found.first, first)
    np.testing.assert_allclose(found.precision, precision, rtol=1e-12)


def test_precision_without_ties_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    queries, gallery = rng.standard_normal((20, 8)).astype(np.float32), rng.standard_normal((500, 8)).astype(np.float32)
    labels, others = rng.integers(0, 4, 20), rng.integers(0, 4, 500)
    found = rank_relevant(queries, gallery, labels, others)
    cosine = normalise(queries) @ normalise(gallery).T
    expected = [average_precision_score(others == label, row) for label, row in zip(labels, cosine, strict=True)]
    np.testing.assert_allclose(found.precision, expected, rtol=1e-6)
    assert (others[cosine.argmax(axis=1)] == labels).tolist() == (found.first == 1).tolist()


def test_no_query_and_no_gallery():
    none = rank_relevant(np.empty((0, 3)), np.ones((2, 3)), np.empty(0, int), np.zeros(2, int))
    assert none.first.shape == none.precision.shape == (0,)
    alone = rank_relevant(np.ones((2, 3)), np.empty((0, 3)), np.zeros(2, int), np.empty(0, int))
    assert alone.first.tolist() == [0, 0]
    assert alone.precision.tolist() == [0, 0]


def test_values_that_are_not_finite_are_said():
    with pytest.raises(ValueError, match="not finite"):
        rank_relevant(np.full((1, 2), np.nan), np.ones((2, 2)), np.zeros(1, int), np.zeros(2, int))
