"""DiffPool, forward and backward, against the same model on PyTorch Geometric's dense pooling where it is installed.

An epoch of ENZYMES (${UNLABELED_DATA}/graphs/ENZYMES), a batch drawn with the sizes of D&D (30 to 5,748 nodes, 284 on
average), memory as graphs grow, and the pooling alone against its matrix products.
"""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from timing import interleaved, resident, table
from unlabeled.data.graphs import Graph, open_graphs, tidy
from unlabeled.data.graphs.batch import GraphBatch, joined
from unlabeled.data.graphs.form import GraphForm, form_of
from unlabeled.encoders.graphs import graph_encoder
from unlabeled.encoders.graphs.links import SparseLinks
from unlabeled.encoders.graphs.segments import gathered

HIDDEN, BATCH = 30, 20
OURS, PEER = "unlabeled, sparse", "PyTorch Geometric, dense_diff_pool"


class DenseBlock(nn.Module):
    """Three DenseSAGEConv with length 1, ReLU and batch norm over existing rows, side by side: our block, padded."""

    def __init__(self, width: int, hidden: int, output: int) -> None:
        from torch_geometric.nn import DenseSAGEConv

        super().__init__()
        widths = [width, hidden, hidden, output]
        self.layers = nn.ModuleList(DenseSAGEConv(widths[k], widths[k + 1], normalize=True) for k in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(2))
        self.width = sum(widths[1:])

    def forward(self, x: Tensor, a: Tensor, mask: Tensor | None) -> Tensor:
        found = []
        for number, layer in enumerate(self.layers):
            x = layer(x, a, mask)
            if number < 2:
                x = x.relu()
                rows = x[mask] if mask is not None else x.flatten(0, 1)
                rows = self.norms[number](rows)
                x = torch.zeros_like(x).masked_scatter(mask[..., None], rows) if mask is not None else rows.view_as(x)
            found.append(x)
        return torch.cat(found, -1)


