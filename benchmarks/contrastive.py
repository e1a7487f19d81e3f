"""NT-Xent, forward and backward, against its two matrix products; lightly's loss beside it where it is installed."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from timing import interleaved, resident, table
from unlabeled.objectives import nt_xent

WIDTH = 128
LIMIT = "limit: z z' and (2B, 2B) z"
Objective = Callable[[Tensor, Tensor], Tensor]


def plain(first: Tensor, second: Tensor) -> Tensor:
    """What one writes first: the logits whole, and torch's cross-entropy."""
    rows = normalize(torch.cat([first, second]), dim=1)
    logits = (rows @ rows.T / 0.1).fill_diagonal_(float("-inf"))
    return cross_entropy(logits, torch.arange(len(rows)).roll(len(first)))


def objectives() -> dict[str, Objective]:
    """Ours, plain torch, and lightly's where it is installed."""
    found: dict[str, Objective] = {"nt_xent": nt_xent, "plain torch": plain}
    try:
        from lightly.loss import NTXentLoss
    except ImportError:
        return found
    return found | {"lightly": NTXentLoss(temperature=0.1)}


def both_ways(objective: Objective, first: Tensor, second: Tensor) -> None:
    one, other = first.clone().requires_grad_(), second.clone().requires_grad_()
    objective(one, other).backward()


def candidates(batch: int) -> dict[str, Callable[[], None]]:
    first, second = torch.randn(2, batch, WIDTH)
    rows = normalize(torch.cat([first, second]), dim=1)

    def limit() -> None:
        logits = rows @ rows.T
        logits @ rows

    chosen = {name: o for name, o in objectives().items() if batch <= 4096 or name == "nt_xent"}
    return {LIMIT: limit} | {name: (lambda o=o: both_ways(o, first, second)) for name, o in chosen.items()}


def memory(name: str, batch: int) -> float:
    """By how much one step raises the peak of resident memory of a fresh process, in MB."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send_growth, args=(there, name, batch))
    process.start()
    found: float = here.recv()
    process.join()
    return found


def _send_growth(there, name: str, batch: int) -> None:
    objective = objectives()[name]
    both_ways(objective, *torch.randn(2, 8, WIDTH))
    first, second = torch.randn(2, batch, WIDTH)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: a child starts with its parent's
    before = resident("VmRSS")
    both_ways(objective, first, second)
    there.send(resident("VmHWM") - before)


def run() -> list[str]:
    lines = ["## NT-Xent, forward and backward, width 128, float32", ""]
    lines += ["Limit: the two matrix products, 4 (2B)^2 128 floating-point operations each way.", ""]
    for batch, rounds in ((256, 25), (1024, 15), (4096, 7), (8192, 3)):
        lines += table(f"B = {batch}", interleaved(candidates(batch), rounds), LIMIT, batch, "pairs")
    lines += [
        "### Memory",
        "",
        "Growth of the peak over one step in a fresh process, MB; (2B, 2B) floats beside it.",
        "",
    ]
    lines += ["| B | " + " | ".join(objectives()) + " | one matrix |", "| --- " * (len(objectives()) + 2) + "|"]
    for batch in (1024, 4096, 8192, 32768):
        found = [f"{memory(name, batch):,.0f}" if batch <= 4096 or name == "nt_xent" else "-" for name in objectives()]
        lines.append(f"| {batch} | {' | '.join(found)} | {(2 * batch) ** 2 * 4 / 2**20:,.0f} |")
    return [*lines, ""]
