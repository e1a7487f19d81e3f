"""Chance is a function of the place: workers, resumes and processes change no tensor."""

import multiprocessing
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from battery.small import digits
from unlabeled import chance
from unlabeled.errors import Unreadable, UserError
from unlabeled.modalities import modality
from unlabeled.training.loader import Steps, batches
from unlabeled.views import images


def steps(process: int = 0, processes: int = 1, seed: int = 0, batch_size: int = 10, samples: Any = None) -> Steps:
    samples = modality("images").open(digits(48)[0], None) if samples is None else samples
    return Steps(samples, images.simclr(8), seed, batch_size, process, processes)


@pytest.fixture(scope="module")
def straight() -> list[Any]:
    """Nine steps, more than two epochs of four, made in this process."""
    return [loaded.batch for loaded in batches(steps(), 0, 9, workers=0)]


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(workers: int, straight: list[Any]) -> None:
    found = [loaded.batch for loaded in batches(steps(), 0, 9, workers)]
    assert len(found) == 9
    for one, other in zip(straight, found, strict=True):
        assert torch.equal(one.views, other.views) and torch.equal(one.index, other.index)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_workers_start_whatever_python_starts_processes_by(straight: list[Any]) -> None:
    """Python 3.14 starts a server on Linux, and macOS a new interpreter, by default: closures reach neither."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        found = next(batches(steps(), 0, 9, workers=1)).batch
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert torch.equal(found.views, straight[0].views)


@pytest.mark.parametrize("start", [1, 4, 6])
def test_a_resumed_epoch_goes_on(start: int, straight: list[Any]) -> None:
    found = next(batches(steps(), start, 9, workers=0)).batch
    assert torch.equal(found.views, straight[start].views)


@pytest.mark.parametrize("workers", [0, 2])
def test_views_that_are_made_together_stay_together(workers: int) -> None:
    """Both views of a sample are one crop: without an operation's change they are equal, and workers change nothing."""
    samples = modality("images").open(digits(48)[0], None)
    views = images.simclr(8, operations=("cutout",), asymmetric=True)
    (loaded,) = batches(Steps(samples, views, 0, 10), 2, 3, workers)
    changed, shared = loaded.batch.views.chunk(2)
    black = (changed == 0).all(1, keepdim=True).expand_as(changed)
    assert torch.equal(changed[~black], shared[~black])
    assert black.flatten(1).any(1).all() and not torch.equal(changed, shared)
    generator = chance.generator(0, chance.VIEWS, 0, int(loaded.batch.index[3]), 0)
    both = views.together(views.read(samples, int(loaded.batch.index[3])), [generator, generator])
    assert np.array_equal(both[1], shared[3].permute(1, 2, 0).numpy())


def test_two_processes_share_the_batch_of_one(straight: list[Any]) -> None:
    shares = [[loaded.batch for loaded in batches(steps(process, 2), 0, 5, 0)] for process in (0, 1)]
    for whole, first, second in zip(straight, *shares, strict=False):
        views = [torch.cat(view) for view in zip(first.views.chunk(2), second.views.chunk(2), strict=True)]
        assert torch.equal(torch.cat(views), whole.views)
        assert torch.equal(torch.cat([first.index, second.index]), whole.index)


def test_parts_cut_the_batch_whatever_the_number_of_processes(straight: list[Any]) -> None:
    """Two parts of a batch of 12: each holds the same samples by one process, by two and by three."""

    def parts_of(process: int, processes: int) -> list[list[int]]:
        samples = modality("images").open(digits(48)[0], None)
        shared = Steps(samples, images.simclr(8), 0, 12, process, processes, parts=2)
        return [part.index.tolist() for part in shared[1].parts]

    whole = parts_of(0, 1)
    assert [len(part) for part in whole] == [6, 6]
    assert [*whole[0], *whole[1]] == chance.order(0, 0, 48)[12:24].tolist()
    for processes in (2, 3):
        shares = [parts_of(process, processes) for process in range(processes)]
        for number in (0, 1):
            assert [place for share in shares for place in share[number]] == whole[number]


