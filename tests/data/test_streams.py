"""Streams: the published schedules, and that a step's samples depend on nothing but its number."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled import chance
from unlabeled.data.streams import Sequential, Shuffled, stream
from unlabeled.errors import UserError

LABELS = np.repeat(np.arange(4), [30, 17, 5, 40])


def classes_of(order: Sequential, step: int) -> np.ndarray:
    return LABELS[order.places(step)[1]]


def test_classes_come_one_after_the_other_for_equally_many_steps() -> None:
    order = Sequential(LABELS, 8, 42, 0)
    seen = [set(classes_of(order, step).tolist()) for step in range(42)]
    assert seen == [{min(step // 10, 3)} for step in range(42)], "the last class has the steps that are left over"


@pytest.mark.parametrize("drift", [False, True])
def test_every_class_is_an_endless_shuffled_repeat_of_itself(drift: bool) -> None:
    """Over the whole stream no sample comes twice before all others of its class have come once."""
    order = Sequential(LABELS, 8, 160, 0, drift=drift)
    met = np.concatenate([order.places(step)[1] for step in range(160)])
    for label in range(4):
        of_class = met[LABELS[met] == label]
        size = int((LABELS == label).sum())
        turns = [of_class[start : start + size] for start in range(0, len(of_class), size)]
        assert all(len(set(turn.tolist())) == len(turn) for turn in turns)
        full = [turn for turn in turns if len(turn) == size]
        assert len(full) < 2 or any((a != b).any() for a, b in pairwise(full)), "a repeat is shuffled anew"


def test_drift_has_the_published_counts() -> None:
    """Invariant 10: foreign samples at s = 0, P/8, P/4, P/2, 3P/4, 7P/8 are B/2, B/4, 0, 0, 0, B/4."""
    order = Sequential(LABELS, 16, 4 * 64, 0, drift=True)
    period = [order.counts(64 + s) for s in (0, 8, 16, 32, 48, 56)]
    assert period == [{0: 8, 1: 8}, {0: 4, 1: 12}, {1: 16}, {1: 16}, {1: 16}, {1: 12, 2: 4}]
    assert order.counts(0) == {0: 16} and order.counts(4 * 64 - 1) == {3: 16}, "no class before the first or after"


@given(period=st.integers(1, 40), batch=st.integers(1, 33), s=st.integers(0, 39))
def test_drift_is_the_formula_of_the_code(period: int, batch: int, s: int) -> None:
    s %= period
    order = Sequential(np.arange(3), batch, 3 * period, 0, drift=True)
    found = order.counts(period + s)
    before = max(0, int(np.floor((period / 2 - 2 * s) * batch / period + 1e-9)))
    after = max(0, int(np.floor((2 * s - 3 * period / 2) * batch / period + 1e-9)))
    assert (found.get(0, 0), found.get(2, 0)) == (before, after)


@pytest.mark.parametrize("name", ["shuffled", "by-class", "drift"])
def test_a_step_is_the_same_whoever_asks_and_in_which_order(name: str) -> None:
    def fresh():  # type: ignore[no-untyped-def]
        return stream(name, LABELS, len(LABELS), 8, 80, 3)  # type: ignore[arg-type]

    forwards = [fresh().places(step)[1] for step in range(80)]
    one = fresh()
    for step in np.random.default_rng(0).permutation(80).tolist():
        assert np.array_equal(one.places(step)[1], forwards[step])
    other = stream(name, LABELS, len(LABELS), 8, 80, 4)  # type: ignore[arg-type]
    assert any((other.places(step)[1] != forwards[step]).any() for step in range(80))


def test_several_classes_at_once_and_in_an_order_of_their_own() -> None:
    order = Sequential(LABELS, 8, 20, 0, together=2)
    halves = [np.concatenate([classes_of(order, step) for step in steps]) for steps in (range(10), range(10, 20))]
    assert [set(half.tolist()) for half in halves] == [{0, 1}, {2, 3}]
    orders = {tuple(int(g[0]) for g in Sequential(LABELS, 8, 20, seed, shuffle=True).groups) for seed in range(8)}
    assert len(orders) > 3 and all(sorted(each) == [0, 1, 2, 3] for each in orders)


def test_shuffled_is_a_permutation_an_epoch_as_it_ever_was() -> None:
    order = Shuffled(10, 3, 5)
    assert order.places(4)[0] == 1
    np.testing.assert_array_equal(order.places(4)[1], chance.order(5, 1, 10)[3:6])


def test_samples_without_a_label_are_never_met() -> None:
    labels = np.array([0, -1, 1, -1, 0])
    met = np.concatenate([Sequential(labels, 4, 6, 0).places(step)[1] for step in range(6)])
    assert set(met.tolist()) == {0, 2, 4}


def test_a_stream_that_cannot_be_is_one_sentence() -> None:
    with pytest.raises(UserError, match="needs labels"):
        stream("by-class", None, 10, 2, 10, 0)
    with pytest.raises(UserError, match="at least as many steps, not 3"):
        Sequential(LABELS, 8, 3, 0)
