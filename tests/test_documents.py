"""The method that docs/writing-a-method.md shows is whole: it passes what every method must pass."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor

from battery import methods as battery
from battery.processes import run_in_processes
from unlabeled.distributed import rank, world_size

PAGE = Path(__file__).parent.parent / "docs" / "writing-a-method.md"


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
