"""DySAT: nodes of a graph that changes agree with those that random walks meet near them, snapshot by snapshot."""

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled import chance
from unlabeled.data.temporal_graphs.form import snapshot_form
from unlabeled.distributed import rank, world_size
from unlabeled.encoders.temporal_graphs import Attention, SnapshotGraph, temporal_encoder
from unlabeled.errors import UserError
from unlabeled.objectives.walk_context import listed_products, walk_context_of
from unlabeled.run import Run
from unlabeled.training.heads import perceptron, width_of
from unlabeled.training.method import Batch, Plan
from unlabeled.views import temporal_graphs
from unlabeled.views.temporal_graphs import Contexts, Negatives

STRUCTURAL = (
    "structural_widths",
    "structural_heads",
    "structural",
    "residual",
    "edge_weight",
    "self_loops",
    "activity",
)
"""Arguments of an encoder that its structural representations come from, and must be those of their history."""


class DySAT(nn.Module):
    """Nodes agree with those that random walks meet near them, snapshot by snapshot.

        loss = sum over t of [ mean over pairs (v, u) of t of softplus(-<e_u, e_v>)
               + w_n mean over pairs and negatives n of softplus(<e_n, e_v>) ]  +  decay / 2 |structural weights|^2

    with e = encoder(snapshots 1 to T) (N, T, F), u drawn from the walks of snapshot t, n by degree^smoothing.

    A. Sankar, Y. Wu, L. Gou, W. Zhang, H. Yang: DySAT: Deep Neural Representation Learning on Dynamic Graphs via
    Self-Attention Networks, WSDM 2020 (arXiv 1812.09430). The representation kept is e of the last snapshot. Where the
    official code differs from the paper, defaults are the paper's and `--network` takes the other reading: `scale
    snapshots`, `temporal_dropout 0`; walks of 20 nodes. Of what the paper does not speak defaults are the code's:
    self-loops, normalised weights, a position-wise layer after every attention over time, the gradient's norm clipped.
    Departures: the slot for the evaluated snapshot, which enters neither loss nor evaluation, is left out; terms of a
    snapshot without pairs are 0 and not NaN.

    Args:
        encoder: of temporal graphs.
        num_walks: from each node that has links in a snapshot, at least 1.
        walk_length: nodes of a walk, at least 2; the official run script's is 20.
        context_size: places to each side of a node in a walk that are its contexts, at least 1.
        num_positives: contexts of a node and snapshot a step, drawn by frequency, at least 1.
        num_negatives: nodes a snapshot and step, shared by all its pairs, at least 1.
        smoothing: power of the degree by which negatives are drawn, at least 0.
        idle_negatives: whether nodes without a link in a snapshot are drawn there too, as if they had one. Ours.
        negative_weight: w_n, at least 0; the paper tunes it among 0.01, 0.1 and 1.
        weight_decay: on the weights of structural attention, at least 0.
        learning_rate: of Adam, above 0; the paper tunes it among 0.0001 and 0.001.
        clip: largest gradient norm, above 0.
        projection_layers: of a head g between e and the loss, which then is of g(e), SimCLR's without norms; at least
            0. The paper has none. Ours, and of use where most nodes are idle in a snapshot.
        history: with `--network.incremental`, a finished run on the snapshots before the last, whose structural
            representations stand for them: learning then sees the last snapshot alone (IncSAT, appendix E).
    """

    modalities: ClassVar = ("temporal_graphs",)
    views: ClassVar = {"temporal_graphs": temporal_graphs.nodes}

    def __init__(
        self,
        encoder: nn.Module,
        num_walks: int = 10,
        walk_length: int = 40,
        context_size: int = 10,
        num_positives: int = 10,
        num_negatives: int = 10,
        smoothing: float = 0.75,
        idle_negatives: bool = False,
        negative_weight: float = 1.0,
        weight_decay: float = 5e-4,
        learning_rate: float = 1e-3,
        clip: float = 1.0,
        projection_layers: int = 0,
        history: str | PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        if min(num_walks, context_size, num_positives, num_negatives) < 1 or walk_length < 2:
            raise ValueError("walk_length takes a number of at least 2, the other numbers of DySAT at least 1")
        if min(smoothing, negative_weight, weight_decay) < 0 or not (learning_rate > 0 and clip > 0):
            raise ValueError(
                "smoothing, negative_weight and weight_decay take numbers of at least 0, learning_rate and clip above 0"
            )
        self.encoder: Any = encoder
        self.projector = perceptron(width_of(encoder), projection_layers)
        self.num_walks, self.walk_length, self.context_size = num_walks, walk_length, context_size
        self.num_positives, self.num_negatives = num_positives, num_negatives
        self.smoothing, self.idle_negatives = smoothing, idle_negatives
        self.negative_weight, self.weight_decay = negative_weight, weight_decay
        self.learning_rate, self.clip, self.history = learning_rate, clip, history
        self.seed, self.step_number = 0, 0
        self.graph: SnapshotGraph
        self.contexts: Contexts
        self.negatives: Negatives

    def prepare(self, samples: Any) -> None:
        """Keep the graph of all snapshots, walk through each, and count degrees.

        Args:
            samples: `data.temporal_graphs.Snapshots`.

        Raises:
            UserError: a history without `incremental` or the other way round, or one of other data.
        """
        self.seed = torch.initial_seed()  # of the initialisation, so that the run's seed decides walks and draws
        self.graph = self.encoder.graph_of(samples)
        if (self.history is None) != (self.encoder.past is None):
            raise UserError("IncSAT takes both --network.incremental and --history RUN; give both or none.")
        if self.history is not None:
            past: Any = self.history
            if not isinstance(past, Tensor):
                past = history_of(past, samples, self.encoder.parts)
            self.encoder.past[: len(past)] = past
        draws = [chance.generator(self.seed, chance.VIEWS, snapshot) for snapshot in range(samples.count)]
        draws, samples = (draws, samples) if self.history is None else (draws[-1:], samples.tail())
        self.contexts = temporal_graphs.contexts(samples, self.num_walks, self.walk_length, self.context_size, draws)
        self.negatives = Negatives.of(samples, self.smoothing, self.idle_negatives)

    def before_step(self, step: int) -> None:
        """Note the step, which decides its draws."""
        self.step_number = step

    def loss(self, batch: Batch) -> Tensor:
        """The equation above over the batch's nodes of all processes, a scalar."""
        device = batch.index.device
        self.graph = self.graph.to(device)
        found, valid, drawn = (torch.from_numpy(part).to(device) for part in self._drawn(batch.index.cpu().numpy()))
        every = torch.cat([batch.index, found.flatten(), drawn.flatten()])
        wanted, place = torch.unique(every, return_inverse=True)
        embeddings = self.encoder(self.graph, wanted).transpose(0, 1)[-self.graph.snapshots :]  # (T, M, F)
        embeddings = self.projector(embeddings)
        own, near, apart = place.split([len(batch.index), found.numel(), drawn.numel()])
        agree, against = listed_products(embeddings, own, near.view(found.shape), apart.view(drawn.shape))
        loss = walk_context_of(agree, against, valid, self.negative_weight)
        total: Tensor = loss + self.weight_decay / 2 * self.encoder.weight_norm()
        return total

    def _drawn(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Contexts (T, B, J), which of them there are, and negatives (T, K), of the step.

        Drawn for the batch of all processes, of which each keeps its rows.
        """
        draws = chance.generator(self.seed, chance.MODEL, self.step_number)
        steps, batch = self.graph.snapshots, len(nodes)
        negatives = self.negatives.draw(draws.random((steps, self.num_negatives)))
        uniform = draws.random((world_size() * batch, steps, self.num_positives))[rank() * batch :][:batch]
        rows = np.arange(steps)[:, None] * self.contexts.nodes + nodes  # (T, B)
        shape = steps, batch, self.num_positives
        found, valid = self.contexts.draw(rows.ravel(), uniform.transpose(1, 0, 2).reshape(-1, self.num_positives))
        return found.reshape(shape), valid.reshape(shape), negatives

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Adam at a constant rate, the gradient's norm clipped."""
        return Plan(torch.optim.Adam(self.parameters(), self.learning_rate), lambda step: 1.0, self.clip)


@torch.no_grad()
def history_of(path: str | PathLike[str], samples: Any, parts: Attention) -> Tensor:
    """What the encoder of a finished run makes of the snapshots before the last, (N, T - 1, F) of its own nodes.

    Args:
        path: the run.
        samples: snapshots, of which the run was trained on all but the last.
        parts: what the encoder that goes on from it is made of.

    Raises:
        UserError: it was trained on others, or its structural attention is another.
    """
    if not Path(path).exists():
        raise UserError(f"the run {path} that --history names is not there; put it back, or name another.")
    run = Run.open(path)
    description, checkpoint = run.description(), run.checkpoint()
    before = samples.prefix(samples.count - 1)
    if checkpoint is None or checkpoint.data != before.fingerprint():
        raise UserError(
            f"{run.path} was not trained on the {before.count} snapshots before the last of {samples.place}; train it "
            f"on them with the same flags and --held-out {samples.held_out + 1}."
        )
    if description["encoder"] != "self_attention":
        raise UserError(f"{run.path} is a table of nodes, and --history takes a run with structural attention.")
    for name in STRUCTURAL:
        there = description["network"].get(name, getattr(Attention(), name))
        here = getattr(parts, name)
        there, here = (
            " ".join(map(str, each)) if isinstance(each, list | tuple) else str(each) for each in (there, here)
        )
        if there != here:
            raise UserError(
                f"{run.path} was trained with --network.{name.replace('_', '-')} {there} and this run has {here}; give "
                "the same --network flags as it was trained with."
            )
    encoder: Any = temporal_encoder(description["encoder"], snapshot_form(before), **description["network"])
    encoder.load_state_dict(run.weights())
    found: Tensor = encoder.eval().history(encoder.graph_of(before))
    return found
