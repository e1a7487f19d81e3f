"""What is known of snapshots before any is seen: how large an encoder's tables are."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from unlabeled.data.temporal_graphs.snapshots import Snapshots


class SnapshotForm(NamedTuple):
    """How many nodes and snapshots there are, and which nodes.

    Args:
        nodes: N.
        snapshots: T.
        names: a digest of the nodes' names in their order: what a row of a table belongs to.
        attributes: A, 0 where nodes have none.
    """

    nodes: int
    snapshots: int
    names: str = ""
    attributes: int = 0

    def apart(self, other: "SnapshotForm") -> str:
        """What samples of another form have that an encoder of this one was not made for, in words."""
        if self == other:
            return ""
        if self[:2] != other[:2]:
            return f"{other.nodes} nodes in {other.snapshots} snapshots and not {self.nodes} in {self.snapshots}"
        if self.names != other.names:
            return "nodes of other names"
        return f"nodes with {other.attributes} attributes and not {self.attributes}"


def snapshot_form(snapshots: Snapshots) -> SnapshotForm:
    """That of snapshots."""
    names = "\0".join(snapshots.names).encode("utf-8", "surrogateescape")
    width = 0 if snapshots.attributes is None else snapshots.attributes.shape[1]
    return SnapshotForm(len(snapshots), snapshots.count, hashlib.blake2b(names, digest_size=8).hexdigest(), width)


def snapshot_form_from(values: Sequence[Any]) -> SnapshotForm:
    """As JSON gives it back."""
    nodes, count, names, *width = values  # a run of before there were attributes has no width
    return SnapshotForm(int(nodes), int(count), str(names), *map(int, width))