def test_an_epoch_sees_each_sample_once(straight: list[Any]) -> None:
    first, second = (torch.cat([b.index for b in straight[start : start + 4]]) for start in (0, 4))
    assert len(set(first.tolist())) == 40 and len(set(second.tolist())) == 40
    assert first.tolist() != second.tolist()


def test_views_of_a_sample_differ_and_change_with_the_epoch(straight: list[Any]) -> None:
    one, other = straight[0].views.chunk(2)
    assert (one - other).abs().mean() > 0.01
    place = int(straight[0].index[0])
    again = next(b for b in straight[4:8] if place in b.index.tolist())
    row = again.index.tolist().index(place)
    assert not torch.equal(again.views[row], one[0])


def test_the_seed_decides() -> None:
    one, other = next(batches(steps(seed=1), 0, 1, 0)).batch, next(batches(steps(seed=2), 0, 1, 0)).batch
    assert one.index.tolist() != other.index.tolist()


def test_order_is_a_permutation_and_places_do_not_share_draws() -> None:
    assert sorted(chance.order(0, 3, 100).tolist()) == list(range(100))
    draws = [chance.generator(0, use, 1).random() for use in range(5)] + [chance.generator(0, 0, 1, 0).random()]
    assert len(set(draws)) == len(draws)


class Broken:
    """Pictures of which some cannot be read."""

    def __init__(self, broken: set[int], count: int = 48) -> None:
        self.pixels, self.broken, self.labels = digits(count)[0], broken, None

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, place: int, at_least: int | None) -> np.ndarray:
        if place in self.broken:
            raise Unreadable(f"{place}.png", "damaged")
        return np.repeat(self.pixels[place][:, :, None], 3, 2)


def test_an_unreadable_sample_gives_way_to_the_next_and_is_named() -> None:
    whole = next(islice(batches(steps(samples=Broken(set())), 0, 1, 0), 1))
    victim = int(whole.batch.index[3])
    loaded = next(batches(steps(samples=Broken({victim})), 0, 1, 0))
    assert loaded.unreadable == [(f"{victim}.png", "damaged")]
    assert int(loaded.batch.index[3]) == (victim + 1) % 48
    others = [row for row in range(10) if row != 3]
    assert torch.equal(loaded.batch.views[others], whole.batch.views[others])


class Deadly(Broken):
    """The process that reads a sample dies of it, as of a system without memory."""

    def read(self, place: int, at_least: int | None) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().read(place, at_least)


def test_a_worker_that_the_system_ends_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"ended by the system.*lower --workers"):
        next(batches(steps(samples=Deadly(set())), 0, 1, workers=1))


def test_nothing_readable_is_said() -> None:
    with pytest.raises(UserError, match="no sample of the data can be read"):
        steps(samples=Broken(set(range(48))))[0]


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_readable_is_one_sentence_wherever_it_is_met(workers: int) -> None:
    with pytest.raises(UserError) as told:
        next(batches(steps(samples=Broken(set(range(48)))), 0, 1, workers))
    assert str(told.value).startswith("no sample of the data can be read") and "\n" not in str(told.value)


class Faulty(Broken):
    """A fault in how samples are read."""

    def read(self, place: int, at_least: int | None) -> np.ndarray:
        raise RuntimeError("a fault")


def test_a_fault_in_a_worker_is_not_told_as_want_of_memory() -> None:
    with pytest.raises(RuntimeError, match="a fault"):
        next(batches(steps(samples=Faulty(set())), 0, 1, workers=1))


HELD = """
import sys
from battery.small import digits
from unlabeled.modalities import modality
from unlabeled.training.loader import Steps, batches
from unlabeled.views import images

sys.held = batches(Steps(modality("images").open(digits(48)[0], None), images.simclr(8), 0, 10), 0, 90, workers=2)
next(sys.held)
"""


def test_python_ends_although_someone_still_holds_the_batches() -> None:
    """As the traceback of a fault does: workers hear no SIGTERM, which is how Python ends them."""
    tests = str(Path(__file__).parent.parent)
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", HELD]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, timeout=60, capture_output=True, text=True)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
