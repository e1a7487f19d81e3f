"""A folder of digits, a run trained on it in a second, and the command as a program would call it."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import unlabeled
from battery.small import digits
from unlabeled.cli import main


def photos(root: Path, count: int = 120) -> Path:
    """Digits by class, 8 x 8, named by their place in the file of digits."""
    for place, (pixels, label) in enumerate(zip(*digits(count), strict=True)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / str(label) / f"{place:03}.png")
    return root


def train(data: Path, out: Path, **options: Any) -> Path:
    """A run of a few steps."""
    defaults = {"max_steps": 4, "batch_size": 32, "optimizer": "adamw", "workers": 0}
    unlabeled.pretrain("simclr", data=data, out=out, **{**defaults, **options})
    return out


def call(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    """Exit code and the one JSON object that `--json` prints."""
    code = 0
    try:
        main([*map(str, words), "--json"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capfd.readouterr().out
    assert out.count("\n") == 1, f"not one line: {out!r}"
    return code, json.loads(out)


def refused(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """The one sentence with which the command refuses."""
    code, said = call(capfd, *words)
    assert code == 2 and set(said) == {"error"} and "\n" not in said["error"], said
    return str(said["error"])
