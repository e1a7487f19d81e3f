"""Snapshots as one block-diagonal graph: what an encoder of temporal graphs takes."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from unlabeled.encoders.temporal_graphs.link_attention import Links

EdgeWeight = Literal["gcn", "count"]


@dataclass(frozen=True)
class Part:
    """Some rows of a `SnapshotGraph` and those that they attend to, R' in all.

    Args:
        rows: int64 (R',), which rows of the graph they are.
        nodes: int64 (M,), the nodes that they are of; None for all nodes in order.
        node: int64 (R',), which of these nodes each row is.
        asking: int64 (P,), the rows that attend; None for all in order.
        query: int64 (L,), which of those attends, rising.
        key: int64 (L,), the row that is attended to.
        weight: float32 (L,).
        columns: M.
    """

    rows: Tensor
    nodes: Tensor | None
    node: Tensor
    asking: Tensor | None
    query: Tensor
    key: Tensor
    weight: Tensor
    columns: int

    def asked(self, rows: Tensor) -> Tensor:
        """Those of values (R', ...) that are of the rows that attend, (P, ...)."""
        return rows if self.asking is None else rows[self.asking]

    @cached_property
    def links(self) -> Links:
        """From the rows that attend to rows."""
        return Links.of(self.query, self.key, len(self.asked(self.node)), len(self.node))

    @cached_property
    def node_links(self) -> Links:
        """From the rows that attend to nodes, of which each has rows in many snapshots."""
        return Links.of(self.query, self.node[self.key], len(self.asked(self.node)), self.columns)


@dataclass(frozen=True)
class SnapshotGraph:
    """All snapshots at once: row r of the R rows is one node in one snapshot, r = first row of the snapshot + node.

    Links run both ways and are sorted by the row that attends, so that a row's links lie together.

    Args:
        node: int64 (R,), the node of each row.
        snapshot: int64 (R,), its snapshot.
        query: int64 (L,), the row that attends.
        key: int64 (L,), the row that is attended to.
        weight: float32 (L,).
        first: int64 (T,), the first row of each snapshot.
        since: int64 (N,), the snapshot in which each node is first seen.
        snapshots: T.
        attributes: float32 (N, A), of nodes, each row's absolute values adding up to 1; None where they have none.
        activity: float32 (R, 4), as `activity` has it; None where it is not looked at.
    """

    node: Tensor
    snapshot: Tensor
    query: Tensor
    key: Tensor
    weight: Tensor
    first: Tensor
    since: Tensor
    snapshots: int
    attributes: Tensor | None = None
    activity: Tensor | None = None

    @property
    def nodes(self) -> int:
        """N."""
        return len(self.since)

    @cached_property
    def all(self) -> "Part":
        """All rows, and what they attend to."""
        every = torch.arange(len(self.node), device=self.node.device)
        return Part(every, None, self.node, None, self.query, self.key, self.weight, self.nodes)

    def part(self, rows: Tensor) -> "Part":
        """What some rows (int64 (P,), each once) attend to, with all their links."""
        starts = self.all.links.query_starts.long()
        counts = starts[rows + 1] - starts[rows]
        before = counts.cumsum(0) - counts
        within = torch.arange(int(counts.sum()), device=rows.device) - before.repeat_interleave(counts)
        links = starts[rows].repeat_interleave(counts) + within
        kept, place = torch.unique(torch.cat([rows, self.key[links]]), return_inverse=True)
        nodes, node = torch.unique(self.node[kept], return_inverse=True)
        query = torch.arange(len(rows), device=rows.device).repeat_interleave(counts)
        return Part(kept, nodes, node, place[: len(rows)], query, place[len(rows) :], self.weight[links], len(nodes))

    def to(self, device: torch.device) -> "SnapshotGraph":
        """The same on a device."""
        if self.node.device == device:
            return self
        moved: dict[str, Any] = {
            f.name: value.to(device) for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


def snapshot_graph(
    snapshots: Any, edge_weight: EdgeWeight = "gcn", self_loops: bool = True, with_activity: bool = False
) -> SnapshotGraph:
    """The block-diagonal graph of snapshots; the data's links of a node to itself are left out (official code).

        gcn:    weight(u, v) = A_uv / sqrt(d_u d_v),  d the row sums of A
        count:  weight(u, v) = A_uv

    with A the number of events, plus 1 on the diagonal with `self_loops`.

    Args:
        snapshots: `data.temporal_graphs.Snapshots`.
        edge_weight: what logits are multiplied by.
        self_loops: whether a node attends to itself too.
        with_activity: whether `activity` is counted.
    """
    first = np.concatenate([[0], np.cumsum(snapshots.nodes)])
    rows = int(first[-1])
    when = np.repeat(np.arange(snapshots.count), np.diff(snapshots.offsets))
    apart = snapshots.source != snapshots.target
    low, high = (first[when] + each for each in (snapshots.source, snapshots.target))
    low, high, weight = low[apart], high[apart], snapshots.weight[apart]
    own = np.arange(rows if self_loops else 0)
    query, key = np.concatenate([low, high, own]), np.concatenate([high, low, own])
    weight = np.concatenate([weight, weight, np.ones(len(own))])
    if edge_weight == "gcn":
        root = np.sqrt(np.bincount(query, weight, rows))
        weight = weight / (root[query] * root[key])
    order = np.lexsort((key, query))
    node = np.arange(rows) - np.repeat(first[:-1], snapshots.nodes)
    return SnapshotGraph(
        torch.from_numpy(node),
        torch.from_numpy(np.repeat(np.arange(snapshots.count), snapshots.nodes)),
        torch.from_numpy(query[order]),
        torch.from_numpy(key[order]),
        torch.from_numpy(weight[order].astype(np.float32)),
        torch.from_numpy(first[:-1]),
        torch.from_numpy(np.searchsorted(snapshots.nodes, np.arange(len(snapshots)), side="right")),
        snapshots.count,
        None if snapshots.attributes is None else torch.from_numpy(shares(snapshots.attributes)),
        torch.from_numpy(activity(snapshots)) if with_activity else None,
    )


def activity(snapshots: Any) -> np.ndarray:
    """How lively each node is in each snapshot since its first, from what has happened until then, float32 (R, 4).

        log(1 + links in it), log(1 + events in it), log(1 + links up to it), 1 / (1 + snapshots since the last link)

    Args:
        snapshots: `data.temporal_graphs.Snapshots`; links of a node to itself do not count.
    """
    rows, total, last = [], np.zeros(len(snapshots)), np.full(len(snapshots), -np.inf)
    for snapshot, nodes in enumerate(snapshots.nodes):
        there = slice(snapshots.offsets[snapshot], snapshots.offsets[snapshot + 1])
        source, target, weight = snapshots.source[there], snapshots.target[there], snapshots.weight[there]
        ends, apart = np.concatenate([source, target]), np.tile(source != target, 2)
        links = np.bincount(ends[apart], minlength=len(total))
        events = np.bincount(ends[apart], np.tile(weight, 2)[apart], len(total))
        total += links
        last[links > 0] = snapshot
        recent = 1 / (1 + snapshot - last)
        rows.append(np.stack([np.log1p(links), np.log1p(events), np.log1p(total), recent], 1)[:nodes])
    return np.concatenate(rows).astype(np.float32)


def shares(rows: np.ndarray) -> np.ndarray:
    """Rows (N, A) divided by the sum of their absolute values, as the official code does; zeros stay."""
    size = np.abs(rows).sum(1, keepdims=True)
    out: np.ndarray = (rows / np.where(size > 0, size, 1)).astype(np.float32)
    return out
