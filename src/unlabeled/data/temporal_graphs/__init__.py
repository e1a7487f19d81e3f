"""Tables of timed links, and the snapshots that windows of time make of them."""

from unlabeled.data.temporal_graphs.opening import look_at_events, open_snapshots, southern_women
from unlabeled.data.temporal_graphs.snapshots import Snapshots
from unlabeled.data.temporal_graphs.table import Events, is_events, read_events

__all__ = ["Events", "Snapshots", "is_events", "look_at_events", "open_snapshots", "read_events", "southern_women"]
