"""What one process meets, told to all."""

from pathlib import Path

import pytest

from battery.processes import run_in_processes
from unlabeled.distributed import on_first
from unlabeled.errors import UserError


def told(problem: Exception) -> str:
    """The kind and words of what `on_first` raises here when the first process meets `problem`."""

    def act() -> None:
        raise problem

    try:
        on_first(act)
    except Exception as raised:
        return f"{type(raised).__name__}: {raised}"
    return "nothing"


def test_a_full_disk_on_the_first_process_is_told_to_the_others() -> None:
    first, other = run_in_processes(told, 2, OSError(28, "No space left on device"))
    assert first == "OSError: [Errno 28] No space left on device"
    assert other == "UserError: the first process could not write; its own message says why."


def test_a_users_error_is_the_same_on_all() -> None:
    assert run_in_processes(told, 2, UserError("no.")) == ["UserError: no."] * 2


def test_one_process_raises_what_it_met(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        on_first((tmp_path / "gone" / "file").touch)
