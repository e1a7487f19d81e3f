"""One layer of message passing, in four forms, and stacks of such layers; on nodes and on clusters alike."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from unlabeled.encoders.graphs.links import Links

ConvolutionName = Literal["sage", "gin", "gcn", "s2v"]
AggregationName = Literal["mean", "sum"]


@dataclass(frozen=True)
class Layers:
    """How a block is stacked.

    Args:
        convolution: sage, gin, gcn or s2v.
        count: layers, at least 1.
        hidden: width of all layers but the last.
        output: width of the last.
        aggregation: of sage: mean is the paper's, sum that of the official code.
        own: whether a node of sage sees itself; the official code leaves it out where layers are concatenated.
        concat: the outputs of all layers side by side; else that of the last.
        unit: whether each layer's rows are brought to length 1.
        batch_norm: whether there is any.
        residual: whether a layer whose input is as wide as its output adds to it.
        bias: of the layers.
        dropout: share of the inputs of every layer, within [0, 1).
    """

    convolution: ConvolutionName = "sage"
    count: int = 3
    hidden: int = 32
    output: int = 32
    aggregation: AggregationName = "mean"
    own: bool = True
    concat: bool = True
    unit: bool = True
    batch_norm: bool = True
    residual: bool = False
    bias: bool = True
    dropout: float = 0.0


def _glorot(width: int, output: int, bias: bool) -> nn.Linear:
    """A linear map as the official code begins: Xavier uniform with ReLU's gain, biases 0."""
    made = nn.Linear(width, output, bias)
    nn.init.xavier_uniform_(made.weight, nn.init.calculate_gain("relu"))
    if bias:
        nn.init.zeros_(made.bias)
    return made


class Sage(nn.Module):
    """GraphSAGE (Hamilton et al. 2017): y = W1 x + W2 (mean or sum of the neighbours) + b, W1 only where `own`."""

    def __init__(self, width: int, output: int, first: int, how: Layers) -> None:
        super().__init__()
        halves = 2 if how.own else 1
        self.linear = nn.Linear(halves * width, output, how.bias)  # W1 and W2 side by side: one product
        for half in self.linear.weight.chunk(halves, 1):
            nn.init.xavier_uniform_(half, nn.init.calculate_gain("relu"))
        if how.bias:
            nn.init.zeros_(self.linear.bias)
        self.own, self.mean = how.own, how.aggregation == "mean"

    def forward(self, x: Tensor, links: Links, first: Tensor) -> Tensor:
        """(..., F) to (..., F')."""
        gathered = links.mean if self.mean else links.sum
        if self.own and self.linear.out_features < x.shape[-1]:  # the sum commutes, and is of fewer features after W2
            of_own, of_near = self.linear.weight.chunk(2, 1)
            return linear(x, of_own, self.linear.bias) + gathered(linear(x, of_near))
        near = gathered(x)
        found: Tensor = self.linear(torch.cat([x, near], -1) if self.own else near)
        return found


class GIN(nn.Module):
    """Graph isomorphism network (Xu et al. 2019): y = MLP((1 + e) x + sum of the neighbours), e learnt from 0."""

    def __init__(self, width: int, output: int, first: int, how: Layers) -> None:
        super().__init__()
        self.epsilon = nn.Parameter(torch.zeros(()))
        self.first = _glorot(width, output, how.bias)
        self.norm = RowNorm(output, how.batch_norm)
        self.second = _glorot(output, output, how.bias)

    def forward(self, x: Tensor, links: Links, first: Tensor) -> Tensor:
        """(..., F) to (..., F')."""
        hidden = self.norm(self.first((1 + self.epsilon) * x + links.sum(x)), links.there)
        found: Tensor = self.second(hidden.relu())
        return found


class GCN(nn.Module):
    """Graph convolution (Kipf and Welling 2017): y = D^-1/2 (A + I) D^-1/2 x W + b, D the row sums of A + I."""

    def __init__(self, width: int, output: int, first: int, how: Layers) -> None:
        super().__init__()
        self.linear = _glorot(width, output, how.bias)

    def forward(self, x: Tensor, links: Links, first: Tensor) -> Tensor:
        """(..., F) to (..., F')."""
        scale = torch.rsqrt(links.degree + 1)
        scaled = scale * x
        found: Tensor = self.linear(scale * (links.sum(scaled) + scaled))
        return found


