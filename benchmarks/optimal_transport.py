"""Balanced assignment: a pass against one exponential an entry, from a memory map too, and peers' three iterations."""

import multiprocessing
import os
import shutil
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from timing import interleaved, resident, table
from unlabeled.objectives import balanced_assignment
from unlabeled.objectives.optimal_transport.passes import Shares
from unlabeled.objectives.optimal_transport.rows import Threads

ROWS, CLUSTERS, STRENGTH = int(os.environ.get("ROWS", 1_000_000)), 3000, 25.0
"""Of the memory map, 12 GB; `ROWS=100000 make bench` where the disk or the memory to cache it is small."""
EXPONENTIAL, READ, BOTH = "limit: torch.exp of every entry", "limit: one read of the kernel", "limit: y = 2 x"


def logits(count: int, clusters: int) -> Iterator[Tensor]:
    """Of a linear head on random features, in chunks."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, clusters, generator=generator) / 8
    for start in range(0, count, 8192):
        yield torch.randn(min(8192, count - start), 64, generator=generator) @ weight


def cosines(count: int, clusters: int) -> Tensor:
    """What SwAV's codes are made of: similarities to unit prototypes."""
    return normalize(torch.randn(count, 64)) @ normalize(torch.randn(clusters, 64)).T


def exponentials(data: Tensor) -> None:
    """torch.exp of every entry, by all of torch's threads, into a buffer that stays in their caches."""
    size = 64 * torch.get_num_threads()
    buffer = torch.empty(size, data.shape[1])
    for start in range(0, len(data), size):
        part = data[start : start + size]
        torch.exp(part, out=buffer[: len(part)])


def a_pass(data: np.ndarray | Tensor, bias: Tensor, limit: str, rounds: int, kernel_memory: int = 0) -> dict:
    """Seconds of a pass under a bias, beside those of the limit."""
    rows = data if isinstance(data, Tensor) else torch.from_numpy(data)
    with Threads() as threads:
        shares = Shares(data, CLUSTERS, STRENGTH, None, kernel_memory, threads)
        shares.log(bias)  # the kernel is formed, where it is kept
        limits = {EXPONENTIAL: lambda: exponentials(rows), READ: lambda: rows.sum()}
        return interleaved({limit: limits[limit], "a pass": lambda: shares.log(bias)}, rounds, warmup=0)


