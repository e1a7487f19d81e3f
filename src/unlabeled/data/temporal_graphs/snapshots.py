"""Snapshots of a graph that changes: one weighted undirected graph a window of time, nodes in order of appearance."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np

from unlabeled.data.skipped import Skipped
from unlabeled.data.temporal_graphs.table import Events
from unlabeled.errors import UserError


class Node(NamedTuple):
    """One sample: a node's number, and its activity in each snapshot, float32 (T,)."""

    number: int
    activity: np.ndarray


@dataclass(frozen=True)
class Snapshots:
    """T snapshots of a graph; its samples are the nodes seen in them, in order of first appearance.

    Snapshot t has the nodes 0 to `nodes[t]` - 1: a node stays once it is seen. Links are undirected, live in their
    own snapshot alone, and weigh what all their events weigh together.

    Args:
        place: what was opened.
        names: of the nodes, at least as many as `nodes[-1]`.
        offsets: int64 (T + 1,): snapshot t has the links `offsets[t]` to `offsets[t + 1]`.
        source: int64 (E,), the end with the lower number.
        target: int64 (E,), the other, perhaps the same.
        weight: float64 (E,), above 0.
        nodes: int64 (T,), how many are seen up to each snapshot.
        starts: float64 (T,), where each begins.
        dated: whether that is in seconds since 1970.
        skipped: rows of the table that cannot be read.
        ignored: events that no window holds.
        held_out: snapshots that follow these and are not trained on, the last of `whole`.
        whole: these and the following, where there are such.
        labels: int64 (N,), -1 where unlabelled, or None.
        classes: names of the labels, or None.
        attributes: of the nodes, float32 (N, A), or None where nodes are known by their number alone.
    """

    place: str
    names: list[str]
    offsets: np.ndarray
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    nodes: np.ndarray
    starts: np.ndarray
    dated: bool = False
    skipped: list[Skipped] = field(default_factory=list)
    ignored: int = 0
    held_out: int = 0
    whole: "Snapshots | None" = None
    labels: np.ndarray | None = None
    classes: list[str] | None = None
    labels_pending: bool = False
    attributes: np.ndarray | None = None

    def __len__(self) -> int:
        return int(self.nodes[-1])

    @property
    def count(self) -> int:
        """T."""
        return len(self.nodes)

    def links(self, snapshot: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source, target and weight of the links of one snapshot, from 0."""
        rows = slice(self.offsets[snapshot], self.offsets[snapshot + 1])
        return self.source[rows], self.target[rows], self.weight[rows]

    def prefix(self, count: int) -> "Snapshots":
        """The first `count` snapshots, as if there were no others; `whole` is this one."""
        last = self.offsets[count]
        nodes = self.nodes[:count]
        return replace(
            self,
            names=self.names[: nodes[-1]],
            offsets=self.offsets[: count + 1],
            source=self.source[:last],
            target=self.target[:last],
            weight=self.weight[:last],
            nodes=nodes,
            starts=self.starts[:count],
            held_out=self.count - count,
            whole=self,
            labels=None if self.labels is None else self.labels[: nodes[-1]],
            attributes=None if self.attributes is None else self.attributes[: nodes[-1]],
        )

    def tail(self) -> "Snapshots":
        """The last snapshot alone, with all nodes."""
        links = slice(self.offsets[-2], self.offsets[-1])
        return replace(
            self,
            offsets=self.offsets[-2:] - self.offsets[-2],
            source=self.source[links],
            target=self.target[links],
            weight=self.weight[links],
            nodes=self.nodes[-1:],
            starts=self.starts[-1:],
        )

    def all(self) -> "Snapshots":
        """These and the held-out snapshots that follow."""
        return self if self.whole is None else self.whole

    def aggregate(self) -> "Snapshots":
        """One snapshot with the links of all, their weights added up."""
        links = merged(np.zeros_like(self.source), self.source, self.target, self.weight, len(self))
        return replace(
            self,
            offsets=np.array([0, len(links[1])]),
            source=links[1],
            target=links[2],
            weight=links[3],
            nodes=self.nodes[-1:],
            starts=self.starts[:1],
            whole=None,
        )

    def read(self, place: int, at_least: int | None = None) -> Node:
        """One node."""
        return Node(place, self.activity[place])

    @cached_property
    def activity(self) -> np.ndarray:
        """What each node did, whoever with: log(1 + weight of its links) in each snapshot, float32 (N, T)."""
        out = np.zeros((len(self), self.count))
        when = np.repeat(np.arange(self.count), np.diff(self.offsets))
        for end in (self.source, self.target):
            np.add.at(out, (end, when), self.weight)
        return np.log1p(out).astype(np.float32)

    def subset(self, places: np.ndarray) -> "Snapshots":
        """These: nodes make sense among all others alone."""
        return self

    @cached_property
    def number(self) -> dict[str, int]:
        """Name to node."""
        return {name: node for node, name in enumerate(self.names)}

    def starts_shown(self) -> list[str]:
        """Where each snapshot begins, for people: ISO 8601 in UTC, or the number."""
        if not self.dated:
            return [repr(float(start)).removesuffix(".0") for start in self.starts]
        return [datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for start in self.starts]

    def fingerprint(self) -> str:
        """Of all that training looks at."""
        digest = hashlib.blake2b("\0".join(self.names).encode("utf-8", "surrogateescape"), digest_size=16)
        for array in (self.offsets, self.source, self.target, self.weight, self.nodes):
            digest.update(np.ascontiguousarray(array).tobytes())
        if self.attributes is not None:
            digest.update(np.ascontiguousarray(self.attributes).tobytes())
        return digest.hexdigest()

    def describe(self) -> str:
        """One line for people: "143 nodes, 2,109 links in 15 snapshots, 1 more held out; 3 rows unreadable"."""
        text = f"{len(self):,} nodes, {len(self.source):,} links in {self.count:,} snapshots"
        text += f", {self.held_out:,} more held out" if self.held_out else ""
        text += f"; {len(self.skipped):,} rows unreadable" if self.skipped else ""
        return text + (f"; {self.ignored:,} events outside all windows" if self.ignored else "")


def merged(
    snapshot: np.ndarray, source: np.ndarray, target: np.ndarray, weight: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each undirected pair once a snapshot, weights added up; in the order of snapshot, lower end and higher end."""
    low, high = np.minimum(source, target), np.maximum(source, target)
    key, place = np.unique((snapshot * nodes + low) * nodes + high, return_inverse=True)
    pair = key // nodes
    return pair // nodes, pair % nodes, key % nodes, np.bincount(place, weight, len(key))


def snapshots_of(
    events: Events, snapshot: np.ndarray, starts: np.ndarray, kept: np.ndarray | None = None, place: str = ""
) -> Snapshots:
    """Snapshots of events.

    Args:
        events: of a table.
        snapshot: int64, the snapshot of each event that stays.
        starts: float64 (T,).
        kept: bool (E,), which events stay; by default all.
        place: what was opened.

    Raises:
        UserError: more nodes and snapshots than numbers of 64 bits can count.
    """
    rows = slice(None) if kept is None else kept
    source, target, weight = events.source[rows], events.target[rows], events.weight[rows]
    order = np.argsort(snapshot if events.time is None else events.time[rows], kind="stable")
    order = order[np.argsort(snapshot[order], kind="stable")]  # within a snapshot by time
    code, first = _by_appearance(source[order], target[order])
    number = np.full(len(events.names), -1)
    number[code] = np.arange(len(code))
    count = len(starts)
    if count * len(code) ** 2 >= 2**63:
        raise UserError(f"{len(code):,} nodes in {count:,} snapshots are too many to count links in; take fewer.")
    when, low, high, weight = merged(snapshot, number[source], number[target], weight, max(1, len(code)))
    seen = np.bincount(snapshot[order][first // 2], minlength=count).cumsum()
    return Snapshots(
        place=place,
        names=[events.names[each] for each in code],
        offsets=np.searchsorted(when, np.arange(count + 1)),
        source=low,
        target=high,
        weight=weight,
        nodes=seen,
        starts=starts,
        dated=events.dated,
        skipped=events.skipped,
        ignored=len(events.source) - len(source),
    )


def _by_appearance(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct nodes in order of appearance, and the place of each's first in source, target, source, ..."""
    ends = np.stack([source, target], 1).ravel()
    place = np.full(ends.max(initial=-1) + 1, len(ends))
    place[ends[::-1]] = np.arange(len(ends))[::-1]  # the last that is written is the first that appears
    code = np.flatnonzero(place < len(ends))
    code = code[np.argsort(place[code], kind="stable")]
    return code, place[code]
