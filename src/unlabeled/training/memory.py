"""Out of memory, told in one sentence with what to try, or met by taking less at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from unlabeled.errors import UserError

_WORDS = ("can't allocate memory", "not enough memory", "cannot allocate memory", "out of memory")


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an error says that there is no memory left: a GPU's, torch's allocator of the CPU, or Python's."""
    if isinstance(problem, torch.OutOfMemoryError | MemoryError):
        return True
    # torch's CPU allocator raises no class of its own
    return isinstance(problem, RuntimeError) and any(words in str(problem).lower() for words in _WORDS)


@contextmanager
def out_of_memory_told(advice: Callable[[], str]) -> Iterator[None]:
    """Raise what runs out of memory inside as the user's matter.

    Args:
        advice: called then: the sentence.

    Raises:
        UserError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as problem:  # torch.OutOfMemoryError is a RuntimeError
        if not is_out_of_memory(problem):
            raise
        raise UserError(advice()) from None


def smaller_batch(batch_size: int, accumulate: int, processes: int, in_parts: bool) -> str:
    """What to try instead of a batch that did not fit.

    Args:
        batch_size: over all processes and parts.
        accumulate: parts in which a step was made.
        processes: that shared it.
        in_parts: whether the method can make a step in parts.

    Returns:
        Half the batch, as far as it can still be shared; twice the parts, where that can be done.
    """
    unit = processes * accumulate
    half = batch_size // 2 // unit * unit
    options = [f"--batch-size {half}"] if half >= 2 else []
    if in_parts and batch_size % (2 * unit) == 0:
        options.append(f"--accumulate {2 * accumulate}")
    return " or ".join([*options, "a smaller --image-size or --encoder"][:2])
