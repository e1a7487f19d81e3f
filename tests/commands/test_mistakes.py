"""Mistakes are told in one sentence with exit code 2, and as one JSON object where asked for."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import unlabeled
from battery.small import digits
from unlabeled.cli import main


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, data with and without labels, and things that are neither."""
    root = tmp_path_factory.mktemp("world")
    pixels, labels = digits(48)
    np.savez(root / "digits.npz", images=pixels, labels=labels)
    np.savez(root / "unlabelled.npz", images=pixels)
    (root / "one").mkdir()
    Image.fromarray(pixels[0]).save(root / "one" / "a.png")
    (root / "digits.csv").write_text("path,label\n")
    (root / "empty").mkdir()
    (root / "text").mkdir()
    (root / "text" / "a.txt").write_text("words")
    (root / "unreadable").mkdir()
    (root / "unreadable" / "a.jpg").write_bytes(b"\xff\xd8\xff nothing")
    unlabeled.pretrain("simclr", data=root / "digits.npz", out=root / "run", max_steps=2, batch_size=16, workers=0)
    (root / "unfinished").mkdir()
    for name in ("config.yaml", "environment.json"):
        shutil.copy(root / "run" / name, root / "unfinished" / name)
    return root


def damaged(world: Path, name: str, content: bytes) -> Path:
    """A copy of the run with one file overwritten."""
    copy = world / f"damaged-{name}"
    if not copy.exists():
        shutil.copytree(world / "run", copy)
    (copy / name).write_bytes(content)
    return copy


def other_config(world: Path, **changed: Any) -> Path:
    path = world / "other.yaml"
    path.write_text(yaml.safe_dump({"method": "simclr", **changed}))
    return path


def broken(world: Path, content: bytes) -> Path:
    path = world / "broken.yaml"
    path.write_bytes(content)
    return path


