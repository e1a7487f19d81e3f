"""Several processes that talk by gloo, for tests of what is computed over all of them."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing


def run_in_processes(function: Callable[..., Any], count: int, *arguments: Any) -> list[Any]:
    """What `function(*arguments)` returns on each of `count` processes, by rank; an error in one is raised here."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_work, (count, folder, function, arguments), nprocs=count)
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _work(rank: int, count: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    try:
        torch.save(function(*arguments), Path(folder) / f"{rank}.pt")
        dist.barrier()
    finally:
        dist.destroy_process_group()
