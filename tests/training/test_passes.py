"""A pass over all samples: each once, whoever shares it, seen as chance alone decides."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from battery.processes import run_in_processes
from battery.small import digits
from unlabeled import chance
from unlabeled.errors import Unreadable
from unlabeled.modalities import modality
from unlabeled.training.passes import Pass, Passes
from unlabeled.views import images


def passes(count: int = 50, batch_size: int = 16, **change: Any) -> Passes:
    samples = modality("images").open(digits(count)[0], None)
    made = Passes(samples, images.sela(8), images.plain(8), 0, batch_size, 0, Fabric(accelerator="cpu", devices=1))
    return replace(made, **change)


def flat(batch: torch.Tensor) -> torch.Tensor:
    """An encoder to look through: the picture itself."""
    return batch.flatten(1)


@pytest.mark.parametrize("count", [16, 17, 31, 32, 33, 50])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_sample_is_there_once_and_no_batch_is_small(count: int, processes: int) -> None:
    samples = modality("images").open(digits(count)[0], None)
    shares = [Pass(samples, images.sela(8), 0, 1, 16, process, processes) for process in range(processes)]
    batches = [np.concatenate([share.places[number] for share in shares]) for number in range(len(shares[0]))]
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    assert len(batches) == count // 16 and min(map(len, batches)) >= 16
    assert all(len(places) for share in shares for places in share.places), "a process would have nothing to normalise"


def test_what_is_seen_of_a_sample_depends_on_seed_pass_and_sample_alone() -> None:
    one = passes()

    def by_place(number: int, processes: int = 1, seed: int = 0) -> np.ndarray:
        seen = np.empty((50, 8, 8, 3), np.float32)
        for process in range(processes):
            share = Pass(one.samples, one.views, seed, number, 16, process, processes)
            for batch in range(len(share)):
                made = share[batch].batch
                seen[made.index.numpy()] = made.views.permute(0, 2, 3, 1).numpy()
        return seen

    expected = [
        one.views.view(one.views.read(one.samples, place), chance.generator(0, chance.PASS, 2, place, 0))
        for place in range(50)
    ]
    np.testing.assert_array_equal(by_place(2), np.stack(expected))
    np.testing.assert_array_equal(by_place(2), by_place(2, processes=3))
    for other in (by_place(3), by_place(2, seed=1)):
        assert (np.abs(by_place(2) - other).max(axis=(1, 2, 3)) > 0).mean() > 0.9


def test_rows_stand_beside_their_places_and_workers_change_nothing() -> None:
    one = passes()
    rows, places = one.rows(flat, 0, True, "looking")
    assert sorted(places.tolist()) == list(range(50)) and places.tolist() != list(range(50))
    for row, place in zip(rows, places.tolist(), strict=True):
        plain = one.plain.view(one.plain.read(one.samples, place), None).transpose(2, 0, 1)
        np.testing.assert_array_equal(row.numpy(), plain.ravel())
    again, there = replace(one, workers=2).rows(flat, 0, True, "looking")
    assert torch.equal(rows, again) and torch.equal(places, there)


def test_float64_stays_and_half_precision_does_not() -> None:
    one = passes()
    kinds = {torch.float64: torch.float64, torch.bfloat16: torch.float32}
    for inside, outside in kinds.items():
        assert one.rows(lambda batch, kind=inside: flat(batch).to(kind), 0, True, "looking")[0].dtype is outside


class Damaged:
    """Digits of which some cannot be read."""

    labels = None

    def __init__(self, samples: Any, damaged: set[int]) -> None:
        self.samples, self.damaged = samples, damaged

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, place: int, at_least: int | None) -> np.ndarray:
        if place in self.damaged:
            raise Unreadable(f"{place}.png", "damaged")
        return self.samples.read(place, at_least)


def test_a_sample_that_cannot_be_read_has_no_row_and_none_is_there_twice() -> None:
    whole = passes()
    rows, places = replace(whole, samples=Damaged(whole.samples, {3, 4, 49})).rows(flat, 0, False, "looking")
    assert sorted(places.tolist()) == [place for place in range(50) if place not in (3, 4, 49)]
    others, everywhere = whole.rows(flat, 0, False, "looking")
    expected = dict(zip(everywhere.tolist(), others, strict=True))
    assert all(torch.equal(row, expected[place]) for row, place in zip(rows, places.tolist(), strict=True))


def share_of_rows() -> tuple[torch.Tensor, torch.Tensor]:
    return passes().rows(flat, 5, False, "looking")


def test_processes_share_the_rows() -> None:
    shares = run_in_processes(share_of_rows, 3)
    rows, places = passes().rows(flat, 5, False, "looking")
    expected = dict(zip(places.tolist(), rows, strict=True))
    found = [(place, row) for rows, places in shares for place, row in zip(places.tolist(), rows, strict=True)]
    assert len(found) == 50 and all(torch.equal(row, expected[place]) for place, row in found)
