"""Walks, contexts and negatives: by frequencies against the laws that they are drawn by, and against plain loops."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from unlabeled.data.temporal_graphs import Snapshots, southern_women
from unlabeled.data.temporal_graphs.snapshots import Node
from unlabeled.training.loader import ByPlace, seen
from unlabeled.views.temporal_graphs import Negatives, activity_bars, contexts, nodes, walks
from unlabeled.views.temporal_graphs.walks import Adjacency, _pairs, without_replacement


def star() -> Snapshots:
    """A hub 0 with links of weights 1, 2, 5 to 1, 2, 3, and of 3 to itself; then a snapshot with one link."""
    return Snapshots(
        "star", ["a", "b", "c", "d"], np.array([0, 4, 5]), np.array([0, 0, 0, 0, 1]), np.array([0, 1, 2, 3, 2]),
        np.array([3.0, 1, 2, 5, 1]), np.array([4, 4]), np.array([0.0, 1.0]),
    )  # fmt: skip


def test_steps_go_by_weight() -> None:
    snapshots = star()
    links = Adjacency.of(*snapshots.links(0), 4)
    there = links.step(np.zeros(20_000, np.int64), np.random.default_rng(0).random(20_000))
    counts = np.bincount(there, minlength=4)
    assert chisquare(counts, 20_000 * np.array([3, 1, 2, 5]) / 11).pvalue > 1e-3
    assert chisquare(counts, 20_000 * np.array([1, 1, 1, 1]) / 4).pvalue < 1e-9  # the test can fail
    assert (links.step(np.array([1, 2, 3]), np.array([0.0, 0.5, np.nextafter(1, 0)])) == 0).all()


def test_a_heavy_link_does_not_drown_those_of_later_nodes() -> None:
    links = Adjacency.of(np.array([0, 2, 2, 2]), np.array([1, 3, 4, 5]), np.array([1e18, 1, 1, 1]), 6)
    there = links.step(np.full(3000, 2), np.random.default_rng(0).random(3000))
    assert chisquare(np.bincount(there, minlength=6)[3:]).pvalue > 1e-3


def test_walks_follow_links() -> None:
    snapshots = southern_women()
    source, target, weight = snapshots.links(7)
    linked = set(zip(source.tolist(), target.tolist(), strict=True))
    starts = np.unique(np.concatenate([source, target]))
    path = walks(Adjacency.of(source, target, weight, 18), starts, 12, np.random.default_rng(1))
    assert (path[:, 0] == starts).all()
    for one, other in zip(path[:, :-1].ravel(), path[:, 1:].ravel(), strict=True):
        assert (min(one, other), max(one, other)) in linked


def test_pairs_are_those_of_a_plain_loop() -> None:
    path = np.random.default_rng(2).integers(0, 5, (6, 9))
    expected: Counter[tuple[int, int]] = Counter()
    for walk in path.tolist():
        for i, one in enumerate(walk):
            for j in range(max(0, i - 3), min(len(walk), i + 4)):
                if i != j and one != walk[j]:
                    expected[one, walk[j]] += 1
    key, count = _pairs(path, 3, 5)
    assert {(int(k) // 5, int(k) % 5): int(c) for k, c in zip(key, count, strict=True)} == dict(expected)


def test_contexts_of_a_node_without_links_are_none() -> None:
    found = contexts(star(), 4, 5, 2, [np.random.default_rng(s) for s in range(2)])
    drawn, valid = found.draw(np.array([4 + 0, 4 + 3, 4 + 1]), np.random.default_rng(0).random((3, 6)))
    assert not valid[:2].any() and valid[2].any() and set(drawn[2][valid[2]]) == {2}


@settings(max_examples=60, deadline=None)
@given(totals=st.lists(st.integers(0, 30), min_size=1, max_size=8), many=st.integers(1, 12), seed=st.integers(0, 99))
def test_places_are_different_and_all_where_there_are_few(totals: Any, many: int, seed: int) -> None:
    total = np.array(totals)
    place = without_replacement(total, np.random.default_rng(seed).random((len(total), many)))
    for row, count in zip(place, totals, strict=True):
        inside = row[row < count]
        assert len(set(inside.tolist())) == len(inside) == min(many, count) and (row >= 0).all()


def test_every_set_of_places_is_alike_likely() -> None:
    place = without_replacement(np.full(30_000, 5), np.random.default_rng(3).random((30_000, 2)))
    counts = Counter(tuple(sorted(row)) for row in place.tolist())
    assert len(counts) == 10 and chisquare(list(counts.values())).pvalue > 1e-3


def test_contexts_are_drawn_by_frequency() -> None:
    found = contexts(star(), 30, 6, 2, [np.random.default_rng(s) for s in range(2)])
    begin, end = found.first[1], found.first[2]  # of node 1 in the first snapshot
    weight = np.diff(found.risen)[begin:end]
    drawn, valid = found.draw(np.full(20_000, 1), np.random.default_rng(4).random((20_000, 1)))
    assert valid.all()
    counts = np.array([(drawn == each).sum() for each in found.node[begin:end]])
    assert chisquare(counts, 20_000 * weight / weight.sum()).pvalue > 1e-3


def test_negatives_go_by_a_power_of_distinct_neighbours() -> None:
    snapshots = star()
    draw = Negatives.of(snapshots, 0.75).draw(np.random.default_rng(5).random((2, 30_000)))
    counts = np.bincount(draw[0], minlength=4)
    power = np.array([3.0, 1, 1, 1]) ** 0.75  # its link to itself is no neighbour, weights do not count
    assert chisquare(counts, 30_000 * power / power.sum()).pvalue > 1e-3
    assert set(draw[1]) == {1, 2}
    even = Negatives.of(snapshots, 0.0).draw(np.random.default_rng(6).random((2, 1000)))
    assert set(even[1]) == {1, 2}  # a node without a link is never drawn, whatever the power


def test_idle_nodes_are_negatives_once_they_are_seen() -> None:
    snapshots = star()
    draw = Negatives.of(snapshots, 0.75, idle=True).draw(np.random.default_rng(5).random((2, 30_000)))
    for drawn, degree in zip(
        draw, [[3.0, 1, 1, 1], [1.0, 1, 1, 1]], strict=True
    ):  # 1 and 2 alone are linked in the second
        power = np.array(degree) ** 0.75
        assert chisquare(np.bincount(drawn, minlength=4), 30_000 * power / power.sum()).pvalue > 1e-3
    women = southern_women()
    assert women.nodes[0] < len(women)  # most come later
    first = Negatives.of(women, 0.0, idle=True).draw(np.random.default_rng(6).random((women.count, 2000)))[0]
    assert set(first) == set(range(women.nodes[0]))


@pytest.mark.parametrize("seed", [0, 1])
def test_chance_decides_walks_alone(seed: int) -> None:
    snapshots = southern_women()
    one, again, other = (
        contexts(snapshots, 2, 6, 3, [np.random.default_rng([s, t]) for t in range(14)]) for s in (seed, seed, seed + 1)
    )
    assert (one.node == again.node).all() and (one.risen == again.risen).all()
    assert len(one.node) != len(other.node) or (one.node != other.node).any()


def test_a_node_is_shown_as_bars() -> None:
    picture = activity_bars(Node(0, np.array([0.0, 1.0, 2.0])), 6)
    dark = (picture[..., 0] < 128).sum(0)
    assert picture.shape == (6, 6, 3) and dark.tolist() == [0, 0, 3, 3, 6, 6] and not (picture[0, :4] < 128).any()
    assert (activity_bars(Node(0, np.zeros(3)), 4) == 255).all()


def test_a_node_is_its_number() -> None:
    view = nodes(1)
    samples = southern_women()
    assert view.join([[view.view(view.read(samples, place), None) for place in (4, 2)]]).tolist() == [4, 2]
    for place in (0, 17):
        links = [[w for a, b, w in zip(*samples.links(t), strict=True) if place in (a, b)] for t in range(14)]
        np.testing.assert_allclose(samples.read(place).activity, np.log1p([sum(each) for each in links]), rtol=1e-6)


def test_nodes_by_place_are_nodes_as_they_are_read() -> None:
    samples = southern_women()
    view, places = nodes(None), np.array([4, 0, 17, 9])
    batch = seen(samples, view, places, (0, 1, 2), [])
    assert isinstance(view, ByPlace) and torch.equal(batch.index, torch.from_numpy(places))
    assert torch.equal(batch.views, view.join([[view.read(samples, int(place)) for place in places]]))
