"""Rehearsal: batches from a model's own past, by a frozen copy of its generator or by real samples that were kept."""

import copy
from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from unlabeled.distributed import collect_rows, rank, world_size
from unlabeled.encoders.mixture import Mixture

ReplayName = Literal["none", "fixed", "dynamic", "reservoir"]
RESERVOIR = 1000
"""Real samples that a reservoir keeps."""


Finish = Callable[[Tensor], Tensor]
"""What a decoder gives, (B, I), to pictures, (B, I)."""


class Draws(Protocol):
    """Chance for the rows of the global batch."""

    def __call__(self) -> torch.Generator:
        """A fresh generator, the same on every process."""


class Replay:
    """No rehearsal, but for the counts of what each component explained, which every kind keeps.

    Args:
        components: N.
        every: one step of so many rehearses, at least 2.

    Attributes:
        period: steps between snapshots, where they come at fixed times; else None.

    Raises:
        ValueError: `every` is below 2.
    """

    def __init__(self, components: int, every: int = 2) -> None:
        if every < 2:
            raise ValueError(f"replay_every takes a number of at least 2, got {every}")
        self.every = every
        self.period: int | None = None
        self.recent, self.total = torch.zeros(2, components, dtype=torch.float64)

    def counts(self) -> Tensor:
        """Real samples that each component explained so far, in soft counts, (N,)."""
        counts: Tensor = self.total + self.recent
        return counts

    def ready(self) -> bool:
        """Whether there is something to rehearse."""
        return False

    def due(self, step: int) -> bool:
        """Whether a step rehearses: strictly one of `every`, once there is a past."""
        return self.ready() and step % self.every == self.every - 1

    def before(self, step: int, model: Mixture) -> None:
        """Called before every step."""

    def before_growth(self, model: Mixture) -> None:
        """Called before a component is made."""

    def after(self, pictures: Tensor, shares: Tensor, draws: Draws) -> None:
        """Take in a step on real data: this process's (B, C, S, S) and q(y | x) (B, K); counts are over all."""
        counts = torch.stack(collect_rows(shares.detach().double().sum(0, keepdim=True).cpu())).sum(0)[0]
        self.recent[: len(counts)] += counts

    def batch(self, count: int, draws: Draws) -> tuple[Tensor, Tensor | None]:
        """`count` pictures for this process, flat (B, I), and the component that each was drawn from, where known."""
        raise NotImplementedError

    def memory(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"recent": self.recent, "total": self.total}

    def remember(self, memory: dict[str, Any], model: Mixture) -> None:
        """Go on from a checkpoint."""
        self.recent, self.total = memory["recent"], memory["total"]


class Generative(Replay):
    """Mixture generative replay: y ~ w, z ~ p(z | y), x the mean of p(x | z), all of a frozen copy (CURL, section 3.5).

    w is the share of all real samples so far that each component explained, in soft counts. The copy is a snapshot of
    prior and decoder, taken every `period` steps or, where that is None, whenever a component is about to be made;
    batches are generated when they are asked for.

    Args:
        components: N.
        finish: what the decoder gives to pictures.
        every: one step of so many rehearses.
    """

    def __init__(self, components: int, finish: Finish, every: int = 2) -> None:
        super().__init__(components, every)
        self.finish = finish
        self.snapshot: dict[str, Tensor] = {}
        self.decoder: Any = None

    def ready(self) -> bool:
        """Whether a snapshot was taken."""
        return self.decoder is not None

    def before(self, step: int, model: Mixture) -> None:
        """Take the snapshot that is due at fixed times."""
        if self.period is not None and step > 0 and step % self.period == 0:
            self.take(model)

    def before_growth(self, model: Mixture) -> None:
        """Take the snapshot that comes with a component."""
        if self.period is None:
            self.take(model)

    @torch.no_grad()
    def take(self, model: Mixture) -> None:
        """Freeze the generator as it is now."""
        self.total, self.recent = self.total + self.recent, torch.zeros_like(self.recent)
        weights = self.total.clamp(min=1e-12)[: int(model.active)]
        mean, variance = model.prior(int(model.active))
        self.snapshot = {"weights": weights / weights.sum(), "mean": mean.clone(), "variance": variance.clone()}
        self.decoder = copy.deepcopy(model.decoder).requires_grad_(False).eval()

    @torch.no_grad()
    def batch(self, count: int, draws: Draws) -> tuple[Tensor, Tensor]:
        """Pictures that the frozen copy generates, and their components."""
        generator, (mean, variance) = draws(), (self.snapshot[name] for name in ("mean", "variance"))
        rows = slice(rank() * count, (rank() + 1) * count)
        every = count * world_size()
        component = torch.multinomial(self.snapshot["weights"], every, replacement=True, generator=generator)[rows]
        noise = torch.randn(every, mean.shape[1], generator=generator)[rows].to(mean)
        component = component.to(mean.device)
        latents = mean[component] + variance[component].sqrt() * noise
        return self.finish(self.decoder.of(latents, component)), component

    def memory(self) -> dict[str, Any]:
        """Counts, and the snapshot whole."""
        decoder = self.decoder.state_dict() if self.ready() else {}
        return super().memory() | {"snapshot": self.snapshot, "decoder": decoder}

    def remember(self, memory: dict[str, Any], model: Mixture) -> None:
        """Go on from a checkpoint."""
        super().remember(memory, model)
        device = next(model.decoder.parameters()).device
        self.snapshot = {
            name: each.to(device) if name != "weights" else each for name, each in memory["snapshot"].items()
        }
        if memory["decoder"]:
            self.decoder = copy.deepcopy(model.decoder).requires_grad_(False).eval()
            self.decoder.load_state_dict(memory["decoder"])


