"""The pairs of nodes that a step is judged on: links of a later snapshot, and as many pairs without one."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Task = Literal["next", "new", "multi-step", "new-nodes"]

NegativesName = Literal["uniform", "historical"]

LEAST = 10
"""Links that a step needs to be judged, and pairs without one."""

CANDIDATES = 1000
"""Nodes that a link's end is ranked among, at most."""

PAIRS = 1_000_000
"""Pairs of nodes that are listed to draw negatives from; of more, negatives are drawn until there are enough."""


@dataclass(frozen=True)
class Examples:
    """Pairs of nodes of one step.

    Args:
        pairs: int64 (M, 2).
        linked: bool (M,), the first half True.
    """

    pairs: np.ndarray
    linked: np.ndarray


def examples(
    whole: Any,
    count: int,
    task: Task,
    generator: np.random.Generator,
    ahead: int = 1,
    self_pairs: bool = False,
    negatives: NegativesName = "uniform",
) -> Examples | None:
    """The examples of one step (DySAT, section 5.2 and appendices B, C, D), None where it has fewer than ten of a kind.

    Positives are the distinct pairs of the later snapshot between nodes that are seen by then; of the task `new` those
    that are not linked in the last snapshot, of `new-nodes` those with an end that is first seen in it. Negatives are
    as many pairs of different nodes, all alike likely, that the later snapshot does not link; of `new-nodes` with such
    an end too.

    Args:
        whole: snapshots, later ones among them.
        count: t, how many of them are known.
        task: which links are asked for.
        generator: that negatives are drawn from.
        ahead: the later snapshot is t + `ahead`.
        self_pairs: whether a link of a node to itself is a positive; negatives never are such.
        negatives: any pairs alike, or first of all those that were linked before.
    """
    known, last = int(whole.nodes[count - 1]), count - 1
    newest = int(whole.nodes[count - 2]) if count > 1 else 0
    source, target, _ = whole.links(last + ahead)
    future = source * known + target
    inside = (source < known) & (target < known)
    kept = inside.copy() if self_pairs else inside & (source != target)
    if task == "new":
        before = whole.links(last)
        kept &= ~np.isin(source * known + target, before[0] * known + before[1])
    if task == "new-nodes":
        kept &= target >= newest  # the higher end of the two
    positives = np.stack([source[kept], target[kept]], 1)
    if len(positives) < LEAST:
        return None
    lowest = newest if task == "new-nodes" else 0
    past = whole.prefix(count)
    drawn = NEGATIVES[negatives](known, lowest, future[inside], len(positives), generator, past)
    if len(drawn) < LEAST:  # a later snapshot that links nearly all pairs
        return None
    pairs = np.concatenate([positives, drawn])
    return Examples(pairs, np.arange(len(pairs)) < len(positives))


