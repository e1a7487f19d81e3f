"""`evaluate probes` by the command: its contract, its baselines, and mistakes in one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unlabeled
from battery.small import digits
from unlabeled.cli import main
from unlabeled.run import Run


def made(root: Path, **options: Any) -> Path:
    """A run of two steps on 300 digits of ten classes."""
    pixels, labels = digits(300)
    np.savez(root / "digits.npz", images=pixels, labels=labels)
    unlabeled.pretrain(
        "simclr", data=root / "digits.npz", out=root / "run", max_steps=2, batch_size=16, workers=0, **options
    )
    return root / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("probes"))


def call(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = 0
    try:
        main(["evaluate", "probes", *map(str, words), "--workers", "0", "--json"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(capfd.readouterr().out)


def test_the_value_is_that_of_the_last_stage_beside_its_baselines(run: Path, capfd: Any) -> None:
    code, said = call(capfd, run, "--max-steps", 4, "--batch-size", 50, "--seed", 1)
    assert code == 0 and (said["protocol"], said["metric"]) == ("probes", "accuracy")
    stages, baselines = said["details"]["stages"], said["baseline_details"]
    assert [each["stage"] for each in stages] == ["stem", "stage1", "stage2", "stage3", "stage4"]
    assert [each["stage"] for each in baselines["random_encoder"]["stages"]] == [each["stage"] for each in stages]
    assert [each["stage"] for each in baselines["raw_input"]["stages"]] == ["pixels"]
    assert said["value"] == stages[-1]["accuracy"] and said["interval"] == stages[-1]["interval"]
    assert said["baselines"] == {name: baselines[name]["stages"][-1]["accuracy"] for name in baselines}
    assert all(
        0 <= low <= each["crops_accuracy"] <= high <= 1 for each in stages for low, high in [each["crops_interval"]]
    )
    assert said["n_train"] + said["n_test"] == 300 and said["details"]["steps"] == 4
    again = unlabeled.evaluate("probes", run, max_steps=4, batch_size=50, seed=1, workers=0)
    assert json.loads(json.dumps(again.details)) == said["details"]
    assert json.loads(json.dumps(again.baseline_details)) == baselines
    assert [each["details"] for each in Run(run).evaluations() if each["protocol"] == "probes"] == [said["details"]]


def test_the_split_is_that_of_the_other_protocols(run: Path, capfd: Any) -> None:
    knn = unlabeled.evaluate("knn", run, seed=1)
    _, said = call(capfd, run, "--max-steps", 1, "--crops", 1, "--seed", 1)
    assert (said["n_train"], said["n_test"]) == (knn.n_train, knn.n_test)
    assert said["details"]["majority"] == knn.details["majority"]
    assert all(each["crops_accuracy"] is None for each in said["details"]["stages"])


def test_a_table_has_a_row_for_every_stage(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "probes", str(run), "--max-steps", "1", "--crops", "1", "--workers", "0"])
    shown = capsys.readouterr().err
    assert "probes on " in shown and "stage4" in shown and "pixels" in shown and "random encoder" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batch-size", "1"], "raise --batch-size"),
        (["--epochs", "0"], "--epochs takes a number of at least 1"),
        (["--learning-rate", "-1"], "--learning-rate takes numbers above 0"),
        (["--crops", "5"], "crops"),
        (["--max-steps", "0"], "--max-steps"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, run: Path, capfd: Any) -> None:
    code, found = call(capfd, run, *words)
    assert code == 2 and set(found) == {"error"}
    assert said in found["error"] and "\n" not in found["error"]


def test_data_without_labels_and_transformers_are_said(tmp_path: Path, capfd: Any) -> None:
    vision = made(tmp_path, encoder="vit_tiny_patch16_224", image_size=32)
    code, found = call(capfd, vision, "--max-steps", 1)
    assert code == 2 and "no feature maps to look at on the way; choose one of convolutions" in found["error"]
    np.savez(tmp_path / "bare.npz", images=digits(30)[0])
    code, found = call(capfd, vision, "--data", tmp_path / "bare.npz")
    assert code == 2 and "needs labels" in found["error"]
