"""Small worlds for methods: real digits or graphs, a small network, a run of a few steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from torch import nn

from unlabeled import methods
from unlabeled.data.graphs import Graph
from unlabeled.data.graphs.atlas import atlas
from unlabeled.data.temporal_graphs import Snapshots, southern_women
from unlabeled.modalities import Modality, modality
from unlabeled.training.pretraining import Session
from unlabeled.training.settings import MEMORY, Execution, Settings


def digits(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Real digits, uint8 (N, 8, 8), and their labels."""
    found = load_digits()
    return (found.images[:count] * 15.9375).round().astype(np.uint8), found.target[:count]


def graphs(count: int = 64) -> tuple[list[Graph], np.ndarray]:
    """Real graphs of 5 to 7 nodes with kinds and attributes drawn, and how far apart their farthest nodes are."""
    whole, rng = atlas(), np.random.default_rng(0)
    places = np.linspace(100, len(whole) - 1, count).astype(int)
    found = []
    for place in places:
        graph = whole.read(place)
        attributes = rng.standard_normal((graph.nodes, 2)).astype(np.float32) + graph.degrees()[:, None]
        found.append(Graph(graph.nodes, graph.edges, graph.degrees() % 3, attributes.astype(np.float32)))
    assert whole.labels is not None
    return found, whole.labels[places]


@dataclass(frozen=True)
class World:
    """One modality in small.

    Args:
        modality: its name.
        data: so many samples and their labels.
        encoder: a small network.
        network: its arguments.
    """

    modality: str
    data: Callable[[int], Any]
    encoder: str
    network: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Modality:
        """The row of the table."""
        return modality(self.modality)

    def fresh(self, form: Any) -> nn.Module:
        """The network, untrained."""
        return self.kind.encoder(self.encoder, form, **self.network)


def snapshots(count: int = 18) -> Snapshots:
    """The built-in gatherings; nodes make sense all together alone."""
    return southern_women()


STILL = {"structural_dropout": 0.0, "temporal_dropout": 0.0}
"""Chance that processes draw apart."""

WORLDS = {
    "images": World("images", digits, "small_resnet"),
    "graphs": World("graphs", graphs, "diffpool", {"hidden": 8, "output": 8, "pools": 2, "assign_ratio": 0.5}),
    "temporal_graphs": World(
        "temporal_graphs",
        snapshots,
        "self_attention",
        {
            "structural_widths": (16,),
            "structural_heads": (4,),
            "temporal_widths": (16,),
            "temporal_heads": (4,),
            **STILL,
        },
    ),
}


def world_of(method: Callable[..., Any]) -> World:
    """The small world of the first modality that a method learns from."""
    return WORLDS[methods.looks_at(method)[0]]


def session(
    method: Callable[..., Any],
    out: Path,
    *,
    steps: int = 6,
    resume: bool = False,
    data: Any = None,
    batch_size: int = 16,
    checkpoint_seconds: float = 0.0,
    seed: int = 0,
    precision: str = "32-true",
    accumulate: int = 1,
    compile: bool = False,
    tensorboard: bool = False,
    max_time: float | None = None,
    **arguments: Any,
) -> Session:
    """A session of any method class, in `methods/` or not, in its small world."""
    world = world_of(method)
    settings = Settings(
        "simclr",
        MEMORY,
        batch_size=batch_size,
        accumulate=accumulate,
        max_steps=steps,
        encoder=world.encoder,
        network=world.network,
        seed=seed,
        precision=precision,
        arguments=arguments,
    )
    execution = Execution(
        workers=0,
        max_time=max_time,
        checkpoint_seconds=checkpoint_seconds,
        compile=compile,
        tensorboard=tensorboard,
    )
    return Session(method, settings, execution, out, resume, world.data(64) if data is None else data, world.modality)
