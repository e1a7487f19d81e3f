"""`report` end to end: on a run of real digits whose files have names that try to be HTML."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unlabeled
from battery.small import digits
from unlabeled.cli import main
from unlabeled.errors import UserError
from unlabeled.run import Run

BAD = "<img src=x onerror=alert(1)>'\".png"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for place, (pixels, label) in enumerate(zip(*digits(120), strict=True)):
        (root / f"<b>{label}").mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((16, 16)).save(root / f"<b>{label}" / f"{place:03}{BAD}")
    (root / "<b>0" / "<broken>.png").write_bytes(b"this is no picture")
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run <i>"
    unlabeled.pretrain("simclr", data=photos, out=out, epochs=2, batch_size=32, optimizer="adamw", workers=0)
    return out


def copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def test_the_page_is_whole_and_twice_the_same(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main(["report", str(run), "--json"])
    said = json.loads(capfd.readouterr().out)
    page = run / "report.html"
    first = page.read_bytes()
    assert said == {
        "report": str(page), "bytes": len(first), "samples": 120, "mapped": 120, "skipped": 1,
        "evaluations": ["knn", "health"], "notes": [],
    }  # fmt: skip
    assert unlabeled.report(run).report == str(page)
    assert page.read_bytes() == first
    shutil.rmtree(run / "features")
    unlabeled.report(run, out=tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == first
    text = first.decode()
    assert "<img src=x" not in text and "<b>0<" not in text and "<broken>" not in text
    assert "&lt;broken&gt;.png" in text and "this is no" not in text


def test_results_that_evaluate_has_kept_are_shown(run: Path, tmp_path: Path) -> None:
    own = copied(run, tmp_path / "run")
    shutil.rmtree(own / "evaluations", ignore_errors=True)
    assert Run(own).evaluations() == []
    linear = unlabeled.evaluate("linear", own, seed=1)
    health = unlabeled.evaluate("health", own, limit=50)
    kept = {each["protocol"]: each for each in Run(own).evaluations()}
    assert kept["linear"]["value"] == linear.value and kept["linear"]["interval"] == list(linear.interval)
    assert kept["health"]["figures"] == health.figures and kept["health"]["n"] == 50
    made = unlabeled.report(own)
    assert made.evaluations == ["linear", "health"], "k-NN is not asked for where there is a labelled result"
    text = Path(made.report).read_text()
    assert f"{100 * linear.value:.1f}\N{NO-BREAK SPACE}%" in text and "50 samples, no labels used" in text


def test_results_of_an_encoder_that_has_changed_are_left_out(run: Path, tmp_path: Path) -> None:
    own = copied(run, tmp_path / "run")
    unlabeled.evaluate("knn", own)
    weights = unlabeled.load(own).module.state_dict()
    Run(own).write_encoder({name: value * 1.5 for name, value in weights.items()}, Run(own).description())
    assert Run(own).evaluations() == []


def test_a_damaged_result_is_told(run: Path, tmp_path: Path) -> None:
    own = copied(run, tmp_path / "run")
    (own / "evaluations").mkdir(exist_ok=True)
    for content in ("nonsense", "[]", '{"encoder": "a"}', '{"encoder": "a", "result": 3}'):
        (own / "evaluations" / "knn.json").write_text(content)
        with pytest.raises(UserError, match="delete it and evaluate again"):
            unlabeled.report(own)


def test_data_that_is_gone_leaves_a_page_that_says_so(run: Path, photos: Path, tmp_path: Path) -> None:
    own = copied(run, tmp_path / "run")
    unlabeled.report(own)  # evaluates while the data is there
    config = own / "config.yaml"
    config.write_text(config.read_text().replace(str(photos), str(tmp_path / "gone")))
    made = unlabeled.report(own)
    assert (made.samples, made.mapped, made.skipped, made.evaluations) == (0, 0, 1, ["knn", "health"])
    assert len(made.notes) == 1 and "gone" in made.notes[0]
    assert Path(made.report).read_text().count("The data is not there") == 3
    assert unlabeled.report(own, photos).mapped == 120, "the data may be given"
    with pytest.raises(UserError, match="nowhere"):
        unlabeled.report(own, tmp_path / "nowhere")


def test_data_in_memory_and_without_labels(tmp_path: Path) -> None:
    pixels = digits(64)[0]
    run = unlabeled.pretrain("simclr", data=pixels, out=tmp_path / "run", max_steps=2, batch_size=32, workers=0)
    made = unlabeled.report(run)
    assert made.samples == 0 and "in memory" in made.notes[-1]
    made = unlabeled.report(run, pixels, limit=40)
    assert (made.samples, made.mapped, made.evaluations) == (64, 40, ["health"])
    assert "no labels" in made.notes[0]
    text = Path(made.report).read_text()
    assert "40 samples of 64, drawn by the run's seed" in text and "Without labels all have one colour" in text


def test_more_labelled_samples_than_the_limit_are_not_evaluated_unasked(run: Path, tmp_path: Path) -> None:
    own = copied(run, tmp_path / "run")
    shutil.rmtree(own / "evaluations", ignore_errors=True)
    made = unlabeled.report(own, limit=60)
    assert made.mapped == 60 and made.evaluations == ["health"] and "more than 60 samples" in made.notes[0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"out": "page.pdf"}, "not the ending it needs"),
        ({"out": "there.html"}, "is there already"),
        ({"out": "no/where.html"}, "there is no folder"),
        ({"limit": 1}, "at least 2"),
        ({"labels": "gone.csv"}, "gone.csv"),
    ],
)
def test_mistakes(flags: dict[str, Any], words: str, run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").write_text("mine")
    with pytest.raises(UserError, match=words):
        unlabeled.report(run, **flags)
    assert (tmp_path / "there.html").read_text() == "mine"
    if flags == {"out": "there.html"}:
        unlabeled.report(run, **flags, overwrite=True)
        assert (tmp_path / "there.html").read_text().startswith("<!doctype html>")


def test_a_run_without_an_encoder_has_no_page(run: Path, tmp_path: Path) -> None:
    own = copied(run, tmp_path / "run")
    (own / "encoder.json").unlink()
    with pytest.raises(UserError, match="has no encoder yet"):
        unlabeled.report(own)
    with pytest.raises(UserError, match="there is no run"):
        unlabeled.report(tmp_path / "nowhere")


def test_figures_that_are_no_numbers_and_versions_that_are_gone(run: Path, tmp_path: Path) -> None:
    """A journal with holes, 300 lines of it, and a run folder that somebody has tidied."""
    own = copied(run, tmp_path / "run")
    lines = [{"step": step, "epoch": 0.1, "loss": np.nan if step % 7 == 0 else 1 / step} for step in range(1, 301)]
    lines[5] = {"step": 6, "epoch": 0.1, "rankme": 2.0}
    (own / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("environment.json", "skipped.txt", "checkpoints/last.pt"):
        (own / name).unlink()
    made = unlabeled.report(own)
    text = Path(made.report).read_text()
    assert made.skipped == 0 and "300 lines" in text and ">unknown<" in text
    assert "nan" not in re.sub(r'src="data:[^"]*"', "", text).lower()
