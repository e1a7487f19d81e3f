"""Draws of labels, and parts that are kept."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.errors import UserError
from unlabeled.evaluation.shares import Part, draw, keep_draw, kept_part, repeated

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=6)
shares = st.floats(0.001, 1.0)


def labels_of(sizes: list[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@given(sizes=sizes, share=shares, seed=st.integers(0, 9), number=st.integers(0, 4))
def test_draws_are_balanced_as_far_as_the_classes_go(sizes, share, seed, number):
    labels = labels_of(sizes, seed)
    places = draw(labels, share, seed, number).places
    assert len(places) == max(len(sizes), round(share * len(labels)))
    assert (np.diff(places) > 0).all() and 0 <= places.min() and places.max() < len(labels)
    taken = Counter(labels[places].tolist())
    most = max(taken.values())
    for label, size in enumerate(sizes):
        assert taken[label] >= 1
        assert taken[label] in (most, most - 1) or taken[label] == size, "fewer only where there are no more"


@given(sizes=sizes, share=shares, larger=shares, seed=st.integers(0, 9))
def test_draws_repeat_themselves_and_larger_shares_hold_smaller_ones(sizes, share, larger, seed):
    labels = labels_of(sizes, seed)
    few, again, more = (
        draw(labels, share, seed, 1),
        draw(labels, share, seed, 1),
        draw(labels, max(share, larger), seed, 1),
    )
    assert (few.places == again.places).all() and few.seed == again.seed == more.seed
    assert set(few.places) <= set(more.places)


def test_draws_and_seeds_differ():
    labels = np.repeat(np.arange(10), 100)
    found = [draw(labels, 0.1, seed, number) for seed in (0, 1) for number in (0, 1)]
    assert len({each.places.tobytes() for each in found}) == len({each.seed for each in found}) == 4
    drawn = np.concatenate([draw(labels, 0.1, 0, number).places for number in range(60)])
    assert np.bincount(drawn, minlength=1000).max() < 20, "6 expected: no sample is in every draw"


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_shares_out_of_range_are_said(share):
    with pytest.raises(UserError, match=r"--share takes shares above 0 and up to 1 \(0.01 is 1 %\)"):
        draw(np.array([0, 1]), share, 0, 0)


def test_a_draw_is_written_down_by_name(tmp_path: Path):
    labels = np.array([0, 1, 0, 1])
    drawn = draw(labels, 0.5, 0, 2)
    keep_draw(tmp_path / "draws" / "a.json", drawn, ["a", "b", "c", "d"])
    kept = json.loads((tmp_path / "draws" / "a.json").read_text())
    assert kept == {"share": 0.5, "number": 2, "samples": ["abcd"[place] for place in drawn.places]}


def test_a_part_is_made_once_and_again_where_it_is_damaged(tmp_path: Path):
    made = []

    def make() -> Part:
        made.append(1)
        return Part(0.1 + 0.2, 1 / 3, 0.5, float("inf"))

    path = tmp_path / "parts" / "a.json"
    first, second = (kept_part(path, "1 %", make) for _ in range(2))
    assert first == second == Part(0.1 + 0.2, 1 / 3, 0.5, float("inf")) and len(made) == 1
    for text in ("", "{", "[]", '{"part": {}}', '{"part": {"accuracy": "x"}}', "\x00"):
        path.write_text(text)
        made.clear()
        assert kept_part(path, "1 %", make) == first and len(made) == 1, text
    with pytest.raises(ZeroDivisionError):
        kept_part(tmp_path / "b.json", "1 %", lambda: 1 / 0)
    assert not (tmp_path / "b.json").exists()


def test_the_deviation_has_one_draw_less_in_the_denominator():
    assert vars(repeated([1.0, 2.0, 6.0])) == {"mean": 3.0, "deviation": pytest.approx(7**0.5)}
    assert vars(repeated([0.25])) == {"mean": 0.25, "deviation": 0.0}
