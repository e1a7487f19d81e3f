"""Heads that methods put on an encoder."""

from torch import nn


def projector(width: int, hidden: int, output: int, layers: int = 2) -> nn.Sequential:
    """SimCLR's head as its official code has it (`model_util.py`; section 4.2 and figure 8 of the paper).

    A layer is a linear map without bias and a batch norm; all but the last have a shift in the norm and
    a ReLU after it, the last has neither. Kernels are drawn from N(0, 0.01^2). No equation of the paper
    shows the batch norms, all its results have them.

    Args:
        width: D, of the representation.
        hidden: H, of the layers before the last.
        output: P, of the embedding that the loss sees.
        layers: 0 is no head (the loss sees the representation, P is D), 1 the paper's linear head, 2 its nonlinear
            one, 3 that of SimCLR's second version.

    Returns:
        (B, D) to (B, P). Its children are the layers in order; two layers have D H + 2 H + H P + P parameters.

    Raises:
        ValueError: a number outside its range.
    """
    if layers < 0 or min(width, hidden, output) < 1:
        raise ValueError(
            f"a head takes at least 0 layers and widths of at least 1, got {layers} layers, hidden width {hidden} and "
            f"output width {output}"
        )
    widths = [width, *[hidden] * (layers - 1), output]
    head = nn.Sequential(*[_layer(widths[k], widths[k + 1], last=k == layers - 1) for k in range(layers)])
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
    return head


def _layer(width: int, output: int, last: bool) -> nn.Sequential:
    linear = nn.Linear(width, output, bias=False)
    if last:
        return nn.Sequential(linear, BatchNormWithoutShift(output))
    return nn.Sequential(linear, nn.BatchNorm1d(output), nn.ReLU())


def perceptron(width: int, layers: int) -> nn.Sequential:
    """A head without norms, whose rows know nothing of one another: linear maps as wide as their input, ReLUs between.

    Args:
        width: D, of its input and its output.
        layers: 0 is no head.

    Returns:
        (..., D) to (..., D). Its children are the layers in order.

    Raises:
        ValueError: a number outside its range.
    """
    if layers < 0 or width < 1:
        raise ValueError(f"a head takes at least 0 layers and a width of at least 1, got {layers} and {width}")
    inner = [nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(layers - 1)]
    return nn.Sequential(*inner, *([nn.Linear(width, width)] if layers else []))


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
