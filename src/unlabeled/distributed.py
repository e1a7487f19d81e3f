"""Sums and gathers across processes; in one process each is the identity.

Every function works on gloo and NCCL and on float64, so that what is exact on one process can be
shown to be exact on two.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from unlabeled.errors import UserError


def world_size() -> int:
    """The number of processes, 1 where torch.distributed is not in use."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number, 0 to `world_size() - 1`."""
    return dist.get_rank() if world_size() > 1 else 0


class _Gather(torch.autograd.Function):
    """All processes' rows; the gradient of a row is the sum of what all processes ask of it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)  # sum, not mean: every process's loss used this row as a key
        return gradient.chunk(world_size())[rank()]


def gather(rows: Tensor) -> Tensor:
    """Rows of all processes, process after process, with gradient.

    Args:
        rows: (B, ...), of one shape on every process.

    Returns:
        (R B, ...) for R processes. The backward pass sums over processes, so that with gradients
        averaged by DDP the update equals that of one process holding the whole batch.
    """
    return _Gather.apply(rows) if world_size() > 1 else rows


def total(value: Tensor) -> Tensor:
    """The sum of `value` (any shape, on any device) over processes, without gradient; a new tensor."""
    value = value.detach().clone()
    if world_size() == 1:
        return value
    there = value.cuda() if dist.get_backend() == "nccl" else value  # NCCL knows no memory but the GPU's
    dist.all_reduce(there)
    return there.to(value.device)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean over processes of every parameter's gradient; a process without one counts as zero.

    A parameter that has no gradient on any process keeps none.
    """
    chosen = list(parameters)
    used = total(torch.tensor([float(p.grad is not None) for p in chosen], device=chosen[0].device))
    for parameter, processes in zip(chosen, used.tolist(), strict=True):
        if processes:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = total(gradient) / world_size()


def collect(item: Any) -> list[Any]:
    """`item` (any small Python object) of every process, in order of rank.

    The objects come from our own processes of one run; nothing that was read from disk or sent by a
    user passes through here.
    """
    if world_size() == 1:
        return [item]
    items: list[Any] = [None] * world_size()
    dist.all_gather_object(items, item)
    return items


def collect_rows(rows: Tensor) -> list[Tensor]:
    """The rows of every process, in order of rank, without gradient.

    Args:
        rows: (B, ...) on any device; B may differ between processes, and where it is 0 the rest of the shape too.

    Returns:
        One (B_r, ...) for each process, on the device of `rows`.
    """
    if world_size() == 1:
        return [rows]
    shapes = collect(tuple(rows.shape))
    longest = max(shapes)
    there = rows.cuda() if dist.get_backend() == "nccl" else rows  # NCCL knows no memory but the GPU's
    padded = there.new_zeros(longest)
    if len(rows):
        padded[: len(rows)] = there
    parts = [torch.empty_like(padded) for _ in shapes]
    dist.all_gather(parts, padded)
    return [part[: shape[0]].to(rows.device) for part, shape in zip(parts, shapes, strict=True)]


def same_everywhere(flag: bool) -> bool:
    """True on all processes as soon as it is on one: how a signal that one process got stops all at the same step."""
    return any(collect(flag))


def on_first(act: Callable[[], object]) -> None:
    """Let the first process act while the others wait; a user's error there, or the disk's, is raised on all.

    Raises:
        UserError: what `act` raised.
        OSError: on the first process; on the others a UserError that says so.
    """
    problem = None
    if rank() == 0:
        try:
            act()
        except UserError as error:
            problem = str(error)
        except OSError:
            collect("the first process could not write; its own message says why.")
            raise
    problem = collect(problem)[0]
    if problem is not None:
        raise UserError(problem)


@contextmanager
def lost_process_told() -> Iterator[None]:
    """Raise what happens inside because another process ended as a sentence: that one's message says why.

    Raises:
        UserError: another process ended.
    """
    try:
        yield
    except RuntimeError as problem:
        gone = (
            isinstance(problem, dist.DistError) or "closed by peer" in str(problem) or "reset by peer" in str(problem)
        )
        if world_size() == 1 or not gone:
            raise
        raise UserError("another process of this run has ended; its own message says why.") from None


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        dist.barrier()
