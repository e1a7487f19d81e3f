"""The losses that SimCLR compares NT-Xent with: NT-Logistic and the margin triplet, each with semi-hard mining.

The paper's Table 2 gives each for one negative and says no more; there is no official code. Here each
is the mean over anchors, and over an anchor's negatives the mean of their terms, so that the positive
and the negatives of NT-Logistic weigh alike. Semi-hard mining leaves each anchor one negative: the most
similar of those that are less similar than the positive, and where there is none, the least similar of
all. (For the triplet the paper asks that it be within the margin too: one that is not has no term.)
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from unlabeled.distributed import gather
from unlabeled.objectives.contrastive import Negatives, joined, left_out, partners


def nt_logistic(
    first: Tensor,
    second: Tensor,
    temperature: float = 0.1,
    normalized: bool = True,
    negatives: Negatives = "both",
    semi_hard: bool = False,
) -> Tensor:
    """NT-Logistic (Chen et al. 2020, Table 2): the positive's logit up, each negative's down.

    With u a unit row, v+ its partner and v- the negatives of all processes, the mean over u of

        -log sigmoid(u . v+ / t)  -  mean over v- of log sigmoid(-u . v- / t)

    Args:
        first: embeddings of one view, (B, D).
        second: embeddings of the other view, (B, D); row i is the partner of row i of `first`.
        temperature: t > 0; the paper tried 0.1, 0.2, 0.5 and 1.
        normalized: whether embeddings are brought to length 1 here.
        negatives: `both` for the other samples' rows of both views, 2(N - 1) of them, `one` for those of the
            partner's view alone.
        semi_hard: one negative an anchor, as the module's docstring says.

    Returns:
        A scalar, the mean over this process's 2B anchors; the gradient of other processes' rows comes back through
        the gather. Half-precision embeddings are computed in float32.

    Raises:
        ValueError: the two shapes differ or are not (B, D), or the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"nt_logistic takes a temperature above 0, got {temperature}")
    rows = joined("nt_logistic", first, second, normalized)
    positive, others, counted = _similarities(rows, negatives, semi_hard)
    pushed = _mean(logsigmoid(-others / temperature), counted)
    return -(logsigmoid(positive / temperature) + pushed).mean()


def margin_triplet(
    first: Tensor,
    second: Tensor,
    margin: float = 0.8,
    normalized: bool = True,
    negatives: Negatives = "both",
    semi_hard: bool = False,
) -> Tensor:
    """Margin triplet (Schroff et al. 2015, as Chen et al. 2020 have it in Table 2): the positive nearer by a margin.

    With u a unit row, v+ its partner and v- the negatives of all processes, the mean over u of

        mean over v- of max(u . v- - u . v+ + m, 0)

    Args:
        first: embeddings of one view, (B, D).
        second: embeddings of the other view, (B, D); row i is the partner of row i of `first`.
        margin: m, at least 0; the paper tried 0, 0.4, 0.8 and 1.6.
        normalized: whether embeddings are brought to length 1 here.
        negatives: `both` for the other samples' rows of both views, 2(N - 1) of them, `one` for those of the
            partner's view alone.
        semi_hard: one negative an anchor, as the module's docstring says.

    Returns:
        A scalar, the mean over this process's 2B anchors; the gradient of other processes' rows comes back through
        the gather. Half-precision embeddings are computed in float32.

    Raises:
        ValueError: the two shapes differ or are not (B, D), or the margin is below 0.
    """
    if not margin >= 0:
        raise ValueError(f"margin_triplet takes a margin of at least 0, got {margin}")
    rows = joined("margin_triplet", first, second, normalized)
    positive, others, counted = _similarities(rows, negatives, semi_hard)
    return _mean((others - positive[:, None] + margin).clamp(min=0), counted).mean()


def _similarities(rows: Tensor, negatives: Negatives, semi_hard: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of each anchor: the positive's similarity (2B,), the others' (2B, K), and which of these count, bool (2B, K)."""
    keys = gather(rows)  # (R 2B, D)
    with torch.autocast(rows.device.type, enabled=False):
        similarity = rows @ keys.T  # (2B, R 2B)
    partner = partners(len(rows), rows.device)[:, None]
    counted = ~left_out(len(rows), rows.device, negatives).scatter(1, partner, True)
    positive = similarity.gather(1, partner)
    if not semi_hard:
        return positive.squeeze(1), similarity, counted
    below = counted & (similarity < positive)
    nearest = similarity.masked_fill(~below, float("-inf")).argmax(1, keepdim=True)
    farthest = similarity.masked_fill(~counted, float("inf")).argmin(1, keepdim=True)
    chosen = torch.where(below.any(1, keepdim=True), nearest, farthest)
    return positive.squeeze(1), similarity.gather(1, chosen), counted.gather(1, chosen)


def _mean(terms: Tensor, counted: Tensor) -> Tensor:
    """The mean of each row's terms that count, (A, K) to (A,); 0 where none does."""
    return (terms * counted).sum(1) / counted.sum(1).clamp_min(1)
