"""DiffPool: nodes are assigned softly to clusters, which are the nodes of a coarser graph, and so on."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot

from unlabeled.data.graphs.batch import GraphBatch, Segments
from unlabeled.encoders.graphs import penalties
from unlabeled.encoders.graphs.clustering import clusters_of
from unlabeled.encoders.graphs.features import NodeFeatures
from unlabeled.encoders.graphs.hierarchy import Hierarchy, Level
from unlabeled.encoders.graphs.layers import Block, Layers
from unlabeled.encoders.graphs.links import DenseLinks, Links, SparseLinks
from unlabeled.encoders.graphs.penalties import DEFAULTS, Penalties
from unlabeled.encoders.graphs.readouts import READOUTS, ReadoutName, segment_sum
from unlabeled.encoders.graphs.segments import exact, gathered, unrounded
from unlabeled.metrics.assignments import effective_clusters, row_entropy


class Assigner(nn.Module):
    """The pooling network of one level: log S = log softmax(linear(block(X, A))) (equation 6).

    Args:
        block: layers that end with as many features as clusters.
        clusters: C.
    """

    def __init__(self, block: Block, clusters: int) -> None:
        super().__init__()
        self.block, self.linear = block, nn.Linear(block.width, clusters)

    def forward(self, x: Tensor, links: Links) -> Tensor:
        """(..., F) to the logarithm of the assignment, (..., C)."""
        return log_softmax(exact(self.linear(self.block(x, links))), -1).to(x.dtype)


class DiffPool(nn.Module):
    """Hierarchical pooling (Ying et al., NeurIPS 2018).

        Z = embed(A, X),  S = softmax(assign(A, X)),  X' = S^T Z,  A' = S^T A S         again and again
        g = [readout(Z) of every level],  penalty = sum over levels of link loss + entropy

    The first level is sparse: nothing of n x n numbers is made, and the link loss is exact all the same. Departures:
    batch norm over features and existing rows; links of the coarse graphs are averaged by their weight; the link loss
    is squared, of one graph at a time, a mean over graphs.

    Args:
        features: of the nodes.
        layers: of every embedding and every assigning block.
        clusters: of each pool.
        assign: whether assignments are learnt; else a deterministic clustering of the links makes them (the paper's
            DiffPool-Det), and of a small graph some clusters do not exist: norms, readouts and links know none.
        readout: of every level: max, mean, sum, max-sum or max-mean-sum.
        losses: of the assignments.
    """

    def __init__(
        self,
        features: NodeFeatures,
        layers: Layers,
        clusters: list[int],
        assign: bool = True,
        readout: ReadoutName = "max",
        losses: Penalties = DEFAULTS,
    ) -> None:
        super().__init__()
        self.features, self.clusters = features, clusters
        first = Block(features.width, layers)
        self.level_width = self.unpooled_width = width = first.width
        self.embed = nn.ModuleList([first, *(Block(width, layers) for _ in clusters)])
        widths = [features.width, *[width] * (len(clusters) - 1)]
        self.assign = None
        if assign:
            self.assign = nn.ModuleList(
                Assigner(Block(wide, layers, count), count) for wide, count in zip(widths, clusters, strict=True)
            )
        self.readout: Any = READOUTS[readout](width, 0)
        self.width: int = self.readout.width * (len(clusters) + 1)
        self.losses = losses
        self._penalties: list[Tensor] = []
        self._assigned: list[tuple[Tensor, Segments]] = []

    def forward(self, batch: GraphBatch, levels: bool = False) -> Tensor | Hierarchy:
        """B graphs to (B, D), or with `levels` to that and all that was made on the way."""
        found = self.hierarchy(batch)
        return found if levels else found.whole

    def penalty(self) -> Tensor:
        """Link loss and entropy of the last forward pass in training, summed over levels: the mean over its graphs."""
        return torch.stack([each.mean() for each in self._penalties]).sum()

    def hierarchy(self, batch: GraphBatch) -> Hierarchy:
        """The representation and every level on the way to it."""
        features, of = self.features(batch), batch.segments()
        sparse = SparseLinks(batch, features)
        links: Links = sparse
        hard = clusters_of(batch, self.clusters) if self.assign is None else []
        rows = self.embed[0](features, sparse)
        levels, assignments, x = [Level(rows, of)], [], features
        there: Tensor | None = None  # (B, C), of clusters: all
        self._penalties = []
        for number, clusters in enumerate(self.clusters):
            if self.assign is None:
                assignment = one_hot(hard[number], clusters).to(rows.dtype)
                if there is not None:
                    assignment = assignment * there[:, :, None]
                uncertain = assignment.new_zeros(assignment.shape[:-1])
                there = (assignment.sum(1) if number else segment_sum(assignment, of.owner, len(of))) > 0
            else:
                log_assignment = self.assign[number](x, links)
                assignment = log_assignment.exp()
                uncertain = penalties.entropy(assignment, log_assignment)
                if number:
                    assignment, uncertain = assignment.view(len(of), -1, clusters), uncertain.view(len(of), -1)
            if isinstance(links, SparseLinks):
                x, weights = self._pool_nodes(assignment, uncertain, rows, links, batch.edges, of)
            else:
                x, weights = self._pool_clusters(assignment, uncertain, rows, links)
            links = DenseLinks(weights, None if there is None else there.flatten())
            rows = self.embed[number + 1](x, links)
            assignments.append(assignment)
            if there is None:
                levels.append(Level(rows, Segments.equal(len(of), clusters, rows.device)))
            else:
                levels.append(Level(rows[links.there], Segments.counted(there.sum(1))))
        if self.training:
            self._assigned = [(each.detach(), levels[k].of) for k, each in enumerate(assignments)]
        whole = torch.cat([self.readout(level.rows, level.of) for level in levels], 1)
        return Hierarchy(whole, levels, features, assignments, rows.view(len(of), -1, rows.shape[1]))

    def _pool_nodes(
        self, assignment: Tensor, uncertain: Tensor, rows: Tensor, links: SparseLinks, edges: Tensor, of: Segments
    ) -> tuple[Tensor, Tensor]:
        """X' = S^T Z and A' = S^T A S of the first level, in one pass over the nodes."""
        clusters, width = assignment.shape[1], rows.shape[1]
        link, diagonal = self.losses.link, self.losses.diagonal
        beside = [assignment] if self.training and link in ("frobenius", *penalties.CUTS) else []
        product = gathered(assignment, torch.cat([rows, links.sum(assignment), *beside], 1), of)
        x, weights = product[:, :, :width].flatten(0, 1), product[:, :, width : width + clusters]
        if self.training:
            gram = product[:, :, width + clusters :]
            if link == "frobenius":
                lost = penalties.frobenius(assignment, links, weights, gram, of, diagonal)
            elif link == "bce":
                lost = penalties.cross_entropy(assignment, edges, of, diagonal, self.losses.hops)
            elif link in penalties.CUTS:
                volume = segment_sum(links.degree * assignment.square(), of.owner, len(of)).sum(1)
                lost = penalties.CUTS[link](weights, gram, volume)
            else:
                lost = weights.new_zeros(len(of))
            counts = of.counts.to(lost.dtype)
            self._penalise(lost, counts, segment_sum(uncertain[:, None], of.owner, len(of))[:, 0] / counts)
        return x, weights

    def _pool_clusters(
        self, assignment: Tensor, uncertain: Tensor, rows: Tensor, links: DenseLinks
    ) -> tuple[Tensor, Tensor]:
        """The same of a coarse level, whose links are dense: what is summed over nodes stays in float32 at least."""
        with unrounded(rows.device):
            across = assignment.transpose(1, 2)
            x = (across @ exact(rows).view(*assignment.shape[:2], -1)).flatten(0, 1)
            weights = across @ (links.weights @ assignment)
            if self.training:
                lost, link = weights.new_zeros(len(weights)), self.losses.link
                counts = torch.full_like(lost, assignment.shape[1])
                if link == "frobenius":
                    lost = penalties.dense_frobenius(assignment, links.weights)
                elif link == "bce":
                    lost = penalties.dense_cross_entropy(assignment, links.weights, self.losses.hops)
                elif link in penalties.CUTS:
                    volume = (links.weights.sum(2) * assignment.square().sum(2)).sum(1)
                    lost = penalties.CUTS[link](weights, across @ assignment, volume)
                self._penalise(lost, counts, uncertain.mean(1))
        return x, weights

    def _penalise(self, lost: Tensor, counts: Tensor, uncertain: Tensor) -> None:
        """Keep one level's losses, (B,)."""
        sums = self.losses.norm == "n2" and self.losses.link not in penalties.CUTS
        scaled = lost / counts.square() if sums else lost
        self._penalties.append(self.losses.link_weight * scaled + self.losses.entropy_weight * uncertain)

    def diagnosed(self, batch: GraphBatch) -> dict[str, Tensor]:
        """How each graph's nodes are shared out, by name and level, (B,) each; for judging without labels."""
        hierarchy = self.hierarchy(batch)
        return _shared_out([(each, hierarchy.levels[k].of) for k, each in enumerate(hierarchy.assignments)])

    def figures(self) -> dict[str, float]:
        """The same of the last batch in training, means over its graphs: collapse shows while it happens."""
        return {name: float(values.mean()) for name, values in _shared_out(self._assigned).items()}


def _shared_out(assignments: list[tuple[Tensor, Segments]]) -> dict[str, Tensor]:
    found = {}
    for number, (assignment, of) in enumerate(assignments, 1):
        rows = assignment if assignment.ndim == 2 else assignment.flatten(0, 1)
        if len(rows) > len(of.owner):  # those of clusters that do not exist are zeros
            rows = rows[rows.any(1)]
        found[f"effective_clusters_{number}"] = effective_clusters(rows, of.owner, len(of))
        found[f"assignment_entropy_{number}"] = row_entropy(rows, of.owner, len(of))
    return found