def unlinked(
    nodes: int, lowest: int, linked: np.ndarray, many: int, generator: np.random.Generator, past: Any = None
) -> np.ndarray:
    """Distinct pairs (i, j), i < j < nodes and j >= lowest, that are not linked, int64 (many, 2), or all there are.

    Args:
        nodes: N.
        lowest: of the higher end.
        linked: int64, pairs that are left out, as i N + j.
        many: how many are wanted.
        generator: of the draw.
        past: not looked at.
    """
    possible = (nodes * (nodes - 1) - lowest * (lowest - 1)) // 2
    if nodes**2 <= PAIRS or 2 * (len(linked) + many) >= possible:  # few pairs, or most of them are taken
        high = np.repeat(np.arange(lowest, nodes), np.arange(lowest, nodes))
        first = np.cumsum(np.arange(lowest, nodes)) - np.arange(lowest, nodes)
        low = np.arange(possible) - np.repeat(first, np.arange(lowest, nodes))
        key = np.setdiff1d(low * nodes + high, linked)
        key = generator.choice(key, min(many, len(key)), replace=False)
        return np.stack([key // nodes, key % nodes], 1)
    found = np.empty(0, np.int64)
    while len(found) < many:
        one, other = generator.integers(0, nodes, 4 * many), generator.integers(lowest, nodes, 4 * many)
        # a pair of two nodes above `lowest` is met in both orders, of others in one
        fair = (one < lowest) | (generator.random(4 * many) < 0.5) if lowest else np.ones(4 * many, bool)
        low, high = np.minimum(one, other), np.maximum(one, other)
        key = (low * nodes + high)[fair & (one != other)]
        found = np.concatenate([found, key[~np.isin(key, linked)]])
        found = found[np.sort(np.unique(found, return_index=True)[1])]
    return np.stack([found // nodes, found % nodes], 1)[:many]


def linked_before(
    nodes: int, lowest: int, linked: np.ndarray, many: int, generator: np.random.Generator, past: Any
) -> np.ndarray:
    """As `unlinked`, but first of all pairs that earlier snapshots link, all alike likely; any others for the rest.

    Args:
        nodes: N.
        lowest: of the higher end.
        linked: int64, pairs that are left out.
        many: how many are wanted.
        generator: of the draw.
        past: the earlier snapshots.
    """
    apart = (past.source != past.target) & (past.target >= lowest)
    key = np.setdiff1d(past.source[apart] * nodes + past.target[apart], linked)
    key = generator.choice(key, min(many, len(key)), replace=False)
    found = np.stack([key // nodes, key % nodes], 1)
    left = unlinked(nodes, lowest, np.concatenate([linked, key]), many - len(key), generator)
    return np.concatenate([found, left])


NEGATIVES = {"uniform": unlinked, "historical": linked_before}
"""How negatives are drawn."""


def candidates(
    whole: Any, count: int, ahead: int, links: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Other nodes that the first end of each link could be linked to in its place.

    Args:
        whole: snapshots.
        count: t, how many of them are known.
        ahead: the links are of snapshot t + `ahead`.
        links: int64 (Q, 2).
        generator: of the draw.

    Returns:
        int64 (Q, C), all known nodes, or of more than a thousand as many by chance; bool (Q, C), whether one counts: it
        is another node, not linked to that end in the later snapshot, and not drawn twice.
    """
    known = int(whole.nodes[count - 1])
    every = np.arange(known)[None].repeat(len(links), 0)
    found = every if known <= CANDIDATES else np.sort(generator.integers(0, known, (len(links), CANDIDATES)), 1)
    source, target, _ = whole.links(count - 1 + ahead)
    taken = np.concatenate([source * len(whole) + target, target * len(whole) + source])
    first = links[:, :1]
    again = np.zeros(found.shape, bool)
    again[:, 1:] = found[:, 1:] == found[:, :-1]
    return found, ~again & (found != first) & ~np.isin(first * len(whole) + found, taken)


@dataclass(frozen=True)
class Split:
    """Examples apart: int64 places of those that a classifier learns from, and of those it is tested on."""

    train: np.ndarray
    test: np.ndarray


def splits(
    given: Examples, draws: int, generator: np.random.Generator, validation: float = 0.2, train: float = 0.25
) -> tuple[np.ndarray, list[Split]]:
    """The validation examples, int64, and several splits of the others; of positives and negatives alike shares.

    Args:
        given: the examples.
        draws: how many splits.
        generator: that they are drawn from.
        validation: share of all.
        train: share of the rest that a classifier learns from.
    """
    held: list[np.ndarray] = []
    rest: list[np.ndarray] = []
    for side in (True, False):
        places = generator.permutation(np.flatnonzero(given.linked == side))
        cut = max(1, round(validation * len(places)))
        held.append(places[:cut])
        rest.append(places[cut:])
    parts = []
    for _ in range(draws):
        learnt, tested = [], []
        for places in rest:
            order = generator.permutation(places)
            cut = max(1, round(train * len(order)))
            learnt.append(order[:cut])
            tested.append(order[cut:])
        parts.append(Split(np.concatenate(learnt), np.concatenate(tested)))
    return np.concatenate(held), parts
