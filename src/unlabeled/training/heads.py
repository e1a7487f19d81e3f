"""Heads that methods put on an encoder."""

from torch import nn


def projector(width: int, hidden: int, output: int) -> nn.Sequential:
    """SimCLR's head as its official code has it (`model_util.py`, first version; section 4.2 of the paper).

    Linear without bias, batch norm, ReLU; linear without bias, batch norm with a scale and no shift.
    Kernels are drawn from N(0, 0.01^2). No equation of the paper shows the batch norms, all its results
    have them.

    Args:
        width: D, of the representation.
        hidden: of the layer between.
        output: P, of the embedding that the loss sees.

    Returns:
        (B, D) to (B, P); D H + 2 H + H P + P parameters.
    """
    layers = (
        nn.Linear(width, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, output, bias=False),
        BatchNormWithoutShift(output),
    )
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
    return nn.Sequential(*layers)


def width_of(encoder: nn.Module) -> int:
    """D, the width of an encoder's representation.

    Raises:
        TypeError: the module does not say it.
    """
    width = getattr(encoder, "width", None)
    if not isinstance(width, int):
        raise TypeError(f"an encoder says its width as an int, {type(encoder).__name__}.width is {width!r}")
    return width


class BatchNormWithoutShift(nn.BatchNorm1d):
    """Batch norm with a scale and no shift."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Scale 1; there is no shift to set."""
        self.reset_running_stats()
        if self.weight is not None:
            nn.init.ones_(self.weight)