class Dense(nn.Module):
    """One pool, the same widths, readouts and losses (dense_diff_pool's own)."""

    def __init__(self, width: int, clusters: int) -> None:
        super().__init__()
        self.embed, self.assign = DenseBlock(width, HIDDEN, HIDDEN), DenseBlock(width, HIDDEN, clusters)
        self.linear = nn.Linear(self.assign.width, clusters)
        self.coarse = DenseBlock(self.embed.width, HIDDEN, HIDDEN)

    def forward(self, x: Tensor, a: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        from torch_geometric.nn import dense_diff_pool

        z = self.embed(x, a, mask)
        s = self.linear(self.assign(x, a, mask))
        pooled, coarse, link, entropy = dense_diff_pool(z, a, s, mask)
        first = z.masked_fill(~mask[..., None], float("-inf")).amax(1)
        return torch.cat([first, self.coarse(pooled, coarse, None).amax(1)], 1), link + entropy


def padded(batch: GraphBatch, x: Tensor, most: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """What the dense model takes, padded to `most` nodes, or to the largest graph of the batch."""
    from torch_geometric.utils import to_dense_adj, to_dense_batch

    rows, mask = to_dense_batch(x, batch.owner, max_num_nodes=most)
    return rows, to_dense_adj(batch.edges, batch.owner, max_num_nodes=most), mask


def forget(model: nn.Module) -> None:
    """No gradients are there before a step, as in training."""
    for parameter in model.parameters():
        parameter.grad = None


def models(form: GraphForm, ratio: float) -> dict[str, Callable[[list[Graph]], None]]:
    """Name to one step on some graphs: joined, forward, backward."""
    ours = graph_encoder("diffpool", form, hidden=HIDDEN, output=HIDDEN, assign_ratio=ratio).train()
    features = ours.features

    def step(graphs: list[Graph]) -> None:
        forget(ours)
        (ours(joined(graphs)).square().mean() + ours.penalty()).backward()

    found: dict[str, Callable[[list[Graph]], None]] = {OURS: step}
    try:
        peer = Dense(features.width, ours.clusters[0]).train()
    except ImportError:
        return found

    def dense_step(graphs: list[Graph], most: int | None) -> None:
        forget(peer)
        batch = joined(graphs)
        whole, penalty = peer(*padded(batch, features(batch), most))
        (whole.square().mean() + penalty).backward()

    return found | {
        f"{PEER}, padded to the set's largest graph (as its example does)": lambda graphs: dense_step(
            graphs, form.nodes
        ),
        f"{PEER}, padded to the batch's": lambda graphs: dense_step(graphs, None),
    }


def sized_as_dd(count: int, seed: int = 0, most: int = 5748) -> list[Graph]:
    """Graphs with D&D's sizes (log-normal, mean 284, at least 30, the largest `most`) and about 2.5 links a node."""
    rng = np.random.default_rng(seed)
    sizes = np.clip(rng.lognormal(5.4, 0.65, count), 30, most).astype(int)
    sizes[0] = most
    return [random_graph(int(nodes), rng) for nodes in sizes]


def random_graph(nodes: int, rng: np.random.Generator) -> Graph:
    edges = tidy(rng.integers(0, nodes, (2, int(2.5 * nodes))))
    return Graph(nodes, edges, rng.integers(0, 82, nodes))


def growth(nodes: int) -> float:
    """MB by which one step on a graph of so many nodes raises a fresh process's peak of memory, at 20 clusters."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send_growth, args=(there, nodes))
    process.start()
    found: float = here.recv()
    process.join()
    return found


def _send_growth(there, nodes: int) -> None:
    torch.set_num_threads(1)
    graph = random_graph(nodes, np.random.default_rng(0))
    form = GraphForm(kinds=tuple(range(82)), nodes=1000)
    step = models(form, 0.02)[OURS]
    step([random_graph(100, np.random.default_rng(1))])
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    step([graph])
    there.send(resident("VmHWM") - before)


def pooling(graphs: list[Graph], clusters: int, width: int) -> dict[str, Callable[[], object]]:
    """The pooling of a batch, and its matrix products alone, on rows that are there already."""
    batch = joined(graphs)
    s = torch.randn(len(batch.owner), clusters).softmax(1)
    z = torch.randn(len(batch.owner), width)
    links, of = SparseLinks(batch, z), batch.segments()
    parts = list(zip(s.split(batch.counts.tolist()), torch.cat([z, s, s], 1).split(batch.counts.tolist()), strict=True))

    def products() -> None:
        links.matrix @ s
        for left, right in parts:
            left.T @ right

    return {"its products": products, "pooling": lambda: gathered(s, torch.cat([z, links.sum(s), s], 1), of)}


def run() -> list[str]:
    lines = ["## DiffPool", ""]
    folder = Path(os.environ.get("UNLABELED_DATA", "nowhere")) / "graphs" / "ENZYMES"
    if folder.is_dir():
        enzymes = open_graphs(folder)
        graphs = [enzymes.read(place) for place in range(len(enzymes))]
        order = np.random.default_rng(0).permutation(len(graphs))
        parts = [[graphs[place] for place in part] for part in np.array_split(order, len(graphs) // BATCH)]
        steps = models(form_of(enzymes), 0.25)
        timed = interleaved({name: (lambda s=step: [s(part) for part in parts]) for name, step in steps.items()}, 5)
        lines += table("An epoch of ENZYMES, batches of 20", timed, OURS, len(graphs), "graphs")
        alone = interleaved(pooling(parts[0], 31, 90), 20)
        lines += table("Pooling of such a batch, forward", alone, "its products", BATCH, "graphs")
    large = sized_as_dd(BATCH, most=1500)
    form = GraphForm(kinds=tuple(range(82)), nodes=1500)
    timed = interleaved({name: (lambda s=step: s(large)) for name, step in models(form, 0.1).items()}, 2)
    lines += table("A batch with D&D's sizes, but for the largest, of 1,500 nodes", timed, OURS, BATCH, "graphs")
    lines += ["### Memory of one step as one graph grows", "", "| nodes | MB |", "| --- | --- |"]
    lines += [f"| {nodes:,} | {growth(nodes):.0f} |" for nodes in (5748, 11_496, 22_992, 45_984)]
    return [*lines, ""]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("\n".join(run()))