def in_own_process(function: Callable[..., object], *arguments: object) -> object:
    """What the function returns in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(there, function, arguments))
    process.start()
    found = here.recv()
    process.join()
    return found


def _send(there, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    there.send(function(*arguments))


def anonymous_peak(act: Callable[[], object]) -> float:
    """The largest anonymous memory of this process while `act` runs, looked at every 5 ms, in MB."""
    seen, over = [resident("RssAnon")], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            seen.append(resident("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    act()
    over.set()
    watcher.join()
    return max(seen)


def mapped(path: str) -> tuple[dict, float]:
    """A pass from a memory map, and the anonymous memory of a solution that is stopped after two."""
    data = np.load(path, mmap_mode="c")  # copy on write: torch warns of arrays that cannot be written
    found = []
    peak = anonymous_peak(lambda: found.append(balanced_assignment(data, STRENGTH, tolerance=0.0, max_passes=2)))
    return a_pass(data, found[0].bias, EXPONENTIAL, rounds=2), peak


def from_disk() -> list[str]:
    folder = Path(tempfile.mkdtemp(prefix="logits"))
    try:
        count = min(ROWS, int(0.8 * shutil.disk_usage(folder).free / (4 * CLUSTERS)))
        data = np.lib.format.open_memmap(folder / "logits.npy", "w+", np.float32, (count, CLUSTERS))
        for number, chunk in enumerate(logits(count, CLUSTERS)):
            data[8192 * number : 8192 * number + len(chunk)] = chunk.numpy()
        data.flush()
        del data
        seconds, peak = in_own_process(mapped, str(folder / "logits.npy"))
    finally:
        shutil.rmtree(folder)
    size = f"{count:,} x {CLUSTERS:,}, {4 * count * CLUSTERS / 1e9:.1f} GB"
    lines = table(f"From a memory map, {size}", seconds, EXPONENTIAL, count * CLUSTERS, "entries")
    return [*lines, f"Anonymous memory at most {peak:,.0f} MB, with Python's and torch's own.", ""]


def in_memory(count: int = 50_000) -> list[str]:
    data = torch.cat(list(logits(count, CLUSTERS)))
    bias = balanced_assignment(data, STRENGTH, tolerance=0.0, max_passes=2).bias
    size = f"{count:,} x {CLUSTERS:,}"
    lines = table(f"In memory, {size}", a_pass(data, bias, EXPONENTIAL, 5), EXPONENTIAL, data.numel(), "entries")
    kept = a_pass(data, bias, READ, 7, kernel_memory=2**34)
    return [*lines, *table(f"With the kernel kept, {size}", kept, READ, data.numel(), "entries")]


def ours(data: Tensor) -> None:
    balanced_assignment(data, 20.0, tolerance=0.0, max_passes=3)


def peers() -> dict[str, Callable[[Tensor], object]]:
    """Three iterations by others, where they are installed."""
    found: dict[str, Callable[[Tensor], object]] = {"balanced_assignment": ours}
    try:
        from lightly.loss.swav_loss import sinkhorn
    except ImportError:
        pass
    else:
        found["lightly, sinkhorn"] = lambda data: sinkhorn(data, iterations=3, epsilon=0.05)
    try:
        import ot
    except ImportError:
        return found

    def with_pot(data: Tensor) -> None:
        mass = [np.full(size, 1 / size, np.float32) for size in data.shape]
        ot.sinkhorn(*mass, -data.numpy(), 0.05, numItermax=3, stopThr=0.0, warn=False)

    return found | {"POT, sinkhorn": with_pot}


def growth(name: str, count: int, clusters: int) -> float:
    """By how much a call raises the peak of resident memory, in MB."""
    peers()[name](cosines(64, 8))
    data = cosines(count, clusters)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    peers()[name](data)
    return resident("VmHWM") - before


def three_iterations(count: int = 100_000, clusters: int = 1000) -> list[str]:
    data = cosines(count, clusters)
    other = torch.empty_like(data)
    chosen = {BOTH: lambda: torch.mul(data, 2, out=other)}
    chosen |= {name: (lambda call=call: call(data)) for name, call in peers().items()}
    lines = table(f"Three iterations, {count:,} x {clusters:,}", interleaved(chosen, 5), BOTH, data.numel(), "entries")
    lines += [f"Growth of the peak of memory in a fresh process, MB; the matrix has {data.nbytes / 2**20:,.0f}.", ""]
    grown = {name: in_own_process(growth, name, count, clusters) for name in peers()}
    return [*lines, "| | MB |", "| --- | --- |", *(f"| {name} | {each:,.0f} |" for name, each in grown.items()), ""]


def scaling(clusters: int = 1000) -> list[str]:
    """Seconds of ten passes by the number of samples, and the exponent of a power law through them."""
    data = torch.cat(list(logits(1_000_000, clusters)))
    sizes = [10_000, 31_623, 100_000, 316_228, 1_000_000]
    candidates = {
        str(size): lambda s=size: balanced_assignment(data[:s], STRENGTH, tolerance=0.0, max_passes=10)
        for size in sizes
    }
    medians = [statistics.median(times) for times in interleaved(candidates, 3).values()]
    exponent = np.polyfit(np.log(sizes), np.log(medians), 1)[0]
    lines = [f"### Ten passes by the number of samples, K = {clusters}", "", "| samples | ms |", "| --- | --- |"]
    lines += [f"| {size:,} | {1e3 * seconds:.1f} |" for size, seconds in zip(sizes, medians, strict=True)]
    return [*lines, "", f"Time grows as the number of samples to the power {exponent:.2f}.", ""]


def numbers_of_passes(count: int = 20_000, clusters: int = 128) -> list[str]:
    """How many passes each way of stepping takes to a marginal error of 1e-3."""
    data = torch.cat(list(logits(count, clusters)))
    ways = {
        "plain (Sinkhorn)": {"memory": 0},
        "over-relaxed, 1.8": {"memory": 0, "relaxation": 1.8},
        "mixed with five steps (default)": {},
        "and begun on a subsample of 5 %": {"subsample": 0.05},
    }
    lines = [f"### Passes to a marginal error of 1e-3, {count:,} x {clusters}", ""]
    lines += ["| | strength 10 | strength 25 | 25, logits times 3 |", "| --- | --- | --- | --- |"]
    for name, options in ways.items():
        found = [balanced_assignment(scale * data, strength, **options).passes
                 for scale, strength in ((1, 10.0), (1, 25.0), (3, 25.0))]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(map(str, found))} |")
    return [*lines, ""]


def run() -> list[str]:
    lines = ["## Balanced assignment, float32", ""]
    lines += ["Limits: one exponential an entry; where the kernel is kept, one read of it.", ""]
    return [*lines, *in_memory(), *from_disk(), *three_iterations(), *scaling(), *numbers_of_passes()]
