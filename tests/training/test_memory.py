"""Out of memory is one sentence with the batch size to try, and the last checkpoint stays."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from battery import hooks
from battery.small import session
from unlabeled.errors import UserError
from unlabeled.training.memory import is_out_of_memory, smaller_batch
from unlabeled.training.method import Batch


def gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def really() -> None:
    torch.empty(2**58)


def python() -> None:
    np.empty(2**58)


def raised_by(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except BaseException as problem:
        return problem
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("act", [gpu, really, python])
def test_every_kind_is_recognised(act: Callable[[], None]) -> None:
    assert is_out_of_memory(raised_by(act))


@pytest.mark.parametrize(
    "text",
    [
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried ...",
        "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried to allocate ...",
        "unable to mmap 4096 bytes from file: Cannot allocate memory (12)",
        "MPS backend out of memory (MPS allocated: 18.07 GB)",
    ],
)
def test_every_wording_is_recognised(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text)) and not is_out_of_memory(ValueError(text))


@pytest.mark.parametrize("act", [lambda: torch.ones(2) @ torch.ones(3), lambda: {}["memory"]], ids=["shape", "key"])
def test_nothing_else_is(act: Callable[[], object]) -> None:
    assert not is_out_of_memory(raised_by(act))


@pytest.mark.parametrize("act", [gpu, really, python])
def test_training_says_what_to_try_and_keeps_its_checkpoint(act: Callable[[], None], tmp_path: Path) -> None:
    class Greedy(hooks.Momentum):
        def loss(self, batch: Batch) -> Tensor:
            if int(self.seen) == 4:
                act()
            return super().loss(batch)

    expected = r"out of memory at step 4 with --batch-size 16; start a new run with --batch-size 8 or --accumulate 2 \("
    with pytest.raises(UserError, match=expected):
        session(Greedy, tmp_path / "run").train()
    assert session(hooks.Momentum, tmp_path / "run", resume=True).loop.done == 3


def test_other_faults_stay_ours(tmp_path: Path) -> None:
    class Wrong(hooks.Plain):
        def loss(self, batch: Batch) -> Tensor:
            return self.head(batch.views)

    with pytest.raises(RuntimeError):
        session(Wrong, tmp_path / "run").train()


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "processes", "in_parts", "advice"),
    [
        (256, 1, 1, True, "--batch-size 128 or --accumulate 2"),
        (256, 2, 4, True, "--batch-size 128 or --accumulate 4"),
        (256, 1, 1, False, "--batch-size 128 or a smaller --image-size or --encoder"),
        (6, 1, 2, True, "--batch-size 2 or a smaller --image-size or --encoder"),
        (3, 1, 1, True, "a smaller --image-size or --encoder"),
        (8, 1, 8, True, "a smaller --image-size or --encoder"),
    ],
)
def test_what_to_try(batch_size: int, accumulate: int, processes: int, in_parts: bool, advice: str) -> None:
    assert smaller_batch(batch_size, accumulate, processes, in_parts) == advice
