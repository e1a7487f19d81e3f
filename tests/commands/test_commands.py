"""The verbs end to end on small real data, by the command as a program would call it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import load_file

import unlabeled
from battery.small import digits
from finished import call
from unlabeled.errors import UserError


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of digits by class, one file that is no picture and one that is cut short."""
    root = tmp_path_factory.mktemp("photos")
    for place, (pixels, label) in enumerate(zip(*digits(200), strict=True)):
        (root / str(label)).mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((16, 16)).save(root / str(label) / f"{place:03}.png")
    (root / "0" / "broken.png").write_bytes(b"this is no picture")
    whole = next((root / "1").glob("*.png")).read_bytes()
    (root / "1" / "short.png").write_bytes(whole[: len(whole) // 2])
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    unlabeled.pretrain("simclr", data=photos, out=out, epochs=4, batch_size=32, optimizer="adamw", workers=0)
    return out


def test_pretrain_says_what_the_contract_says(photos: Path, tmp_path: Path, capfd: Any) -> None:
    words = ["pretrain", "simclr", "--data", photos, "--out", tmp_path / "run", "--epochs", 2, "--batch-size", 50]
    code, said = call(capfd, *words, "--seed", 3, "--workers", 0, "--encoder", "small_resnet", "--image-size", 16)
    assert code == 0
    expected = {"run": str(tmp_path / "run"), "method": "simclr", "modality": "images", "samples": 200, "skipped": 2}
    expected |= {"epochs": 2, "steps": 8, "seed": 3, "finished": True}
    assert {name: said[name] for name in expected} == expected
    assert said["seconds"] > 0 and said["samples_per_second"] > 0 and said["loss"] > 0
    assert said["health"]["rankme"] > 1
    skipped = (tmp_path / "run" / "skipped.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in skipped] == ["0/broken.png", "1/short.png"]


def test_flags_of_training_reach_it(photos: Path, tmp_path: Path, capfd: Any) -> None:
    """Steps in parts, TensorBoard's files, and a shorter time between checkpoints."""
    words = ["pretrain", "simclr", "--data", photos, "--out", tmp_path / "run", "--max-steps", 2, "--batch-size", 32]
    code, said = call(capfd, *words, "--accumulate", 2, "--tensorboard", "--checkpoint-seconds", 0, "--workers", 0)
    assert code == 0 and said["steps"] == 2
    assert "accumulate: 2\n" in (tmp_path / "run" / "config.yaml").read_text()
    assert "tensorboard" not in (tmp_path / "run" / "config.yaml").read_text()
    assert len(list((tmp_path / "run" / "tensorboard").glob("events.*"))) == 1
    code, said = call(capfd, "pretrain", "simclr", "--out", tmp_path / "run", "--resume", "--accumulate", 4)
    assert code == 2 and "made with accumulate 2, not 4" in said["error"]


def test_run_folder_holds_what_is_documented(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "config.yaml", "metrics.jsonl", "encoder.safetensors", "encoder.json", "checkpoints", "skipped.txt",
        "environment.json",
    }  # fmt: skip
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 25))
    assert {"loss", "learning_rate", "samples_per_second", "rankme", "alignment", "uniformity"} <= lines[0].keys()


@pytest.mark.parametrize("protocol", ["knn", "linear"])
def test_labelled_protocols_say_what_the_contract_says(protocol: str, run: Path, capfd: Any) -> None:
    code, said = call(capfd, "evaluate", protocol, run, "--seed", 1)
    assert code == 0 and said["protocol"] == protocol and said["metric"] == "accuracy"
    low, high = said["interval"]
    assert 0 <= low <= said["value"] <= high <= 1
    assert set(said["baselines"]) == {"random_encoder", "raw_input"}
    assert said["n_train"] + said["n_test"] == 200 and 35 <= said["n_test"] <= 45


def test_test_data_is_matched_by_class_name(run: Path, photos: Path, tmp_path: Path, capfd: Any) -> None:
    """Test data with two of the classes only: numbered anew they would be 0 and 1."""
    for label in ("7", "8"):
        (tmp_path / label).mkdir()
        for path in sorted((photos / label).glob("*.png"))[:5]:
            (tmp_path / label / path.name).write_bytes(path.read_bytes())
    code, said = call(capfd, "evaluate", "knn", run, "--test", tmp_path, "--k", 1)
    assert code == 0 and said["n_test"] == 10
    assert said["value"] == 1.0, "every test picture is a training picture, so its nearest neighbour is itself"


def test_health_says_what_the_contract_says(run: Path, capfd: Any) -> None:
    code, said = call(capfd, "evaluate", "health", run, "--limit", 64)
    assert code == 0 and said["n"] == 64 and said["protocol"] == "health"
    assert said["figures"].keys() == said["baselines"]["random_encoder"].keys() >= {"rankme", "alignment", "uniformity"}


def test_embed_writes_the_same_rows_in_every_form(run: Path, photos: Path, tmp_path: Path, capfd: Any) -> None:
    for ending in ("parquet", "npy", "npz"):
        code, said = call(capfd, "embed", run, "--out", tmp_path / f"e.{ending}")
        assert code == 0 and said["samples"] == 200 and len(said["skipped"]) == 2
    table, matrix, archive = (
        pq.read_table(tmp_path / "e.parquet"),
        np.load(tmp_path / "e.npy"),
        np.load(tmp_path / "e.npz"),
    )
    np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), matrix)
    np.testing.assert_array_equal(archive["embedding"], matrix)
    names = table["path"].to_pylist()
    assert names == archive["path"].tolist() and table["index"].to_pylist() == list(range(200))
    assert [line.split(",")[0] for line in (tmp_path / "e.csv").read_text().splitlines()[1:]] == names
    encoder = unlabeled.load(run)
    rows = encoder.embed([photos / name for name in names[:7]])
    np.testing.assert_allclose(rows, matrix[:7], atol=1e-5)
    pixels = np.stack([np.asarray(Image.open(photos / name).convert("RGB")) for name in names[:7]])
    np.testing.assert_allclose(encoder.embed(pixels), matrix[:7], atol=1e-5)


