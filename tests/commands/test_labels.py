"""`unlabeled labels`: what the heads say of every sample, by hand; files, sheets, mistakes."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import unlabeled
from finished import call, photos, refused, train


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SeLa with two heads of five clusters, one of SimCLR, and their data."""
    root = tmp_path_factory.mktemp("labels")
    photos(root / "photos")
    unlabeled.pretrain(
        "sela", data=root / "photos", out=root / "run", max_steps=4, batch_size=32, workers=0, clusters=5, heads=2,
        relabellings=5, relabel_schedule="linear", relabel_mode="eval", relabel_views="plain",
    )  # fmt: skip
    train(root / "photos", root / "simclr", max_steps=1)
    return root


def by_hand(world: Path, head: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, labels and confidences from the files of the run, in float64."""
    files = sorted((world / "photos").rglob("*.png"))
    features = unlabeled.load(world / "run").embed(files).astype(np.float64)
    kept = {name: value.double().numpy() for name, value in load_file(world / "run" / "heads.safetensors").items()}
    logits = features @ kept["weight"][head].T + kept["bias"][head] + kept["balance"][head] / kept["strength"]
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return [file.relative_to(world / "photos").as_posix() for file in files], share.argmax(1), share.max(1)


def test_every_sample_has_its_label(world: Path, tmp_path: Path, capfd: Any) -> None:
    names, labels, confidence = by_hand(world, 1)
    code, said = call(capfd, "labels", world / "run", "--out", tmp_path / "l.parquet", "--head", 1)
    table = pq.read_table(tmp_path / "l.parquet").to_pydict()
    assert code == 0 and list(table) == ["path", "index", "label", "confidence"]
    assert table["path"] == names and table["index"] == list(range(120)) and table["label"] == labels.tolist()
    np.testing.assert_allclose(table["confidence"], confidence, rtol=1e-4)
    assert said["sizes"] == np.bincount(labels, minlength=5).tolist() and sum(said["sizes"]) == said["samples"] == 120
    assert (said["file"], said["head"], said["heads"], said["clusters"]) == (str(tmp_path / "l.parquet"), 1, 2, 5)
    assert said["used"] == len(set(labels)) and said["confidence"] == pytest.approx(confidence.mean(), rel=1e-4)


def test_csv_holds_the_same(world: Path, tmp_path: Path) -> None:
    unlabeled.labels(world / "run", out=tmp_path / "l.csv")
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names, labels, confidence = by_hand(world, 0)
    assert [(row["path"], int(row["label"])) for row in rows] == list(zip(names, labels, strict=True))
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], confidence, atol=1e-5)


def test_new_samples_are_labelled_by_the_same_bias(world: Path, tmp_path: Path) -> None:
    """Three of the samples alone, in another folder, one of them damaged: labels as among all."""
    names, labels, _ = by_hand(world, 0)
    for name in names[:3]:
        Image.open(world / "photos" / name).save(tmp_path / f"{name.replace('/', '-')}")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = unlabeled.labels(world / "run", data=tmp_path, out=tmp_path / "l.parquet")
    assert pq.read_table(found.file).to_pydict()["label"] == labels[:3].tolist()
    assert [each["path"] for each in found.skipped] == ["broken.png"] and found.data == str(tmp_path)


def test_sheets_show_the_most_confident_of_the_largest(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unlabeled.commands import labels as verb
    from unlabeled.reports import sheet

    drawn: list[tuple[str, str, list[tuple[str, str]]]] = []

    def spy(rows: list[Any], title: str, note: str) -> Image.Image:
        (row,) = rows
        assert row.query is None, "none of them is set apart"
        drawn.append((title, note, [(cell.heading, cell.name) for cell in row.neighbours]))
        return Image.new("RGB", (3, 3))

    monkeypatch.setattr(sheet, "contact_sheet", spy)
    monkeypatch.setattr(verb, "CLUSTERS", 3)
    monkeypatch.setattr(verb, "EACH", 4)
    found = unlabeled.labels(world / "run", out=tmp_path / "l.csv", sheets=tmp_path / "sheets")
    names, labels, confidence = by_hand(world, 0)
    largest = sorted(set(labels), key=lambda cluster: (-(labels == cluster).sum(), cluster))[:3]
    assert [title for title, _, _ in drawn] == [f"Cluster {cluster}" for cluster in largest] and found.shown == 3
    assert sorted(each.name for each in (tmp_path / "sheets").iterdir()) == sorted(f"{c:04}.png" for c in largest)
    for cluster, (_, note, cells) in zip(largest, drawn, strict=True):
        members = np.flatnonzero(labels == cluster)
        best = [names[place] for place in members[np.argsort(-confidence[members], kind="stable")][:4]]
        assert [name for _, name in cells] == best
        assert f"{len(members)} samples" in note and ("the 4 most confident" in note) is (len(members) > 4)


def test_people_get_a_histogram(world: Path, tmp_path: Path, capfd: Any) -> None:
    from unlabeled.cli import main

    main(["labels", str(world / "run"), "--out", str(tmp_path / "l.csv"), "--sheets", str(tmp_path / "sheets")])
    shown = capfd.readouterr()
    assert shown.out == "" and "120 samples" in shown.err and "of 5 clusters used" in shown.err and "█" in shown.err
    assert (
        len(list((tmp_path / "sheets").glob("*.png")))
        == unlabeled.labels(world / "run", out=tmp_path / "again.csv").used
    )


def test_the_histogram_counts_every_cluster_once() -> None:
    from unlabeled.reports.cluster_tables import histogram

    for sizes in ([7], [3, 3, 3], [0, 1, 2, 30, 31], list(range(57))):
        columns = [list(column.cells) for column in histogram(sizes).columns]
        assert sum(map(int, columns[1])) == len(sizes) and len(columns[0]) <= 10
        first, last = columns[0][0].split(" to ")[0], columns[0][-1].split(" to ")[-1]
        assert (int(first), int(last)) == (min(sizes), max(sizes))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["W/simclr", "--out", "W/l.csv"], "simclr learns none"),
        (["W/gone", "--out", "W/l.csv"], "no run at"),
        (["W/run", "--out", "W/l.txt"], "end it in .parquet or .csv"),
        (["W/run", "--out", "W/there.csv"], "--overwrite"),
        (["W/run", "--out", "W/l.csv", "--head", "2"], "0 to 1"),
        (["W/run", "--out", "W/l.csv", "--head", "-1"], "0 to 1"),
        (["W/run", "--out", "W/l.csv", "--sheets", "W/photos"], "holds files already"),
        (["W/run", "--out", "W/l.csv", "--sheets", "W/there.csv"], "no folder"),
        (["W/run", "--out", "W/l.csv", "--sheets", "W/gone/sheets"], "no folder"),
        (["W/run", "--out", "W/l.csv", "--data", "W/gone"], "gone"),
        (["W/run"], "out"),
    ],
)
def test_mistakes(words: list[str], sentence: str, world: Path, capfd: Any) -> None:
    (world / "there.csv").write_text("kept")
    assert sentence in refused(capfd, "labels", *(word.replace("W/", f"{world}/") for word in words))
    assert (world / "there.csv").read_text() == "kept" and not (world / "l.csv").exists()


def test_damaged_heads(world: Path, tmp_path: Path, capfd: Any) -> None:
    import shutil

    shutil.copytree(world / "run", tmp_path / "run")
    for content, sentence in ((b"no tensors", "damaged"), (None, "no heads of this library")):
        if content is None:
            from safetensors.torch import save_file

            save_file({"else": torch.zeros(1)}, tmp_path / "run" / "heads.safetensors")
        else:
            (tmp_path / "run" / "heads.safetensors").write_bytes(content)
        assert sentence in refused(capfd, "labels", tmp_path / "run", "--out", tmp_path / "l.csv")


def test_labels_are_judged_beside_their_baselines(world: Path, tmp_path: Path, capfd: Any) -> None:
    from sklearn.metrics import adjusted_mutual_info_score

    code, said = call(capfd, "evaluate", "labels", world / "run", "--test", world / "photos")
    names, classes = by_hand(world, 0)[0], [int(name.split("/")[0]) for name in by_hand(world, 0)[0]]
    ami = [adjusted_mutual_info_score(classes, by_hand(world, head)[1]) for head in (0, 1)]
    assert code == 0 and said["value"] == pytest.approx(np.mean(ami), abs=1e-9) and len(names) == said["n_test"] == 120
    assert set(said["baselines"]) == {"random_labels", "random_encoder", "kmeans", "kmeans_raw_input"}
    assert all(detail["clusters"] == 5 and detail["heads"] == 2 for detail in said["baseline_details"].values())
    assert "simclr learns none" in refused(capfd, "evaluate", "labels", world / "simclr")


def test_a_path_among_the_methods_settings_means_the_same_from_any_folder(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    options = {"data": "photos", "max_steps": 1, "batch_size": 32, "workers": 0}
    unlabeled.pretrain("rotnet", out=tmp_path / "run", labels_from="run", **options)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["labels_from"] == str(world / "run")
    monkeypatch.chdir(tmp_path)
    assert unlabeled.pretrain("rotnet", out=tmp_path / "run", resume=True).finished
