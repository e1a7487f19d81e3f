"""The event files hold what metrics.jsonl holds, also after a kill."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from battery import hooks
from battery.methods import Killed
from battery.small import session
from unlabeled.cli import main

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Name to (step, value), as TensorBoard reads them."""
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()["scalars"]}


def is_what_the_journal_says(one: Any) -> None:
    lines, found = one.run.metrics(), scalars(one.run.path / "tensorboard")
    assert found.keys() == {name for line in lines for name in line} - {"step"}
    for name, points in found.items():
        expected = [(line["step"], line[name]) for line in lines if name in line]
        assert [step for step, _ in points] == [step for step, _ in expected]
        assert [value for _, value in points] == pytest.approx([value for _, value in expected], rel=1e-6)


def test_every_figure_is_a_scalar(tmp_path: Path) -> None:
    one = session(hooks.Plain, tmp_path / "run", tensorboard=True)
    one.train()
    assert len(one.run.metrics()) == 6
    is_what_the_journal_says(one)


def test_what_a_killed_run_wrote_after_its_checkpoint_is_void(tmp_path: Path) -> None:
    one, keep = session(hooks.Plain, tmp_path / "run", tensorboard=True), None
    keep = one.run.save

    def save(checkpoint: Any) -> None:
        if checkpoint.step <= 2:
            keep(checkpoint)
        if checkpoint.step == 4:
            raise Killed

    one.run.save = save  # type: ignore[method-assign]
    with contextlib.suppress(Killed):
        one.train()
    assert [step for step, _ in scalars(tmp_path / "run" / "tensorboard")["loss"]] == [1, 2, 3, 4]
    resumed = session(hooks.Plain, tmp_path / "run", tensorboard=True, resume=True)
    assert resumed.loop.done == 2
    resumed.train()
    is_what_the_journal_says(resumed)


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    session(hooks.Plain, tmp_path / "run", steps=1).train()
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_a_missing_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("unlabeled.training.tensorboard.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        main(["pretrain", "simclr", "--out", str(tmp_path / "run"), "--tensorboard"])
    assert stop.value.code == 2
    assert "pip install 'unlabeled[tensorboard]'" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()