def test_features_are_computed_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlabeled.embed(run, out=tmp_path / "first.npy")
    monkeypatch.setattr("unlabeled.commands.load.extract_blocks", lambda *rest, **more: pytest.fail("extracted again"))
    unlabeled.embed(run, out=tmp_path / "second.npy")
    assert (tmp_path / "first.npy").read_bytes() == (tmp_path / "second.npy").read_bytes()


def test_init_starts_from_trained_weights(run: Path, photos: Path, tmp_path: Path) -> None:
    """One step at a learning rate of 0 leaves the weights that `--init` gave."""
    for number, source in enumerate((run, run / "encoder.safetensors")):
        again = unlabeled.pretrain(
            "simclr",
            data=photos,
            out=tmp_path / str(number),
            init=source,
            max_steps=1,
            learning_rate=0.0,
            batch_size=32,
        )
        found, expected = unlabeled.load(again).module.state_dict(), unlabeled.load(run).module.state_dict()
        for name, value in expected.items():
            if "running" not in name and "tracked" not in name:
                assert (found[name] == value).all(), name


def test_config_of_a_run_repeats_it(run: Path, tmp_path: Path, capfd: Any) -> None:
    code, said = call(capfd, "pretrain", "--config", run / "config.yaml", "--out", tmp_path / "again", "--workers", 0)
    assert code == 0 and said["steps"] == 24
    assert (tmp_path / "again" / "encoder.safetensors").read_bytes() == (run / "encoder.safetensors").read_bytes()


def test_python_data_in_memory(tmp_path: Path) -> None:
    pixels, labels = digits(96)
    made = unlabeled.pretrain(
        "simclr", data=(pixels, labels), out=tmp_path / "run", max_steps=2, batch_size=32, workers=0
    )
    assert made.samples == 96
    with pytest.raises(UserError, match="resume it from Python with the same data"):
        unlabeled.pretrain("simclr", out=made, resume=True)
    with pytest.raises(UserError, match="has changed since its checkpoint"):
        unlabeled.pretrain("simclr", data=(pixels[::-1], labels), out=made, resume=True)
    again = unlabeled.pretrain("simclr", data=(pixels, labels), out=made, resume=True)
    assert (again.steps, again.loss, again.finished) == (2, made.loss, True)
    result = unlabeled.evaluate("knn", made, data=(pixels, labels))
    assert result.n_train + result.n_test == 96
    with pytest.raises(UserError, match="in memory"):
        unlabeled.evaluate("knn", made)


def test_labels_from_a_table(photos: Path, run: Path, tmp_path: Path, capfd: Any) -> None:
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    rows = [f"{name},{'even' if int(name[0]) % 2 == 0 else 'odd'}" for name in names if name[0] != "9"]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows))
    code, said = call(capfd, "evaluate", "knn", run, "--labels", tmp_path / "labels.csv")
    nines = sum(name[0] == "9" for name in names)
    assert code == 0 and said["n_train"] + said["n_test"] == 200 - nines
    assert said["details"]["classes"] == 2


def test_methods_and_inspect(photos: Path, capfd: Any) -> None:
    code, said = call(capfd, "methods")
    names = ["curl", "diffpool", "dysat", "infograph", "rotnet", "sela", "simclr", "supervised"]
    assert code == 0 and [each["name"] for each in said["methods"]] == names
    code, said = call(capfd, "inspect", photos)
    assert (said["modality"], said["samples"], said["classes"]) == ("images", 200, 10)
    assert [each["path"] for each in said["skipped"]] == ["0/broken.png", "1/short.png"]


def test_people_get_their_output_on_standard_error(run: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "unlabeled", "evaluate", "knn", str(run)], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "" and "random encoder" in shown.stderr and "raw input" in shown.stderr


@pytest.mark.parametrize(("precision", "kept"), [("64-true", "float64"), ("bf16-mixed", "float32")])
def test_every_precision_trains_and_embeds(precision: str, kept: str, photos: Path, tmp_path: Path) -> None:
    flags = {"data": photos, "max_steps": 2, "batch_size": 16, "image_size": 8, "workers": 0}
    run = unlabeled.pretrain("simclr", out=tmp_path / "run", precision=precision, **flags)
    assert {str(value.dtype) for name, value in load_file(tmp_path / "run" / "encoder.safetensors").items()
            if name.endswith("weight")} == {f"torch.{kept}"}  # fmt: skip
    rows = unlabeled.load(run).embed(photos / "2")
    assert rows.dtype == np.float32 and np.isfinite(rows).all() and rows.std() > 0
