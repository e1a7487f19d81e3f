"""What a network is told of each node: its kind, its attributes, or how it lies among its neighbours."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn.functional import one_hot

from unlabeled.data.graphs.batch import GraphBatch
from unlabeled.data.graphs.form import GraphForm

FeatureName = Literal["labels", "attributes", "all", "degree", "degree-number", "constant", "identity", "struct"]

DEGREES = 64
"""Degrees that are told apart where nodes carry nothing else; larger ones count as this one."""
STRUCT_DEGREES = 10
"""The same in the official code's `struct`."""


class NodeFeatures(nn.Module):
    """Node features (n, width) of a batch.

    Args:
        form: of the set of graphs that is learnt from. Attributes are standardised by its means and deviations; a
            kind that it does not know, or that is masked, has no 1; masked attributes are 0, their mean.
        features: labels (one-hot kinds), attributes, all (both, as far as nodes have them), degree (one-hot),
            degree-number (the one number), constant (ten ones, as the official code has it), identity (one-hot of the
            node's place in its graph, which ties all that follows to the order of nodes; 0 beyond the largest graph of
            the set), or struct (its one-hot of the degree up to 10, the clustering coefficient, and labels). By default
            all, and degree where nodes carry nothing or are all of one kind.

    Raises:
        ValueError: nodes have no such thing.
    """

    kinds: Tensor
    means: Tensor
    deviations: Tensor

    def __init__(self, form: GraphForm, features: FeatureName | None = None) -> None:
        super().__init__()
        carried: dict[str, bool] = {"labels": bool(form.kinds), "attributes": bool(form.means)}
        if features is None:
            features = "all" if len(form.kinds) > 1 or form.means else "degree"  # one kind alone tells nothing
        if not carried.get(features, True) or (features == "all" and not any(carried.values())):
            raise ValueError(f"nodes of this data carry no {'labels or attributes' if features == 'all' else features}")
        self.parts = _PARTS[features]
        self.register_buffer("kinds", torch.tensor(form.kinds, dtype=torch.int64), persistent=False)
        self.register_buffer("means", torch.tensor(form.means), persistent=False)
        self.register_buffer("deviations", torch.tensor(form.deviations), persistent=False)
        widths: dict[Any, int] = {
            _labels: len(form.kinds),
            _attributes: len(form.means),
            _degree: DEGREES + 1,
            _degree_number: 1,
            _constant: 10,
            _identity: form.nodes,
            _struct: STRUCT_DEGREES + 2,
        }
        self.nodes = form.nodes
        self.width = sum(widths[part] for part in self.parts)
        self.categories = len(form.kinds) if self.parts[0] is _labels else 0
        """How many of the first columns are a one-hot kind."""

    def forward(self, batch: GraphBatch) -> Tensor:
        """(n, width)."""
        return torch.cat([part(self, batch) for part in self.parts], 1)


def _labels(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    if not len(of.kinds):
        return of.means.new_zeros(len(batch.owner), 0)
    if batch.labels is None:
        return of.means.new_zeros(len(batch.owner), len(of.kinds))
    place = torch.searchsorted(of.kinds, batch.labels).clamp(max=len(of.kinds) - 1)
    known = of.kinds[place] == batch.labels
    return one_hot(place, len(of.kinds)).to(of.means.dtype) * known[:, None]


def _attributes(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    if batch.attributes is None:
        return of.means.new_zeros(len(batch.owner), len(of.means))
    return ((batch.attributes.to(of.means.dtype) - of.means) / of.deviations).nan_to_num(0.0)


def _degrees(batch: GraphBatch) -> Tensor:
    return torch.bincount(batch.edges[0], minlength=len(batch.owner))


def _degree(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    return one_hot(_degrees(batch).clamp(max=DEGREES), DEGREES + 1).to(of.means.dtype)


def _degree_number(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    return _degrees(batch).to(of.means.dtype)[:, None]


def _identity(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    place = torch.arange(len(batch.owner), device=batch.owner.device) - batch.starts[batch.owner]
    known = place < of.nodes
    return one_hot(place.clamp(max=of.nodes - 1), of.nodes).to(of.means.dtype) * known[:, None]


def _constant(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    return of.means.new_ones(len(batch.owner), 10)


def _struct(of: NodeFeatures, batch: GraphBatch) -> Tensor:
    degree = one_hot(_degrees(batch).clamp(max=STRUCT_DEGREES), STRUCT_DEGREES + 1).to(of.means.dtype)
    return torch.cat([degree, clustering_coefficients(batch).to(degree)[:, None]], 1)


def clustering_coefficients(batch: GraphBatch) -> Tensor:
    """Of each node the share of pairs of its neighbours that are linked, float64 (n,); 0 below two neighbours."""
    rows, columns = batch.edges.cpu().numpy()
    apart = rows != columns
    count = len(batch.owner)
    links = csr_array((np.ones(apart.sum()), (rows[apart], columns[apart])), (count, count))
    degree = links.sum(1)
    triangles = (links @ links).multiply(links).sum(1)
    return torch.from_numpy(triangles / np.maximum(degree * (degree - 1), 1))


_PARTS: dict[str, tuple[Callable[[NodeFeatures, GraphBatch], Tensor], ...]] = {
    "labels": (_labels,),
    "attributes": (_attributes,),
    "all": (_labels, _attributes),
    "degree": (_degree,),
    "degree-number": (_degree_number,),
    "constant": (_constant,),
    "identity": (_identity,),
    "struct": (_struct, _labels),
}
"""Name to the parts of a node's features, side by side; kinds stand first where they are predicted."""
