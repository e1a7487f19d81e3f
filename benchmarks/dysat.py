"""DySAT: an epoch against a plain loop over snapshots and heads, how it grows with the links, and reading events."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from timing import interleaved, resident, table
from unlabeled import chance
from unlabeled.data.temporal_graphs import Events, open_snapshots, read_events, southern_women
from unlabeled.data.temporal_graphs.snapshots import Snapshots, snapshots_of
from unlabeled.encoders.temporal_graphs import Attention, SelfAttention
from unlabeled.methods.dysat import DySAT
from unlabeled.training.method import Batch

TITLE = "## DySAT"


class PlainLoop(nn.Module):
    """A step as a plain program has it, with the weights and the draws of ours.

    A sparse product a snapshot and head, one-hot input and all; attention over time head by head; the loss snapshot by
    snapshot.
    """

    def __init__(self, ours: DySAT, samples: Snapshots) -> None:
        super().__init__()
        self.ours, self.encoder, self.samples = ours, ours.encoder, samples
        self.layer: Any = ours.encoder.structural[0]
        graph = ours.graph
        self.graphs = []
        for t in range(samples.count):
            links = (graph.query >= graph.first[t]) & (graph.query < graph.first[t] + samples.nodes[t])
            index = torch.stack([graph.query[links], graph.key[links]]) - graph.first[t]
            here = torch.arange(int(samples.nodes[t]))
            hot = torch.sparse_coo_tensor(torch.stack([here, here]), torch.ones(len(here)), (len(here), len(samples)))
            self.graphs.append((index, graph.weight[links], hot))

    def structure(self) -> list[Tensor]:
        """Structural attention, (N_t, F) of each snapshot."""
        out = []
        for index, weight, inputs in self.graphs:
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

    def forward(self) -> Tensor:
        """Every node in every snapshot, (N, T, F)."""
        rows = [torch.nn.functional.pad(part, (0, 0, 0, len(self.samples) - len(part))) for part in self.structure()]
        rows_in_time = torch.stack(rows, 1) + self.encoder.positions
        layer = self.encoder.temporal[0]
        query, key, value = (part(rows_in_time).chunk(layer.heads, 2) for part in (layer.query, layer.key, layer.value))
        later = torch.ones(rows_in_time.shape[1], rows_in_time.shape[1], dtype=torch.bool).triu(1)
        heads = []
        for q, k, v in zip(query, key, value, strict=True):
            logits = (q @ k.transpose(1, 2) * q.shape[2] ** -0.5).masked_fill(later, -torch.inf)
            heads.append(logits.softmax(2) @ v)
        out = torch.cat(heads, 2)
        return layer.feed_forward(out).relu() + out

    def loss(self, nodes: Tensor) -> Tensor:
        """That of all nodes."""
        found, valid, negatives = (torch.from_numpy(part) for part in self.ours._drawn(nodes.numpy()))
        embeddings, total = self(), torch.zeros(())
        for t in range(self.samples.count):
            node, place = valid[t].nonzero().T
            if len(node):
                own, near, apart = (
                    embeddings[node, t],
                    embeddings[found[t][node, place], t],
                    embeddings[negatives[t], t],
                )
                agree = torch.nn.functional.softplus(-(own * near).sum(1)).mean()
                total = total + agree + torch.nn.functional.softplus(own @ apart.T).mean()
        return total + self.ours.weight_decay / 2 * self.encoder.weight_norm()


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


def enron() -> list[str]:
    """An epoch, which is one step of all nodes, and the structural pass in it, forward and backward."""
    path = Path(os.environ.get("UNLABELED_DATA", "")) / "temporal" / "enron" / "snapshots.csv"
    samples = open_snapshots(path) if path.is_file() else southern_women()
    method = prepared(samples)
    plain, nodes = PlainLoop(method, samples), torch.arange(len(samples))
    method.before_step(0)
    torch.testing.assert_close(torch.cat(plain.structure()), method.encoder.hidden(method.graph))
    torch.testing.assert_close(plain.loss(nodes), method.loss(Batch(nodes, nodes)))
    size = f"{samples.count} snapshots of {len(samples)} nodes, forward and backward"
    epochs = {
        "ours": lambda: method.loss(Batch(nodes, nodes)).backward(),
        "loops over snapshots and heads": lambda: plain.loss(nodes).backward(),
    }
    passes = {
        "ours": lambda: method.encoder.hidden(method.graph).sum().backward(),
        "loops over snapshots and heads": lambda: torch.cat(plain.structure()).sum().backward(),
    }
    return [
        *table(f"An epoch: {size}", interleaved(epochs, rounds=7), "ours", samples.count, "snapshots"),
        *table(f"Structural attention: {size}", interleaved(passes, rounds=7), "ours", samples.count, "snapshots"),
    ]


def traffic(links: int) -> list[str]:
    """The structural pass against a copy of the memory that it cannot do without.

    That is a read and a write of F values a link, three times: forward, and backward to both factors.
    """
    method = prepared(made(links), num_walks=1, walk_length=2)
    encoder, graph = method.encoder, method.graph
    block = torch.empty(len(graph.query) // 16, encoder.hidden_width)  # in parts that fit, of directed links
    other = torch.empty_like(block)

    def copy() -> None:
        for _ in range(3 * 16):
            other.copy_(block)

    seconds = interleaved({"copy": copy, "structural pass": lambda: encoder.hidden(graph).sum().backward()}, rounds=3)
    about = f"Structural attention of {links:,} links ({len(graph.query):,} directed, with self-loops), both ways"
    return table(about, seconds, "copy", links, "links")


def growth(sizes: list[int]) -> list[str]:
    """Seconds of a step and the largest memory as the links double, each size in a process of its own."""
    lines = ["### A step (all snapshots, 256 nodes) as the links grow", "",
             "| links | ms | times the half | peak MB over the start | times the half |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    before: tuple[float, float] | None = None
    for links in sizes:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, peak = pool.submit(step_of, links).result()
        one, other = (f"{seconds / before[0]:.2f}", f"{peak / before[1]:.2f}") if before else ("", "")
        lines.append(f"| {links:,} | {1e3 * seconds:,.0f} | {one} | {peak:,.0f} | {other} |")
        before = seconds, peak
    return [*lines, ""]


def step_of(links: int) -> tuple[float, float]:
    """Median seconds of a step, and the megabytes that data, method and steps need at most, but for the program."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began_with = resident("VmHWM")
    samples = made(links)
    method = prepared(samples, num_walks=1, walk_length=6).to(device)
    nodes = torch.arange(256, device=device)
    taken = []
    for step in range(6):
        method.before_step(step)
        began = time.perf_counter()
        method.loss(Batch(nodes, nodes)).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else resident("VmHWM") - began_with
    return sorted(taken[1:])[2], peak


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


def sections() -> Iterator[list[str]]:
    """One measurement after the other."""
    large = "--large" in sys.argv
    sizes = [100_000 * 2**power for power in range(8 if large else 3)]
    yield [TITLE, ""]
    yield enron()
    yield reading(10_000_000 if large else 1_000_000)
    yield traffic(1_000_000 if large else 200_000)
    yield growth(sizes)


def run() -> list[str]:
    return [line for section in sections() for line in section]


if __name__ == "__main__":
    for section in sections():
        print("\n".join(section), flush=True)
