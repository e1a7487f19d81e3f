"""Representations by one, two and three processes: the same rows in the same order, to the bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from battery.processes import run_in_processes
from digits import digits
from unlabeled.distributed import collect_rows, rank
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import Unreadable, UserError
from unlabeled.evaluation.extraction import encode_with, extract, extract_blocks
from unlabeled.evaluation.features import cached
from unlabeled.views import images

BATCH, COUNT = 8, 45
BROKEN = (3, 16, 17, 18, 19, 20, 21, 22, 23, 44)
"""One in the first block, the whole of the third, and the last sample."""


class Pictures:
    """Digits of which some cannot be read."""

    labels = None

    def __init__(self, broken: tuple[int, ...] = BROKEN, count: int = COUNT) -> None:
        self.images, self.broken = digits(count)[0], broken

    def __len__(self) -> int:
        return len(self.images)

    def read(self, place: int, at_least: int | None) -> np.ndarray:
        if place in self.broken:
            raise Unreadable(f"{place}.png", "damaged")
        return self.images.read(place, at_least)


def encoder() -> nn.Module:
    torch.manual_seed(0)
    return image_encoder("small_resnet", 8).eval()


def all_ways(folder: str) -> dict[str, Any]:
    """What each process holds: the plain view, the views of a method, and the features kept in a folder."""
    encode, plain = encode_with(encoder()), images.plain(8)
    extracted = extract(encode, Pictures(), plain, BATCH)
    drawn = extract(encode, Pictures(), images.simclr(8), BATCH, seed=5)
    kept = cached(Path(folder), "key", lambda: extract_blocks(encode, Pictures(), plain, BATCH))
    small = extract(encode, Pictures((), 5), plain, BATCH)  # one block: others have none
    return {
        "plain": np.array(extracted.views[0]),
        "ids": extracted.ids,
        "unreadable": extracted.unreadable,
        "first": drawn.views[0],
        "second": drawn.views[1],
        "kept": np.array(kept.embeddings),
        "kept ids": kept.ids,
        "small": small.views[0],
        "problem": whats_wrong(),
        "nothing": nothing_readable(),
        "rows": [part.tolist() for part in collect_rows(torch.full((rank(), 2), rank() + 0.5))],
    }


def whats_wrong() -> str:
    """The last process has no memory: all must say so, and none may wait for ever."""

    def encode(batch: Tensor) -> Tensor:
        if torch.distributed.is_initialized() and rank() == torch.distributed.get_world_size() - 1:
            raise MemoryError
        return batch.flatten(1)

    try:
        extract(encode, Pictures(), images.plain(8), BATCH)
    except UserError as problem:
        return str(problem)
    return ""


def nothing_readable() -> str:
    try:
        extract(lambda batch: batch.flatten(1), Pictures(tuple(range(COUNT))), images.plain(8), BATCH)
    except UserError as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By one process, which the first test checks."""
    folder = tmp_path_factory.mktemp("one")
    return all_ways(str(folder)) | {"bytes": [(folder / n).read_bytes() for n in ("key.npy", "key.ids.npy")]}


def test_one_process_embeds_every_readable_sample_in_order(one: dict[str, Any]) -> None:
    readable = [place for place in range(COUNT) if place not in BROKEN]
    assert one["ids"].tolist() == one["kept ids"].tolist() == readable
    assert one["unreadable"] == [(f"{place}.png", "damaged") for place in BROKEN]
    view, network = images.plain(8), encoder()
    with torch.no_grad():
        for row, place in enumerate(readable):
            expected = network(view.join([[view.view(view.read(Pictures(), place), None)]]))[0]
            np.testing.assert_allclose(one["plain"][row], expected, rtol=1e-5, atol=1e-6)
    assert np.ptp(one["plain"], axis=0).max() > 0.01
    np.testing.assert_array_equal(one["kept"], one["plain"])
    assert one["first"].shape == one["second"].shape == one["plain"].shape
    assert not np.allclose(one["first"], one["second"])
    assert one["nothing"] == "none of the 45 samples can be read; the first: 0.png: damaged."


def test_a_kept_file_is_what_numpy_writes(one: dict[str, Any], tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", one["plain"])
    assert one["bytes"][0] == (tmp_path / "rows.npy").read_bytes()


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_hold_the_same_to_the_bit(count: int, one: dict[str, Any], tmp_path: Path) -> None:
    found = run_in_processes(all_ways, count, str(tmp_path))
    for part in found:
        for name in ("plain", "ids", "first", "second", "kept", "kept ids", "small"):
            np.testing.assert_array_equal(part[name], one[name], err_msg=name)
        assert part["unreadable"] == one["unreadable"] and part["nothing"] == one["nothing"]
        assert part["problem"].startswith("out of memory with one sample at a time")
        assert part["rows"] == [[[process + 0.5] * 2] * process for process in range(count)]
    assert [(tmp_path / name).read_bytes() for name in ("key.npy", "key.ids.npy")] == one["bytes"]
    assert len(list(tmp_path.iterdir())) == 2, "something half-written was left behind"


# --- memory -----------------------------------------------------------------------------------------------------------


def small_memory(most: int, seen: list[int]) -> Any:
    """An encoder that holds `most` rows of views."""

    def encode(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return batch.flatten(1)

    return encode


def test_too_large_a_batch_is_halved_until_it_fits() -> None:
    seen: list[int] = []
    whole = extract(lambda batch: batch.flatten(1), Pictures(), images.simclr(8), BATCH, seed=1)
    found = extract(small_memory(5, seen), Pictures(), images.simclr(8), BATCH, seed=1)
    for expected, rows in zip(whole.views, found.views, strict=True):
        np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(found.ids, whole.ids)
    # the first block's 7 samples have 14 views: then 4 samples at a time, then 2, which stays
    assert seen[:3] == [14, 8, 4] and max(seen[3:]) == 4


def test_not_even_one_sample_is_one_sentence() -> None:
    with pytest.raises(UserError, match="out of memory with one sample at a time"):
        extract(small_memory(1, []), Pictures(), images.simclr(8), BATCH)


def test_another_fault_is_not_taken_for_memory() -> None:
    def encode(batch: Tensor) -> Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        extract(encode, Pictures(), images.plain(8), BATCH)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_kept_is_read_and_what_is_damaged_is_made_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> Any:
        calls.append(1)
        return extract_blocks(lambda batch: batch.flatten(1), Pictures(), images.plain(8), BATCH, show=False)

    first = np.array(cached(tmp_path, "key", make).embeddings)
    assert isinstance(cached(tmp_path, "key", make).embeddings, np.memmap) and len(calls) == 1
    (tmp_path / "key.npy").write_bytes((tmp_path / "key.npy").read_bytes()[:-100])
    np.testing.assert_array_equal(cached(tmp_path, "key", make).embeddings, first)
    assert len(calls) == 2


def test_a_kill_while_it_is_written_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    def dies() -> Any:
        blocks = extract_blocks(lambda batch: batch.flatten(1), Pictures(), images.plain(8), BATCH)
        yield next(blocks)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "key", dies)
    assert not list(tmp_path.glob("*.npy"))
