"""NT-Xent, forward and backward, against its two matrix products."""

import torch

from timing import interleaved, table
from unlabeled.objectives import nt_xent, nt_xent_by_blocks


def candidates(batch: int, width: int = 128) -> dict[str, object]:
    first, second = torch.randn(2, batch, width)
    rows = torch.nn.functional.normalize(torch.cat([first, second]), dim=1)

    def limit() -> None:
        logits = rows @ rows.T
        logits @ rows

    def both_ways(objective) -> None:
        one, other = first.clone().requires_grad_(), second.clone().requires_grad_()
        objective(one, other).backward()

    return {
        "limit: z z' and (2B, 2B) z": limit,
        "nt_xent": lambda: both_ways(nt_xent),
        "nt_xent_by_blocks": lambda: both_ways(nt_xent_by_blocks),
    }


def run() -> list[str]:
    lines = ["## NT-Xent, forward and backward, width 128, float32", ""]
    lines += [
        "Limit: the two matrix products, 4 (2B)^2 128 floating-point operations each way. Memory: `nt_xent` holds",
        "",
    ]
    lines[-2] += " (2B)^2 floats up to 1,024 pairs and 512 x 2B above; `nt_xent_by_blocks` always the latter."
    for batch in (256, 1024, 4096):
        seconds = interleaved(candidates(batch), rounds=5)
        lines += table(f"B = {batch}", seconds, "limit: z z' and (2B, 2B) z", batch, "pairs")
    return lines