TRAIN = ["pretrain", "simclr", "--out", "OUT", "--workers", "0", "--max-steps", "1", "--data"]
Words = Callable[[Path], list[Any]]
MISTAKES: dict[str, tuple[Words, str]] = {
    "no such verb": (lambda w: ["train"], "no verb 'train'"),
    "no such method": (lambda w: ["pretrain", "simcrl", "--out", "OUT"], "no method is called 'simcrl'"),
    "no method": (lambda w: ["pretrain", "--out", "OUT"], "needs a METHOD"),
    "no out": (lambda w: ["pretrain", "simclr"], "--out is missing; see --help."),
    "out without a word": (lambda w: ["pretrain", "simclr", "--out"], "--out takes text, and fewer words follow it."),
    "no such flag": (lambda w: [*TRAIN, w / "digits.npz", "--temprature", "1"], "--temprature"),
    "a word for a number": (lambda w: [*TRAIN, w / "digits.npz", "--epochs", "many"], "epochs"),
    "a choice that is none": (
        lambda w: [*TRAIN, w / "digits.npz", "--optimizer", "rmsprop"],
        "--optimizer takes one of lars, sgd, adam, adamw, got rmsprop.",
    ),
    "no data there": (lambda w: [*TRAIN, w / "nowhere"], "nowhere"),
    "empty folder": (lambda w: [*TRAIN, w / "empty"], "empty"),
    "no pictures": (lambda w: [*TRAIN, w / "text"], "text"),
    "nothing readable": (lambda w: [*TRAIN, w / "unreadable"], "unreadable"),
    "batch above data": (lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "49"], "more than the 48 samples"),
    "batch of one": (lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "1"], "at least 2"),
    "no epochs": (lambda w: [*TRAIN, w / "digits.npz", "--epochs", "0"], "at least 1"),
    "negative seed": (lambda w: [*TRAIN, w / "digits.npz", "--seed", "-1"], "at least 0"),
    "view of nothing": (lambda w: [*TRAIN, w / "digits.npz", "--image-size", "0"], "at least 8"),
    "no such encoder": (lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--encoder", "resnt"], "'resnt'"),
    "temperature zero": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--temperature", "0"],
        "temperature",
    ),
    "crop of nothing": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--views.crop-area", "0", "1"],
        "crop_area takes two rising shares within (0, 1], got [0.0, 1.0] (see --views.... in --help).",
    ),
    "half a crop": (
        lambda w: [*TRAIN, w / "digits.npz", "--views.crop-area", "1"],
        "takes 2 values, each a finite number",
    ),
    "a policy that there is not": (
        lambda w: [*TRAIN, w / "digits.npz", "--views.policy", "coco"],
        "--views.policy takes one of imagenet, cifar10, svhn or null, got coco.",
    ),
    "an operation that there is not": (
        lambda w: [*TRAIN, w / "digits.npz", "--views.operations", "crop", "jigsaw"],
        "--views.operations takes one or more values, each one of crop, cutout, colour, sobel, noise, blur, rotate, "
        "got jigsaw.",
    ),
    "no number at all": (
        lambda w: [*TRAIN, w / "digits.npz", "--learning-rate", "nan"],
        "--learning-rate takes a finite number or null, got nan.",
    ),
    "neither true nor false": (
        lambda w: [*TRAIN, w / "digits.npz", "--normalize", "maybe"],
        "--normalize takes true or false, got maybe.",
    ),
    "a flag misspelt": (
        lambda w: [*TRAIN, w / "digits.npz", "--views.colour-strength=1"],
        "there is no flag --views.colour-strength=1 here; is it --views.color-strength",
    ),
    "a value for what takes none": (
        lambda w: [*TRAIN, w / "digits.npz", "--linear-probe", "true"],
        "'true' is a word too many; a flag that is off by default is switched on by its name alone.",
    ),
    "one sample a part": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "2", "--accumulate", "2"],
        "leaves one sample a part",
    ),
    "a margin below zero": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--margin", "-1"],
        "margin takes a number of at least 0, got -1.0 (see --help).",
    ),
    "no such precision": (lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--precision", "8-bit"], "8-bit"),
    "batch not shared equally": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "9", "--devices", "2"],
        "shared equally by 2",
    ),
    "batch not in equal parts": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "16", "--accumulate", "3"],
        "3 equal parts by 1 process; take a multiple of 3",
    ),
    "no parts": (lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--accumulate", "0"], "at least 1"),
    "weights of nothing": (lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--init", w / "gone"], "gone"),
    "weights of another network": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--encoder", "resnet10t", "--init", w / "run"],
        "do not fit",
    ),
    "weights that are none": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--init", w / "digits.npz"],
        "not a safetensors file",
    ),
    "out is a run": (
        lambda w: ["pretrain", "simclr", "--out", w / "run", "--data", w / "digits.npz", "--batch-size", "8"],
        "--resume",
    ),
    "out is something else": (
        lambda w: ["pretrain", "simclr", "--out", w / "text", "--data", w / "digits.npz", "--batch-size", "8"],
        "holds something else already; choose another --out.",
    ),
    "out is a file": (
        lambda w: ["pretrain", "simclr", "--out", w / "digits.npz", "--data", w / "digits.npz", "--batch-size", "8"],
        "is a file; choose another --out.",
    ),
    "resume of nothing": (lambda w: ["pretrain", "simclr", "--out", w / "gone", "--resume"], "no run at"),
    "resume with another setting": (
        lambda w: ["pretrain", "simclr", "--out", w / "run", "--resume", "--batch-size", "8"],
        "made with batch_size 16, not 8",
    ),
    "resume as another method": (
        lambda w: ["pretrain", "supervised", "--out", w / "run", "--resume"],
        "is a run of simclr, not supervised",
    ),
    "recipe of another method": (
        lambda w: ["pretrain", "supervised", "--config", other_config(w), "--out", "OUT"],
        "--config is of the method simclr, and the command of supervised",
    ),
    "recipe that is a list": (
        lambda w: ["pretrain", "simclr", "--config", broken(w, b"[1, 2]"), "--out", "OUT"],
        "holds no flags by name",
    ),
    "labels of the built-in sample": (
        lambda w: ["pretrain", "simclr", "--labels", w / "digits.csv", "--out", "OUT"],
        "the built-in sample has labels of its own",
    ),
    "test labels of nothing": (
        lambda w: ["evaluate", "knn", w / "run", "--test-labels", w / "gone.csv"],
        "--test-labels are the labels of --test",
    ),
    "test labels of nothing, comparing": (
        lambda w: ["compare", w / "run", "--test-labels", w / "gone.csv"],
        "--test-labels are the labels of --test",
    ),
    "a stream's flag without a stream": (
        lambda w: [*TRAIN, w / "digits.npz", "--shuffle-classes"],
        "--shuffle-classes is of a stream by class",
    ),
    "when to end following without following": (
        lambda w: [*TRAIN, w / "digits.npz", "--follow-idle", "1"],
        "--follow-idle is of --follow",
    ),
    "a stem of what has none": (
        lambda w: [*TRAIN, w / "digits.npz", "--batch-size", "8", "--encoder", "mlp", "--network.stem", "small"],
        "mlp has no --network.stem",
    ),
    "resume of a damaged checkpoint": (
        lambda w: ["pretrain", "simclr", "--resume", "--out", damaged(w, "checkpoints/last.pt", b"\x80\x02nonsense")],
        "not a checkpoint",
    ),
    "recipe with an unknown key": (
        lambda w: ["pretrain", "--config", other_config(w, temprature=1.0), "--out", "OUT"],
        "the file of --config has 'temprature', of which there is no flag here; is it temperature",
    ),
    "recipe that is not there": (
        lambda w: ["pretrain", "simclr", "--config", w / "gone.yaml", "--out", "OUT"],
        "--config takes a file of flags in YAML, and there is none at",
    ),
    "recipe that is no YAML": (lambda w: ["pretrain", "--config", broken(w, b"a: ["), "--out", "OUT"], "as YAML"),
    "recipe that is no text": (
        lambda w: ["pretrain", "simclr", "--config", broken(w, b"\xff\xfe"), "--out", "OUT"],
        "as YAML",
    ),
    "supervised without labels": (
        lambda w: ["pretrain", "supervised", "--out", "OUT", "--data", w / "unlabelled.npz", "--batch-size", "8"],
        "needs labels",
    ),
    "no such protocol": (lambda w: ["evaluate", "nearest", w / "run"], "no protocol is called 'nearest'"),
    "evaluate without a run": (lambda w: ["evaluate", "knn"], "RUN is missing"),
    "evaluate no run": (lambda w: ["evaluate", "knn", w / "gone"], "no run at"),
    "evaluate something else": (lambda w: ["evaluate", "knn", w / "text"], "not a run folder"),
    "evaluate an unfinished run": (lambda w: ["evaluate", "knn", w / "unfinished"], "no encoder yet"),
    "evaluate without labels": (lambda w: ["evaluate", "knn", w / "run", "--data", w / "unlabelled.npz"], "label"),
    "k of zero": (lambda w: ["evaluate", "knn", w / "run", "--k", "0"], "k = 0"),
    "vote at temperature zero": (lambda w: ["evaluate", "knn", w / "run", "--temperature", "0"], "temperature"),
    "health of one": (lambda w: ["evaluate", "health", w / "run", "--limit", "1"], "at least 2"),
    "damaged weights": (
        lambda w: ["evaluate", "health", damaged(w, "encoder.safetensors", b"\x08\0\0\0\0\0\0\0{garbage")],
        "not a safetensors file",
    ),
    "damaged description": (lambda w: ["embed", damaged(w, "encoder.json", b"{"), "--out", "OUT.npy"], "damaged"),
    "description of nothing": (lambda w: ["embed", damaged(w, "encoder.json", b"{}"), "--out", "OUT.npy"], "damaged"),
    "settings of nothing": (lambda w: ["embed", damaged(w, "config.yaml", b"a: 1"), "--out", "OUT.npy"], "damaged"),
    "damaged settings": (lambda w: ["embed", damaged(w, "config.yaml", b"[1"), "--out", "OUT.npy"], "damaged"),
    "embed to an unknown form": (lambda w: ["embed", w / "run", "--out", "OUT.xls"], ".parquet"),
    "embed by no process": (lambda w: ["embed", w / "run", "--out", "OUT.npy", "--devices", "0"], "at least 1, got 0"),
    "embed over a file": (lambda w: ["embed", w / "run", "--out", w / "digits.npz"], "--overwrite"),
    "embed over the names": (lambda w: ["embed", w / "run", "--out", w / "digits.npy"], "digits.csv is there already"),
    "embed into no folder": (lambda w: ["embed", w / "run", "--out", w / "gone" / "e.npy"], "no folder"),
    "inspect nothing": (lambda w: ["inspect", w / "gone"], "gone"),
    "inspect without a path": (lambda w: ["inspect", "--labels", "x.csv"], "PATH is missing"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake: str, world: Path, tmp_path: Path, capfd: Any) -> None:
    make, words = MISTAKES[mistake]
    line = [str(word).replace("OUT", str(tmp_path / "out")) for word in make(world)]
    with pytest.raises(SystemExit) as stop:
        main([*line, "--json"])
    shown = capfd.readouterr()
    assert stop.value.code == 2, shown.err
    said = json.loads(shown.out)
    assert set(said) == {"error"} and words in said["error"]
    assert "\n" not in said["error"] and "Traceback" not in shown.err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("encoder*"))


