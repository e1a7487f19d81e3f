"""DySAT: an epoch against a plain loop over snapshots and heads, how it grows with the links, and reading events."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from timing import interleaved, table
from unlabeled import chance
from unlabeled.data.temporal_graphs import Events, open_snapshots, read_events, southern_women
from unlabeled.data.temporal_graphs.snapshots import Snapshots, snapshots_of
from unlabeled.encoders.temporal_graphs import Attention, SelfAttention
from unlabeled.methods.dysat import DySAT
from unlabeled.training.method import Batch

TITLE = "## DySAT"


class PlainLoop(nn.Module):
    """Structural attention as a plain program has it: a sparse product a snapshot and head, one-hot input and all."""

    def __init__(self, ours: SelfAttention) -> None:
        super().__init__()
        self.layer: Any = ours.structural[0]

    def forward(self, graphs: list[tuple[Tensor, Tensor, Tensor]]) -> list[Tensor]:
        out = []
        for index, weight, inputs in graphs:
            query, key = index
            heads = []
            for head, w in enumerate(self.layer.weight.chunk(self.layer.heads, 1)):
                value = torch.sparse.mm(inputs, w)
                one = value @ self.layer.to_query[head] + self.layer.query_bias[head]
                other = value @ self.layer.to_key[head] + self.layer.key_bias[head]
                logits = torch.nn.functional.leaky_relu(weight * (one[query] + other[key]), 0.2)
                share = torch.sparse.softmax(torch.sparse_coo_tensor(index, logits, (len(value),) * 2), 1)
                heads.append(torch.sparse.mm(share, value))
            out.append(torch.nn.functional.elu(torch.cat(heads, 1)))
        return out


def made(links: int, snapshots: int = 8, seed: int = 0) -> Snapshots:
    """Links by chance between links / 8 nodes, a few of which have many."""
    rng = np.random.default_rng(seed)
    nodes = links // 8
    ends = (nodes * rng.random((2, links)) ** 2).astype(np.int64)
    when = np.sort(rng.integers(0, snapshots, links))
    names = [str(each) for each in range(nodes)]
    events = Events(*ends, None, when, np.ones(links), names, False, [])
    return snapshots_of(events, when, np.arange(snapshots, dtype=float))


def prepared(samples: Snapshots, **options: Any) -> DySAT:
    torch.manual_seed(0)
    encoder = SelfAttention(len(samples), samples.count, Attention(structural_dropout=0.0, temporal_dropout=0.0))
    method = DySAT(encoder, **options)
    chance.seed_torch(0, chance.INITIALISATION)
    method.prepare(samples)
    return method


def structure() -> list[str]:
    """The structural pass, forward and backward."""
    path = Path(os.environ.get("UNLABELED_DATA", "")) / "temporal" / "enron" / "snapshots.csv"
    samples = open_snapshots(path) if path.is_file() else southern_women()
    method = prepared(samples)
    graph = method.graph
    graphs = []
    for t in range(samples.count):
        links = (graph.query >= graph.first[t]) & (graph.query < graph.first[t] + samples.nodes[t])
        index = torch.stack([graph.query[links], graph.key[links]]) - graph.first[t]
        here = torch.arange(int(samples.nodes[t]))
        hot = torch.sparse_coo_tensor(torch.stack([here, here]), torch.ones(len(here)), (len(here), len(samples)))
        graphs.append((index, graph.weight[links], hot))
    plain = PlainLoop(method.encoder)
    torch.testing.assert_close(torch.cat(plain(graphs)), method.encoder.hidden(graph))
    seconds = interleaved(
        {
            "one block-diagonal pass (ours)": lambda: method.encoder.hidden(graph).sum().backward(),
            "a loop over snapshots and heads": lambda: torch.cat(plain(graphs)).sum().backward(),
        },
        rounds=7,
    )
    title = f"Structural attention of {samples.count} snapshots of {len(samples)} nodes, forward and backward"
    return table(title, seconds, "one block-diagonal pass (ours)", samples.count, "snapshots")


def growth(sizes: list[int]) -> list[str]:
    """Seconds of a step and the largest memory as the links double."""
    lines = ["### A step (all snapshots, 256 nodes) as the links grow", "", "| links | ms | times the half | peak MB |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    before = 0.0
    for links in sizes:
        samples = made(links)
        method = prepared(samples, num_walks=1, walk_length=6)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        method.to(device)
        nodes = torch.arange(256, device=device)
        taken = []
        for step in range(4):
            method.before_step(step)
            began = time.perf_counter()
            method.loss(Batch(nodes, nodes)).backward()
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - began)
        seconds = sorted(taken[1:])[1]
        peak = (
            f"{torch.cuda.max_memory_allocated() / 1e6:,.0f}" if device.type == "cuda" else f"{_peak():,.0f} (process)"
        )
        lines.append(f"| {links:,} | {1e3 * seconds:,.0f} | {seconds / before if before else 1:.2f} | {peak} |")
        before = seconds
    return [*lines, ""]


def _peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def reading(events: int) -> list[str]:
    """A parquet file of events to snapshots."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        ends = rng.integers(0, events // 20, (2, events))
        columns = {"source": ends[0], "target": ends[1], "time": np.sort(rng.integers(0, 10**7, events))}
        pq.write_table(pa.table(columns), path)
        seconds = interleaved(
            {
                "Arrow alone": lambda: pq.read_table(path),
                "read": lambda: read_events(path),
                "read, and cut into snapshots": lambda: open_snapshots(path, window="1000000"),
            },
            rounds=2,
        )
    return table(f"Reading {events:,} events from parquet", seconds, "Arrow alone", events, "events")


def run() -> list[str]:
    large = "--large" in sys.argv
    sizes = [100_000 * 2**power for power in range(8 if large else 4)]
    return [TITLE, "", *structure(), *growth(sizes), *reading(10_000_000 if large else 1_000_000)]


if __name__ == "__main__":
    print("\n".join(run()))
