from math import fsum

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.metrics import neighbours
from unlabeled.metrics.neighbours import merge, nearest, nearest_across, normalise, weighted_vote


def unit(row: np.ndarray) -> np.ndarray:
    length = np.sqrt(fsum(float(x) ** 2 for x in row))
    return np.array([x / length if length else 0.0 for x in row.astype(np.float64)], np.float32)


def written_out(queries, bank, k, exclude=None):
    """Every pair, one at a time, sorted by (similarity falling, place rising)."""
    similarity, place = [], []
    for i, query in enumerate(queries):
        found = []
        for j, row in enumerate(bank):
            if exclude is None or exclude[i] != j:
                product = fsum(float(a) * float(b) for a, b in zip(unit(query), unit(row), strict=True))
                found.append((-np.float32(product), j))
        found = sorted(found)[: min(k, len(bank) - (exclude is not None))]
        similarity.append([-s for s, _ in found])
        place.append([j for _, j in found])
    width = min(k, len(bank) - (exclude is not None))
    shape = len(queries), width
    return np.array(similarity, np.float32).reshape(shape), np.array(place, np.int64).reshape(shape)


@st.composite
def small_banks(draw):
    """Few small whole numbers: ties, duplicates and rows of zeros abound."""
    width = draw(st.integers(1, 4))
    numbers = st.integers(-1, 2)
    rows = [draw(st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=m)) for m in (5, 40)]
    queries, bank = (np.array(part, np.float32) for part in rows)
    exclude = draw(
        st.none() | st.just(np.array(draw(st.lists(st.integers(-1, len(bank) - 1), min_size=5, max_size=5))))
    )
    return queries, bank, None if exclude is None else exclude[: len(queries)]


@settings(deadline=None, max_examples=60)
@given(data=small_banks(), k=st.integers(1, 45), rows_at_once=st.sampled_from([1, 7, 1000]))
def test_nearest_is_the_double_loop_with_its_tie_rule(data, k, rows_at_once):
    queries, bank, exclude = data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "PART_BYTES", 4 * bank.shape[1] * rows_at_once)
        patch.setattr(neighbours, "SCRATCH_BYTES", 8 * bank.shape[1] * rows_at_once)
        similarity, place = nearest(queries, bank, k, exclude)
    expected = written_out(queries, bank, k, exclude)
    np.testing.assert_array_equal(place, expected[1])
    np.testing.assert_array_equal(similarity, expected[0])


def test_nearest_is_faiss_flat_on_unit_rows():
    rng = np.random.default_rng(0)
    queries, bank = rng.standard_normal((50, 16)).astype(np.float32), rng.standard_normal((700, 16)).astype(np.float32)
    index = faiss.IndexFlatIP(16)
    index.add(bank / np.linalg.norm(bank, axis=1, keepdims=True))
    expected = index.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), 30)
    similarity, place = nearest(queries * 3.0, bank * 0.1, 30)
    np.testing.assert_array_equal(place, expected[1])
    np.testing.assert_allclose(similarity, expected[0], atol=1e-6)


def test_rows_that_differ_by_less_than_float32_products_are_told_apart_or_tie_by_place():
    rng = np.random.default_rng(1)
    bank = (1.0 + 1e-3 * rng.standard_normal((300, 32))).astype(np.float32)
    similarity, place = nearest(bank[:6], bank, 5)
    expected = written_out(bank[:6], bank, 5)
    assert 0 < np.ptp(expected[0]) < 32 * 2.0**-24  # nothing that float32 could be trusted with
    np.testing.assert_array_equal(place, expected[1])
    np.testing.assert_array_equal(similarity, expected[0])


def test_a_collapsed_bank_answers_with_its_first_places():
    similarity, place = nearest(np.ones((3, 8), np.float32), np.full((400, 8), 0.2, np.float32), 4)
    assert (place == np.arange(4)).all()
    np.testing.assert_allclose(similarity, 1.0, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(data=small_banks(), k=st.integers(1, 12), cuts=st.lists(st.integers(0, 40), max_size=3))
def test_any_split_of_the_bank_merges_to_the_whole(data, k, cuts):
    queries, bank, _ = data
    ids, labels = np.arange(len(bank)) * 3 + 1, np.arange(len(bank)) % 5
    shards = [part for part in np.split(np.arange(len(bank)), sorted(min(c, len(bank)) for c in cuts)) if len(part)]
    lists = []
    for shard in shards:
        similarity, place = nearest(queries, bank[shard], k)
        lists.append((similarity, ids[shard][place], labels[shard][place]))
    whole = nearest_across(queries, bank, ids, labels, k)
    for ours, expected in zip(merge(lists, k), whole, strict=True):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(whole[1], ids[nearest(queries, bank, k)[1]])


def test_leave_one_out_is_by_id_and_not_by_rank():
    bank = np.array([[1, 0], [1, 0], [0, 1]], np.float32)  # 0 and 1 are equal
    _, ids, labels = nearest_across(bank, bank, np.array([4, 7, 9]), np.array([0, 1, 2]), 1, np.array([4, 7, 9]))
    assert ids.tolist() == [[7], [4], [4]]
    assert labels.tolist() == [[1], [0], [0]]


@pytest.mark.parametrize("temperature", [1e-4, 0.07, 3.0])
def test_weighted_vote_is_the_written_out_sum(temperature):
    rng = np.random.default_rng(2)
    similarity = np.sort(rng.uniform(-1, 1, (7, 9)).astype(np.float32))[:, ::-1]
    labels = rng.integers(-1, 4, (7, 9))
    labels[:, 0] = 2
    scores = weighted_vote(similarity, labels, 5, temperature)
    for i in range(7):
        for c in range(5):
            gaps = [float(similarity[i, j]) - float(similarity[i, 0]) for j in range(9) if labels[i, j] == c]
            assert scores[i, c] == pytest.approx(sum(np.exp(gap / temperature) for gap in gaps), rel=1e-12)


def test_weighted_vote_at_its_two_ends():
    rng = np.random.default_rng(3)
    similarity = np.sort(rng.uniform(-1, 1, (20, 6)).astype(np.float32))[:, ::-1]
    labels = rng.integers(0, 3, (20, 6))
    counts = np.stack([(labels == c).sum(axis=1) for c in range(3)], axis=1)
    np.testing.assert_array_equal(weighted_vote(similarity, labels, 3, np.inf), counts)
    first = weighted_vote(similarity[:, :1], labels[:, :1], 3, 0.07).argmax(axis=1)
    np.testing.assert_array_equal(first, labels[:, 0])


@pytest.mark.filterwarnings("error")
def test_norms_of_any_size_neither_overflow_nor_vanish():
    rows = np.array([[3e38, 3e38], [1e-44, 0], [0, 0]], np.float32)
    np.testing.assert_allclose(normalise(rows), [[0.5**0.5, 0.5**0.5], [1, 0], [0, 0]], rtol=1e-6)


def test_what_cannot_be_searched_is_said():
    rows = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="got 0"):
        nearest(rows, rows, 0)
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(2, 2\)"):
        nearest(rows, rows[:, :2], 1)
    with pytest.raises(ValueError, match="row 1 holds"):
        nearest(rows, np.array([[1, 2, 3], [1, np.nan, 3]], np.float32), 1)
    with pytest.raises(ValueError, match="ids that rise"):
        nearest_across(rows, rows, np.array([1, 1]), np.array([0, 0]), 1)
    with pytest.raises(ValueError, match="given label 4"):
        weighted_vote(np.ones((1, 1)), np.array([[4]]), 4, 0.07)
