"""What is known of snapshots before any is seen: how large an encoder's tables are."""

from collections.abc import Sequence
from typing import NamedTuple

from unlabeled.data.temporal_graphs.snapshots import Snapshots


class SnapshotForm(NamedTuple):
    """How many nodes and snapshots there are, N and T."""

    nodes: int
    snapshots: int


def snapshot_form(snapshots: Snapshots) -> SnapshotForm:
    """That of snapshots."""
    return SnapshotForm(len(snapshots), snapshots.count)


def snapshot_form_from(values: Sequence[int]) -> SnapshotForm:
    """As JSON gives it back."""
    nodes, count = values
    return SnapshotForm(int(nodes), int(count))
