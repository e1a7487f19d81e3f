import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unlabeled.errors import UserError
from unlabeled.training.checkpoints import Checkpoint, load, save, write_atomically

STATE = Checkpoint(7, {"w": torch.arange(3.0)}, {"state": {0: {"momentum": torch.ones(2)}}}, "abc", 1.5)


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path / "last.pt", STATE)
    found = load(tmp_path / "last.pt")
    assert found is not None and (found.step, found.data, found.seconds) == (7, "abc", 1.5)
    assert torch.equal(found.method["w"], torch.arange(3.0))
    assert torch.equal(found.optimizer["state"][0]["momentum"], torch.ones(2))
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


def test_absent_is_none(tmp_path: Path) -> None:
    assert load(tmp_path / "last.pt") is None


def test_a_failed_write_leaves_the_previous_file(tmp_path: Path) -> None:
    save(tmp_path / "last.pt", STATE)
    before = (tmp_path / "last.pt").read_bytes()

    def fails(beside: Path) -> None:
        beside.write_bytes(before[:100])
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_atomically(tmp_path / "last.pt", fails)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)


def test_others_may_read_it_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for write in (
        lambda beside: save_file({"a": torch.zeros(2)}, beside),
        lambda beside: torch.save({}, beside),
        lambda beside: beside.write_bytes(b"") and None,
    ):
        write_atomically(tmp_path / "made", write)
        assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"step": 1})])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint"):
        load(tmp_path / "last.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**vars(STATE), "method": Evil()}, tmp_path / "last.pt")
    with pytest.raises(UserError, match="not a checkpoint"):
        load(tmp_path / "last.pt")
    assert not (tmp_path / "executed").exists()