def test_json_can_be_printed_whatever_the_terminal_takes(tmp_path: Path) -> None:
    """A name beyond Latin-1, and a folder whose name is no text at all, on standard output that takes ASCII alone."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (folder / "日本.jpg").write_bytes(b"")
    Image.new("L", (8, 8)).save(folder / "a.png")
    done = subprocess.run(
        [sys.executable, "-m", "unlabeled", "inspect", folder, "--json"],
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == [{"path": "日本.jpg", "reason": "empty file"}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"epochs": "3"}, "--epochs takes a number of at least 1, got '3'."),
        ({"objective": "ntxent"}, "--objective takes one of nt-xent, nt-logistic, margin-triplet, got 'ntxent'."),
        ({"temperature": float("nan")}, "--temperature takes finite numbers, got nan."),
        ({"views": {"crop_area": (0.5, float("inf"))}}, "--views.crop-area takes finite numbers, got inf."),
        ({"views": {"operations": ["crop", "jigsaw"]}}, "--views.operations takes one of crop, .*, got 'jigsaw'."),
        ({"views": {"policy": "coco"}}, "--views.policy takes one of imagenet, cifar10, svhn, got 'coco'."),
        ({"network": {"stem": "tiny"}}, "--network.stem takes one of auto, small, standard, got 'tiny'."),
    ],
)
def test_python_is_told_what_the_command_is(wrong: dict[str, Any], words: str, world: Path, tmp_path: Path) -> None:
    with pytest.raises(unlabeled.UserError, match=words):
        unlabeled.pretrain("simclr", data=world / "digits.npz", out=tmp_path / "run", batch_size=16, **wrong)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("config_first", [True, False])
def test_flags_win_over_the_file_wherever_they_stand(world: Path, tmp_path: Path, config_first: bool) -> None:
    config = other_config(world, max_steps=3, batch_size=12, data=str(world / "digits.npz"))
    flags, file = ["--max-steps", "1", "--workers", "0"], ["--config", str(config)]
    out = tmp_path / "run"
    main(["pretrain", "--out", str(out), *(file + flags if config_first else flags + file)])
    found = yaml.safe_load((out / "config.yaml").read_text())
    assert (found["max_steps"], found["batch_size"], found["method"]) == (1, 12, "simclr")


def test_a_crop_is_two_numbers(world: Path, tmp_path: Path, capfd: Any) -> None:
    main([*map(str, [*TRAIN, world / "digits.npz"]), "--out", str(tmp_path / "run"), "--batch-size", "16",
          "--views.crop-area", "0.2", "0.7"])  # fmt: skip
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["views"]["crop_area"] == [0.2, 0.7]


def test_at_least_thirty_mistakes() -> None:
    assert len(MISTAKES) >= 30


def test_ours_are_code_1(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("unlabeled.methods.names", lambda: 1 / 0)
    with pytest.raises(SystemExit) as stop:
        main(["methods", "--json"])
    assert stop.value.code == 1
    shown = capfd.readouterr()
    assert "fault of unlabeled" in json.loads(shown.out)["error"] and "ZeroDivisionError" in shown.err


def test_a_loss_that_is_no_number_stops_the_run(world: Path, tmp_path: Path) -> None:
    with pytest.raises(unlabeled.UserError, match="not a finite number at step"):
        unlabeled.pretrain(
            "simclr", data=world / "digits.npz", out=tmp_path / "run", batch_size=16, optimizer="sgd",
            learning_rate=1e30, warmup=0.0, max_steps=8, workers=0,
        )  # fmt: skip
