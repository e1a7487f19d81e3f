"""What the loop asks of a method: two functions always, more hooks where a method needs them."""

from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from unlabeled.training.schedules import Schedule

if TYPE_CHECKING:
    from unlabeled.training.labeller import Labeller
    from unlabeled.training.passes import Passes


@dataclass
class Batch:
    """What one step sees, this process's share of it.

    Args:
        views: all views joined view by view, in the encoder's own form; for images (views x B, 3, S, S).
        index: the samples' places in the data set, int64 (B,).
    """

    views: Any
    index: Tensor


@dataclass
class Plan:
    """How a method is optimised.

    Args:
        optimizer: over the method's trainable parameters; its learning rate is the one at factor 1.
        schedule: step to the factor on the learning rate.
        clip: largest gradient norm, or None.
    """

    optimizer: torch.optim.Optimizer
    schedule: Schedule
    clip: float | None = None


class Update(Protocol):
    """The loop's backward pass, clip and optimiser step, handed to a method that has its own `step`."""

    def __call__(self, loss: Tensor, parameters: Iterable[nn.Parameter] | None = None) -> None:
        """Move `parameters` (all where None) down the gradient of `loss`."""


@runtime_checkable
class Method(Protocol):
    """An `nn.Module` with the paper's words: its equation and its optimiser.

    `encoder` is what the run saves, and beside it `projector` where the method has one: an `nn.Sequential` of the
    layers between the encoder's output and the loss. `views` maps a modality to the view preset that the method wants.
    """

    encoder: nn.Module

    def loss(self, batch: Batch) -> Tensor:
        """The equation, a scalar."""

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Optimiser and schedule for a batch of `batch_size` over all processes and `steps` steps in all."""


@runtime_checkable
class Prepares(Protocol):
    """A method whose sizes depend on the data."""

    def prepare(self, samples: Sized) -> None:
        """Called once, before the optimiser and the distributed wrapper exist."""


@runtime_checkable
class ActsBeforeStep(Protocol):
    """A method that does something between steps: moves a momentum copy, re-labels the data."""

    def before_step(self, step: int) -> None:
        """Called before step `step` (from 0)."""


@runtime_checkable
class LooksThrough(Protocol):
    """A method that looks at all samples between steps: re-labels them, for example."""

    def look_through(self, passes: "Passes") -> None:
        """Called once, before the first step, with the means to do so."""


@runtime_checkable
class KeepsTime(Protocol):
    """A method that does something whenever a stream goes on to other classes."""

    def keep_time(self, period: int) -> None:
        """Called once, before the optimiser exists, with the steps for which a stream shows each group of classes."""


@runtime_checkable
class Measures(Protocol):
    """A method, or an encoder, with figures of its own to log beside the loss."""

    def figures(self) -> dict[str, float]:
        """By name; asked for after some steps only, on the first process only; cheap."""


@runtime_checkable
class Remembers(Protocol):
    """A method that keeps more than weights, which checkpoints hold and the encoder's file does not."""

    def memory(self) -> dict[str, Any]:
        """Tensors, numbers and text, in lists and dictionaries of such."""

    def remember(self, memory: dict[str, Any]) -> None:
        """Take back what `memory` gave."""


@runtime_checkable
class Labels(Protocol):
    """A method that learns to label samples, as well as to represent them."""

    def labeller(self) -> "Labeller":
        """What labels representations; the run keeps it beside the encoder."""


@runtime_checkable
class StepsItself(Protocol):
    """A method with its own inner loop."""

    def step(self, batch: Batch, update: Update) -> Tensor:
        """One step, with any number of calls of `update`; returns the loss to show."""


@runtime_checkable
class Represents(Protocol):
    """A method whose representation is not its encoder's output."""

    def represent(self, batch: Any) -> Tensor:
        """(B, ...) in the encoder's form to (B, D)."""


@runtime_checkable
class ScopesBatchNorm(Protocol):
    """A method that says whether batch norm is over all processes; of others it is."""

    global_bn: bool


@runtime_checkable
class Penalises(Protocol):
    """An encoder with a loss of its own, which the loop adds to any objective."""

    def penalty(self) -> Tensor:
        """A scalar, of the last forward pass."""


def weights_of(method: Method) -> dict[str, Tensor]:
    """What a run keeps to represent samples by: the encoder's weights, or the method's where it represents itself."""
    whole = method if isinstance(method, Represents) else method.encoder
    assert isinstance(whole, nn.Module)
    return whole.state_dict()


MethodClass = Callable[..., Method]