class StructureToVec(nn.Module):
    """Structure2Vec by mean fields (Dai et al. 2016, algorithm 1): y = W1 f + W2 (sum of the neighbours) + b.

    f is what the block was given, seen again by every layer. Departures: each layer has weights of its own, and the
    first one's neighbours send f, where the paper has zeros.
    """

    def __init__(self, width: int, output: int, first: int, how: Layers) -> None:
        super().__init__()
        self.of_first, self.of_near = _glorot(first, output, how.bias), _glorot(width, output, False)

    def forward(self, x: Tensor, links: Links, first: Tensor) -> Tensor:
        """(..., F) and what the block was given, to (..., F')."""
        found: Tensor = self.of_first(first) + links.sum(self.of_near(x))
        return found


CONVOLUTIONS: dict[str, Callable[[int, int, int, Layers], nn.Module]] = {
    "sage": Sage,
    "gin": GIN,
    "gcn": GCN,
    "s2v": StructureToVec,
}
"""Name to (width, output, width of the block's input, settings) -> a layer."""


class RowNorm(nn.Module):
    """Batch norm over features, of all rows there are: (n, F) nodes, or (B, C, F) clusters.

    The official code makes a new norm over node positions at each call, never learnt, padding included; this one is
    registered, has averages for evaluation, and sees rows that exist only. It holds a norm and is none itself, so that
    one over all processes can take that one's place.

    Args:
        width: F.
        on: whether there is any; else rows stay as they are.
    """

    def __init__(self, width: int, on: bool = True) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width) if on else nn.Identity()

    def forward(self, rows: Tensor, there: Tensor | None = None) -> Tensor:
        """(..., F) and which of the rows there are, by default all, to (..., F); the others' are zeros."""
        flat = rows.flatten(0, -2)
        if there is None:
            found: Tensor = self.norm(flat)
        else:
            normed = self.norm(flat[there])
            found = normed.new_zeros(flat.shape).index_put((there,), normed)
        return found.view(rows.shape)


class _UnitRows(torch.autograd.Function):
    """x / |x|, in the few steps that it takes: of small graphs the number of steps is most of the time."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp_min_(1e-12)
        found: Tensor = rows / lengths
        ctx.save_for_backward(found, lengths)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        found, lengths = ctx.saved_tensors
        along = (gradient * found).sum(-1, keepdim=True)
        return torch.addcmul(gradient, found, along, value=-1).div_(lengths)


def unit_rows(rows: Tensor) -> Tensor:
    """Rows brought to length 1, (..., F); a row of zeros stays one."""
    found: Tensor = _UnitRows.apply(rows)
    return found


class Block(nn.Module):
    """Layers one after another, as the official code stacks them: convolution, length 1, ReLU, batch norm; the last
    has neither of the last two.

    Args:
        width: F of the input.
        how: settings.
        output: of the last layer; by default that of the settings.
    """

    def __init__(self, width: int, how: Layers, output: int | None = None) -> None:
        super().__init__()
        widths = [width, *[how.hidden] * (how.count - 1), how.output if output is None else output]
        pairs = list(itertools.pairwise(widths))
        self.layers = nn.ModuleList(CONVOLUTIONS[how.convolution](one, other, width, how) for one, other in pairs)
        self.norms = nn.ModuleList(RowNorm(other, how.batch_norm) for _, other in pairs[:-1])
        self.adds = [how.residual and one == other for one, other in pairs]
        self.concat, self.unit, self.dropout = how.concat, how.unit, nn.Dropout(how.dropout)
        self.width = sum(widths[1:]) if how.concat else widths[-1]

    def forward(self, x: Tensor, links: Links) -> Tensor:
        """(..., F) to (..., width)."""
        found, first = [], x
        for number, layer in enumerate(self.layers):
            before = x
            x = layer(self.dropout(x) if self.dropout.p else x, links, first)
            if self.unit:
                x = unit_rows(x)
            if number < len(self.norms):
                x = self.norms[number](x.relu(), links.there)
            if self.adds[number]:
                x = x + before
            found.append(x)
        return torch.cat(found, -1) if self.concat else x
