"""Arrivals: each file once, in order; half-written ones are waited for; the journal outlives a cut."""

import os
from pathlib import Path

import pytest

from data.making import noise, packed, write
from unlabeled.data.arrivals import ArrivalJournal, Arrivals
from unlabeled.errors import UserError


def put(folder: Path, name: str, age: int, content: bytes | None = None) -> Path:
    """A file that was last written `age` seconds ago."""
    path = write(folder / name, packed(noise(8, 8), "PNG") if content is None else content)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def names(arrivals: Arrivals) -> list[str]:
    return [each.name for each in arrivals.look()]


def test_files_come_once_in_order_of_arrival(tmp_path: Path) -> None:
    for name, age in (("b.png", 30), ("a.png", 10), ("deep/c.jpg", 20)):
        put(tmp_path, name, age, packed(noise(8, 8), "JPEG") if name.endswith("jpg") else None)
    arrivals = Arrivals(tmp_path, set())
    assert names(arrivals) == ["b.png", "deep/c.jpg", "a.png"]
    put(tmp_path, "0.png", 90)
    assert names(arrivals) == ["0.png"] and names(arrivals) == []
    assert names(Arrivals(tmp_path, {"a.png", "b.png", "0.png"})) == ["deep/c.jpg"]


def test_hidden_files_and_other_kinds_are_left_alone(tmp_path: Path) -> None:
    for name in (".a.png", ".part/b.png", "notes.txt", "a.png.part"):
        put(tmp_path, name, 1)
    assert names(Arrivals(tmp_path, set())) == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.98])
def test_a_half_written_file_is_waited_for(tmp_path: Path, kind: str, share: float) -> None:
    whole = packed(noise(40, 40), kind)
    path = put(tmp_path, f"a.{kind.lower()}", 5, whole[: int(share * len(whole))])
    arrivals = Arrivals(tmp_path, set(), settled=60)
    assert names(arrivals) == names(arrivals) == []
    path.write_bytes(whole)
    (arrival,) = arrivals.look()
    assert arrival.pixels is not None and arrival.pixels.shape == (40, 40, 3)


def test_a_file_that_stays_as_it_is_and_cannot_be_read_is_listed_once(tmp_path: Path) -> None:
    put(tmp_path, "bad.png", 5, b"no picture")
    arrivals = Arrivals(tmp_path, set(), settled=0.0)
    assert names(arrivals) == [], "it is seen for the first time, and may yet grow"
    (arrival,) = arrivals.look()
    assert arrival.pixels is None and names(arrivals) == []
    assert arrival.reason and "give other files" not in arrival.reason  # of this file alone


def test_a_file_that_still_grows_is_no_unreadable_one(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, set(), settled=0.0)
    for length in range(10, 14):
        put(tmp_path, "a.png", 20 - length, packed(noise(8, 8), "PNG")[:length])
        assert names(arrivals) == []


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        names(Arrivals(tmp_path / "none", set()))


def test_the_journal_gives_back_what_was_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.jsonl"
    journal = ArrivalJournal(path)
    journal.batch(["a.png", "b\n\u00e9.png"])
    journal.unreadable("bad.png")
    journal.batch(["c.png"])
    content = path.read_bytes()
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        again = ArrivalJournal(path)
        count = content[:cut].count(b"\n")
        assert again.batches == [["a.png", "b\n\u00e9.png"], ["c.png"]][: (0, 1, 1, 2)[count]]
        assert path.read_bytes() == content[: content[:cut].rfind(b"\n") + 1], "what was cut is gone"
    assert again.known == {"a.png", "b\n\u00e9.png", "c.png", "bad.png"}


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b'{"batch": 3}\n', b'{"batch": [1]}\n', b"nonsense\n"])
def test_a_damaged_journal_is_one_sentence(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "arrivals.jsonl").write_bytes(line)
    with pytest.raises(UserError, match="is damaged"):
        ArrivalJournal(tmp_path / "arrivals.jsonl")
