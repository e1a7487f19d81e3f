"""The method that docs/writing-a-method.md shows is whole, and the commands of the pages on graphs run as written."""

import sys
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor

from battery import methods as battery
from battery.processes import run_in_processes
from unlabeled.cli import main
from unlabeled.distributed import rank, world_size

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "writing-a-method.md"


def shown() -> Any:
    """The class on the page."""
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    module = ModuleType("shown_on_the_page")
    sys.modules[module.__name__] = module
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module.Siamese


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda check: check.__name__)
def test_the_method_shown_passes_the_battery(check: Any, tmp_path: Path) -> None:
    check(shown(), tmp_path)


def share() -> dict[str, Tensor]:
    return battery.gradients(shown(), rank(), world_size())


def test_the_method_shown_is_the_same_over_processes() -> None:
    battery.is_the_same_over_processes(run_in_processes(share, 2), battery.gradients(shown(), 0, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "before"),
    [
        ("graphs.md", "## A worked example"),
        ("methods/diffpool.md", "## A worked example"),
        ("methods/infograph.md", "On the built-in sample"),
    ],
)
def test_worked_examples_on_graphs_run_as_written(
    page: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = text.split(before)[1].splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("    "))
    block = list(takewhile(lambda line: line.startswith("    "), lines[first:]))
    asked = [line.removeprefix("    $ ") for line in block if line.startswith("    $ ")] or block
    commands = [line.split("#")[0].split() for line in asked]
    assert len(commands) >= 3 and all(words[0] == "unlabeled" for words in commands)
    monkeypatch.chdir(tmp_path)
    for words in commands:
        main(words[1:])  # exits with another code than 0 where anything is wrong
