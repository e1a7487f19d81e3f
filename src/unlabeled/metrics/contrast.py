"""How far an encoder solves the task that contrastive learning sets it, on one batch."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def contrast(first: Tensor, second: Tensor, temperature: float, normalized: bool = True) -> dict[str, float]:
    """Contrastive accuracy and entropy as SimCLR's Table 5 and official code have them.

    Every row of the first view picks among the N rows of the second by softmax(z_i . z_k / t): a choice
    of N, not the 2N - 1 of the loss.

    Args:
        first: embeddings of one view, (N, D), of any float type.
        second: embeddings of the other, (N, D), row i the partner of row i.
        temperature: t, above 0.
        normalized: whether rows are brought to length 1.

    Returns:
        `contrastive_accuracy`, the share of rows whose largest logit is the partner's, and
        `contrastive_entropy`, the mean entropy of the choice in nats, at most log N.
    """
    one, other = first.detach().float(), second.detach().float()
    if normalized:
        one, other = normalize(one, dim=1), normalize(other, dim=1)
    with torch.autocast(one.device.type, enabled=False):
        logits = one @ other.T / temperature  # (N, N)
    chosen = logits.log_softmax(1)
    right = logits.argmax(1) == torch.arange(len(logits), device=logits.device)
    return {
        "contrastive_accuracy": float(right.float().mean()),
        "contrastive_entropy": float(torch.special.entr(chosen.exp()).sum(1).mean()),
    }
