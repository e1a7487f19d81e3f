"""The embeddings of all nodes in all snapshots as one table."""

from typing import Any

import numpy as np
import torch

from unlabeled.encoders.rows import Rows
from unlabeled.errors import UserError


@torch.inference_mode()
def node_rows(module: Any, samples: Any) -> Rows:
    """One row a node and snapshot since its first, by snapshot and node; a node's current row is its last.

    Of an incremental encoder it is the rows of the last snapshot.

    Args:
        module: the encoder.
        samples: `data.temporal_graphs.Snapshots`, with the nodes in the order in which the encoder knows them.

    Raises:
        UserError: there are more nodes or snapshots than the encoder has rows for.
    """
    weight = next(module.parameters())
    module.eval()
    try:
        graph = module.graph_of(samples).to(weight.device)
        out = module(graph).float().cpu().numpy()  # (N, T, F)
    except (IndexError, RuntimeError) as problem:
        if not any(word in str(problem) for word in ("out of range", "out of bounds", "must match the size")):
            raise
        raise UserError(
            f"{samples.place} has more nodes or snapshots than the run was trained on; give the run's own data."
        ) from None
    node, snapshot = graph.node.cpu().numpy(), graph.snapshot.cpu().numpy() + out.shape[1] - graph.snapshots
    columns = {
        "node": np.array(samples.names, object)[node],
        "snapshot": snapshot,
        "start": np.array(samples.starts_shown(), object)[snapshot],
    }
    last = np.flatnonzero(snapshot == samples.count - 1)
    return Rows(columns, np.ascontiguousarray(out[node, snapshot]), last)
