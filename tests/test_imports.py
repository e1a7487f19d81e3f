"""Imports run down the architecture's line only; nothing heavy is imported before it is needed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "unlabeled"

FLOOR = {"errors", "chance"}  # facts of the language of this library, open to all
LINE = [
    {"data", "distributed"},
    {"views", "encoders", "objectives", "metrics"},
    {"training", "run", "modalities"},
    {"methods", "evaluation", "reports"},
    {"commands"},
    {"cli", "parsing", "wrong_words", "sklearn", "__init__", "__main__"},
]
"""From the bottom up: each may import what is below it, and what stands beside it."""


def station(module: str) -> str:
    """`unlabeled.data.images` to `data`."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> set[str]:
    """Stations that a file imports anywhere, types included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{each.name}" for each in node.names] if node.module == "unlabeled" else [node.module]
            )
        found |= {name for name in names if name.split(".")[0] == "unlabeled"}
    return found


def level(name: str) -> int:
    return next(number for number, stations in enumerate(LINE) if name in stations)


def violations(path: Path) -> list[str]:
    """What a file imports from above itself, or sideways between methods."""
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    wrong = []
    for name in imports(path):
        other = station(name)
        if other in FLOOR or other not in {each for stations in LINE for each in stations} or own in FLOOR:
            if own in FLOOR and other not in FLOOR:
                wrong.append(name)
            continue
        if level(other) > level(own):
            wrong.append(name)
        if own == other == "methods" and path.name != "__init__.py":
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_down(path: Path) -> None:
    assert violations(path) == []


def test_every_file_has_its_place() -> None:
    stations = {each for stations in LINE for each in stations} | FLOOR
    found = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__pycache__", "py.typed"} <= stations


def test_the_check_sees_an_import_that_runs_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    (tmp_path / "objectives").mkdir()
    (tmp_path / "methods").mkdir()
    (tmp_path / "objectives" / "up.py").write_text("from unlabeled.training.loop import Loop")
    (tmp_path / "methods" / "sideways.py").write_text("from unlabeled.methods.simclr import SimCLR")
    assert violations(tmp_path / "objectives" / "up.py") == ["unlabeled.training.loop"]
    assert violations(tmp_path / "methods" / "sideways.py") == ["unlabeled.methods.simclr"]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["pretrain", "--help"], ["evaluate", "--help"], ["evaluate", "knn", "--help"], ["embed", "--help"],
     ["search", "--help"], ["labels", "--help"], ["compare", "--help"], ["export", "--help"], ["report", "--help"],
     ["inspect", "--help"], ["methods", "--help"], ["methods"]],
    ids=" ".join,
)  # fmt: skip
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = "torch", "timm", "torchvision", "lightning_fabric", "sklearn", "faiss", "pyarrow", "scipy", "cv2"
    script = f"""
import sys
from unlabeled.cli import main
try:
    main({words!r})
except SystemExit as stop:
    assert not stop.code, stop.code
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stderr.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
    ids=["by itself", "asked otherwise", "another policy"],
)
def test_threads_that_wait_give_up_their_core_unless_told_otherwise(given: dict[str, str], expected: str) -> None:
    code = "import os, unlabeled; print(os.environ.get('GOMP_SPINCOUNT'))"
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    found = subprocess.run([sys.executable, "-c", code], env=kept | given, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == expected
