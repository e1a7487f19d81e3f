"""Networks for graphs by name."""

from torch import nn

from unlabeled.data.graphs.form import GraphForm
from unlabeled.encoders.graphs.diffpool import DiffPool
from unlabeled.encoders.graphs.features import FeatureName, NodeFeatures
from unlabeled.encoders.graphs.flat import FlatEncoder
from unlabeled.encoders.graphs.layers import AggregationName, ConvolutionName, Layers
from unlabeled.encoders.graphs.penalties import LinkDiagonal, LinkLossName, LinkNorm, Penalties
from unlabeled.encoders.graphs.readouts import ReadoutName
from unlabeled.errors import UserError

NAMES = ("diffpool", "flat")


def graph_encoder(
    name: str,
    form: GraphForm,
    features: FeatureName | None = None,
    convolution: ConvolutionName = "sage",
    layers: int = 3,
    hidden: int = 32,
    output: int = 32,
    aggregation: AggregationName = "mean",
    own: bool = True,
    concat: bool = True,
    unit: bool = True,
    batch_norm: bool = True,
    residual: bool = False,
    bias: bool = True,
    dropout: float = 0.0,
    readout: ReadoutName = "max",
    sort_nodes: int = 30,
    pools: int = 1,
    assign_ratio: float | None = None,
    assign: bool = True,
    link_loss: LinkLossName = "frobenius",
    link_norm: LinkNorm = "n2",
    link_diagonal: LinkDiagonal = "as-is",
    link_hops: int = 1,
    link_weight: float = 1.0,
    entropy_weight: float = 1.0,
) -> nn.Module:
    """A network for graphs: diffpool (Ying et al. 2018), or flat, the same layers with one readout.

    Args:
        name: diffpool or flat.
        form: the form of the set of graphs.
        features: of nodes: labels, attributes, all of both, degree, degree-number, constant, identity (their place in
            the graph), struct; by default all that nodes carry, and the degree where they carry nothing.
        convolution: sage (GraphSAGE), gin, gcn, or s2v (Structure2Vec).
        layers: of a block, at least 1.
        hidden: width of all layers but the last of a block.
        output: width of the last.
        aggregation: of sage: the mean of the paper, or the sum of the official code.
        own: whether sage sees the node itself beside its neighbours; the official code does not where it concatenates.
        concat: a block gives all its layers' outputs side by side, not the last alone.
        unit: every layer's rows are brought to length 1.
        batch_norm: after all layers of a block but the last.
        residual: a layer whose input is as wide as its output adds to it.
        bias: of the layers.
        dropout: share of every layer's input, within [0, 1).
        readout: of every level: max (the paper), mean, sum, max-sum, max-mean-sum; of flat also set2set and sortpool.
        sort_nodes: nodes that sortpool keeps, at least 10.
        pools: of diffpool, 1 to 3.
        assign_ratio: clusters of the first pool as a share of the largest graph's nodes, and of each further pool as a
            share of the one before, within (0, 1]; by default 0.1 with one pool, 0.25 with more (the paper's).
        assign: learn the assignment; else a deterministic clustering of the links makes it (DiffPool-Det).
        link_loss: frobenius (the paper), bce (the official code), or none; for ablation mincut or dmon in its place.
        link_norm: n2 divides it by the pairs of nodes, none leaves the sum; mincut and dmon are shares already.
        link_diagonal: its diagonal of A as-is, ignored, or one; as it is, sharp assignments are punished.
        link_hops: of bce, powers of the assignment's products that are summed, at least 1; the official code's adj_hop.
        link_weight: of the link loss, at least 0.
        entropy_weight: of the assignments' entropy, at least 0.

    Raises:
        UserError: no such network.
        ValueError: a number outside its range.
    """
    if name not in NAMES:
        raise UserError(f"there is no network for graphs called {name!r}; there are {' and '.join(NAMES)}.")
    ratio = (0.1 if pools == 1 else 0.25) if assign_ratio is None else assign_ratio
    if not 1 <= pools <= 3 or not 0 < ratio <= 1 or min(layers, hidden, output) < 1 or sort_nodes < 10:
        raise ValueError(
            "pools takes 1 to 3, assign_ratio a share above 0 and up to 1, layers, hidden and output at least 1, "
            f"sort_nodes at least 10; got {pools}, {ratio}, {layers}, {hidden}, {output}, {sort_nodes}"
        )
    if link_hops < 1 or (link_hops > 1 and link_loss != "bce"):
        raise ValueError(f"link_hops takes at least 1, and more than 1 with link_loss bce alone; got {link_hops}")
    if not 0 <= dropout < 1 or min(link_weight, entropy_weight) < 0:
        raise ValueError("dropout takes a share from 0 and below 1, link_weight and entropy_weight at least 0")
    if convolution != "sage" and (aggregation, own) != ("mean", True):
        raise ValueError(f"aggregation and own are of sage, and {convolution} has neither")
    how = Layers(
        convolution, layers, hidden, output, aggregation, own, concat, unit, batch_norm, residual, bias, dropout
    )
    nodes = NodeFeatures(form, features)
    losses = Penalties(link_loss, link_norm, link_diagonal, link_hops, link_weight, entropy_weight)
    if name == "flat":
        if (pools, assign_ratio, assign) != (1, None, True) or losses != Penalties():
            raise ValueError("pools, assign and all that is of links and entropy are of diffpool, and flat has none")
        return FlatEncoder(nodes, how, readout, sort_nodes)
    if readout in ("set2set", "sortpool"):
        raise ValueError(f"the readout {readout} is of flat; diffpool takes the others")
    return DiffPool(nodes, how, cluster_counts(form.nodes, pools, ratio), assign, readout, losses)


def cluster_counts(nodes: int, pools: int, ratio: float) -> list[int]:
    """Clusters of each pool: int(ratio x the largest graph's nodes), and so on of what came before; at least 2, 1, 1.

    The number is that of the data, not of each graph: small graphs leave clusters nearly empty.
    """
    counts = [max(2, int(ratio * nodes))]
    for _ in range(pools - 1):
        counts.append(max(1, int(ratio * counts[-1])))
    return counts
