"""What the loop sees of a run while it trains: the loss, and the health of the representations passing by."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.errors import UserError
from unlabeled.metrics.health import batch_health


class Watch:
    """Collects losses and the encoder's last output; figures cost nothing until they are asked for.

    Args:
        encoder: whose output is watched.
        own: the method's own figures, asked for whenever figures are.
    """

    def __init__(self, encoder: nn.Module, own: Callable[[], dict[str, float]] = dict) -> None:
        self.own = own
        self.losses: list[Tensor] = []
        self.last_loss = math.nan
        self.note = ""
        self._output: Tensor | None = None
        encoder.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, output: Any) -> None:
        output = getattr(output, "whole", output)  # of an encoder that was asked for more than the representation
        if module.training and isinstance(output, Tensor) and output.ndim == 2:
            self._output = output.detach()

    def add(self, loss: Tensor) -> None:
        """Note the loss of one step."""
        self.losses.append(loss)

    def check(self, step: int) -> None:
        """Take in the losses noted so far.

        Raises:
            UserError: one of them is not a finite number.
        """
        if not self.losses:
            return
        mean = float(torch.stack(self.losses).double().mean())
        self.losses = []
        if not math.isfinite(mean):
            raise UserError(
                f"the loss is not a finite number at step {step}; lower --learning-rate and start again, "
                "the last checkpoint is from before."
            )
        self.last_loss = mean

    def figures(self, step: int, views: int) -> dict[str, float]:
        """The mean loss since the last call, the health of the last batch's representations, the method's own figures.

        Raises:
            UserError: the loss is not a finite number.
        """
        self.check(step)
        health = {} if self._output is None else batch_health(self._output, views)
        told = self.own()
        shown = f"  rankme {health['rankme']:.1f}" if "rankme" in health else ""
        shown += f"  probe {told['probe_accuracy']:.3f}" if "probe_accuracy" in told else ""
        self.note = f"loss {self.last_loss:.3f}{shown}"
        return {"loss": self.last_loss, **health, **told}
