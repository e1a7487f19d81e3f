"""The embeddings of all nodes in all snapshots as one table."""

from typing import Any

import numpy as np
import torch

from unlabeled.encoders.rows import Rows


@torch.inference_mode()
def node_rows(module: Any, samples: Any) -> Rows:
    """One row a node and snapshot since its first, by snapshot and node; a node's current row is its last.

    Of an incremental encoder it is the rows of the last snapshot.

    Args:
        module: the encoder.
        samples: `data.temporal_graphs.Snapshots`, with the nodes in the order in which the encoder knows them.
    """
    weight = next(module.parameters())
    module.eval()
    graph = module.graph_of(samples).to(weight.device)
    out = module(graph).float().cpu().numpy()  # (N, T, F)
    node, snapshot = graph.node.cpu().numpy(), graph.snapshot.cpu().numpy() + out.shape[1] - graph.snapshots
    columns = {
        "node": np.array(samples.names, object)[node],
        "snapshot": snapshot,
        "start": np.array(samples.starts_shown(), object)[snapshot],
    }
    last = np.flatnonzero(snapshot == samples.count - 1)
    return Rows(columns, np.ascontiguousarray(out[node, snapshot]), last)
