"""The worked example of docs/methods/dysat.md runs as it is written."""

import shlex
from pathlib import Path

import pytest

from unlabeled.cli import run

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "dysat.md"


@pytest.mark.slow
def test_the_worked_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PAGE.read_text(encoding="utf-8").split("## On the built-in sample")[1].split("\n## ")[0]
    commands = [line.strip()[2:] for line in section.splitlines() if line.startswith("    $ ")]
    assert [command.split()[1] for command in commands] == ["pretrain", "evaluate", "search", "embed"]
    monkeypatch.chdir(tmp_path)
    for command in commands:
        run(shlex.split(command)[1:])
    assert (tmp_path / "women.parquet").exists()