class Reservoir(Replay):
    """Real samples, each of the past as likely to be kept as any other: what generated ones are compared with. Ours.

    Args:
        components: N.
        every: one step of so many rehearses, once the first period is over.
        size: samples that are kept.
    """

    def __init__(self, components: int, every: int = 2, size: int = RESERVOIR) -> None:
        super().__init__(components, every)
        self.size, self.seen, self.begun = size, 0, False
        self.kept: Tensor | None = None

    def ready(self) -> bool:
        """Whether the first period is over."""
        return self.begun and self.kept is not None

    def before(self, step: int, model: Mixture) -> None:
        """Begin when the first period is over."""
        self.begun = self.begun or step >= (self.period or 0)

    def after(self, pictures: Tensor, shares: Tensor, draws: Draws) -> None:
        """Keep each with the chance that makes all of the past alike (Vitter's algorithm R)."""
        super().after(pictures, shares, draws)
        rows = torch.cat(collect_rows(pictures.detach()))
        if self.kept is None:
            self.kept = rows.new_zeros(0, *rows.shape[1:])
        free = min(self.size - len(self.kept), len(rows))
        self.kept, rest = torch.cat([self.kept, rows[:free]]), rows[free:]
        ends = self.seen + free + 1 + torch.arange(len(rest), dtype=torch.float64)
        places = (torch.rand(len(rest), generator=draws(), dtype=torch.float64) * ends).long().tolist()
        for place, row in zip(places, rest, strict=True):
            if place < self.size:
                self.kept[place] = row
        self.seen += len(rows)

    def batch(self, count: int, draws: Draws) -> tuple[Tensor, None]:
        """Samples of the reservoir, drawn with replacement."""
        assert self.kept is not None
        places = torch.randint(len(self.kept), (count * world_size(),), generator=draws())
        own = places[rank() * count : (rank() + 1) * count].to(self.kept.device)
        return self.kept[own].flatten(1), None

    def memory(self) -> dict[str, Any]:
        """The reservoir."""
        return super().memory() | {"seen": self.seen, "begun": self.begun, "kept": self.kept}

    def remember(self, memory: dict[str, Any], model: Mixture) -> None:
        """Go on from a checkpoint."""
        super().remember(memory, model)
        device = next(model.decoder.parameters()).device
        self.seen, self.begun = memory["seen"], memory["begun"]
        self.kept = None if memory["kept"] is None else memory["kept"].to(device)


REPLAYS: dict[str, Callable[[int, Finish, int], Replay]] = {
    "none": lambda components, finish, every: Replay(components, every),
    "fixed": Generative,
    "dynamic": Generative,
    "reservoir": lambda components, finish, every: Reservoir(components, every),
}
"""Name to (components, finish, every) -> replay."""
