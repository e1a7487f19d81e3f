"""Compare, against the verbs that it gathers and against scipy's correlations."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import kendalltau, rankdata, spearmanr

import unlabeled
from battery.small import digits
from finished import call, photos, refused, train


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight runs: one that was trained, and seven whose weights noise has moved ever further away."""
    root = tmp_path_factory.mktemp("compare")
    train(photos(root / "photos", 200), root / "run0", max_steps=20)
    for number in range(1, 8):
        copy = root / f"run{number}"
        shutil.copytree(root / "run0", copy, ignore=shutil.ignore_patterns("features"))
        torch.manual_seed(number)
        weights = load_file(copy / "encoder.safetensors")
        for name, value in weights.items():
            if value.ndim == 4:
                weights[name] = value + 0.2 * number * value.std() * torch.randn_like(value)
        save_file(weights, copy / "encoder.safetensors")
    return root


def runs(world: Path, count: int) -> list[Path]:
    return [world / f"run{number}" for number in range(count)]


def test_each_run_has_the_figures_of_the_other_verbs(world: Path, capfd: Any) -> None:
    code, said = call(capfd, "compare", *runs(world, 2), "--seed", 1)
    assert code == 0 and said["data"] == str(world / "photos") and said["samples"] == 200
    for path, each in zip(runs(world, 2), said["runs"], strict=True):
        assert each["run"] == str(path)
        assert each["health"] == unlabeled.evaluate("health", path, seed=1).figures
        knn = unlabeled.evaluate("knn", path, seed=1)
        assert each["labelled"]["value"] == knn.value and each["labelled"]["baselines"] == knn.baselines
        assert tuple(each["labelled"]["interval"]) == knn.interval
        assert each["labelled"]["protocol"] == "knn" and each["labelled"]["n_test"] == knn.n_test


def test_places_follow_the_stated_directions(world: Path) -> None:
    found = unlabeled.compare(*runs(world, 4), limit=100)
    better = {"higher": lambda v: -v, "lower": lambda v: v, "nearer to 1": lambda v: abs(v - 1), "nearer to 0": abs}
    for name, direction in found.better.items():
        values = [each.labelled["value"] if name == "knn" else each.health[name] for each in found.runs]
        if name == "alpha" and any(each.health["alpha_r2"] < 0.95 for each in found.runs):
            continue
        expected = rankdata([better[direction](value) for value in values], method="min")
        assert [each.rank[name] for each in found.runs] == expected.tolist(), name
    assert {"rankme", "alignment", "uniformity", "spread", "knn"} <= found.runs[0].rank.keys()
    assert len({each.rank["rankme"] for each in found.runs}) == 4
    assert found.samples == 100
    assert {name for name, way in found.better.items() if way == "higher"} == {
        "knn",
        "participation_ratio",
        "rankme",
        "rankme_encoder",
        "spread",
    }
    assert {name for name, way in found.better.items() if way.startswith("nearer")} == {"alpha", "mean_cosine"}


def test_alpha_of_a_bad_fit_has_no_place() -> None:
    from unlabeled.commands.compare import _goodness, _ranked

    assert _goodness("alpha", {"alpha": 1.25, "alpha_r2": 0.99}) == -0.25
    assert _goodness("alpha", {"alpha": 1.0, "alpha_r2": 0.9}) is None and _goodness("alignment", {}) is None
    assert _ranked([None, 0.5, 0.7, 0.5, 0.1]) == [None, 2, 1, 2, 4]


def test_correlation_from_eight_runs_on(world: Path, capfd: Any) -> None:
    code, said = call(capfd, "compare", *runs(world, 8))
    assert code == 0 and not any("No correlation" in note for note in said["notes"])
    accuracy = [each["labelled"]["value"] for each in said["runs"]]
    for name, sign in (("rankme", 1), ("alignment", -1), ("spread", 1), ("top_variance_share", -1)):
        values = [sign * each["health"][name] for each in said["runs"]]
        found = said["correlation"][name]
        assert found["count"] == 8 and 0 < found["kendall_p"] <= 1 and 0 < found["spearman_p"] <= 1
        assert found["kendall"] == pytest.approx(kendalltau(values, accuracy).statistic)
        assert found["spearman"] == pytest.approx(spearmanr(values, accuracy).statistic)
    code, again = call(capfd, "compare", *runs(world, 7))
    assert code == 0 and again["correlation"] is None
    assert "No correlation with the labels: 7 of the 8 runs it needs to mean anything." in again["notes"]


def test_data_without_labels_ranks_without(world: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in (world / "photos").rglob("*.png"):
        shutil.copy(file, flat / f"{file.parent.name}{file.name}")
    found = unlabeled.compare(*runs(world, 8), data=flat)
    assert found.correlation is None and all(each.labelled is None for each in found.runs)
    assert found.notes[0] == "The data has no labels, so that the runs are ranked without." and len(found.notes) == 2
    assert found.data == str(flat) and "knn" not in found.better and "knn" not in found.runs[0].rank


def test_labels_that_allow_no_split_are_told_not_raised_unless_asked_for(world: Path, tmp_path: Path) -> None:
    for label in range(5):
        (tmp_path / str(label)).mkdir()
        shutil.copy(next((world / "photos" / str(label)).glob("*.png")), tmp_path / str(label))
    found = unlabeled.compare(world / "run0", data=tmp_path)
    assert found.runs[0].labelled is None and "no class has two labelled samples" in found.notes[0]
    with pytest.raises(unlabeled.UserError, match="lack"):
        unlabeled.compare(world / "run0", data=tmp_path, test=world / "photos")


def test_rankme_is_of_one_kind_of_output_for_all(world: Path, tmp_path: Path) -> None:
    """Of the projectors' where every run keeps one, else of the encoders', of which it is said."""
    found = unlabeled.compare(world / "run0", world / "run1", limit=60)
    assert found.notes[-1] == "rankme is of the projectors' outputs, rankme_encoder of the encoders'."
    for each in found.runs:
        own = unlabeled.evaluate("health", each.run, limit=60)
        assert each.health == own.figures and own.figures["rankme_layer"] == 2 and own.layer == 0
    bare = tmp_path / "bare"
    unlabeled.pretrain("supervised", data=world / "photos", out=bare, max_steps=2, batch_size=32, workers=0)
    mixed = unlabeled.compare(world / "run0", bare, limit=60)
    assert mixed.notes[-1] == f"rankme is of the encoders' outputs, for {bare} keeps no projector."
    assert mixed.runs[0].health["rankme"] == found.runs[0].health["rankme_encoder"] != found.runs[0].health["rankme"]
    assert all(each.health["rankme_layer"] == 0 and "rankme_encoder" not in each.health for each in mixed.runs)
    assert "rankme_encoder" in found.better and "rankme_encoder" not in mixed.better


def test_test_data_is_used(world: Path) -> None:
    found = unlabeled.compare(world / "run0", test=world / "photos")
    assert found.runs[0].labelled is not None and found.runs[0].labelled["n_test"] == 200
    alone = unlabeled.evaluate("knn", world / "run0", test=world / "photos")
    assert found.runs[0].labelled["value"] == alone.value < 1, "tested on itself, each sample is left out"


def test_what_differs_between_runs_is_said(world: Path, tmp_path: Path) -> None:
    other = train(photos(tmp_path / "photos", 48), tmp_path / "run", network={"stem": "small"}, views={"blur": True})
    notes = unlabeled.compare(world / "run0", other).notes
    assert notes[0] == f"The runs were trained on different data; all are judged on that of {world / 'run0'}."
    assert "one method and one encoder" in notes[1] and "differ in their views" in notes[2] and len(notes) == 5
    assert not any(
        "trained on different" in note
        for note in unlabeled.compare(world / "run0", other, data=tmp_path / "photos").notes
    )


def test_people_get_tables(world: Path, capfd: Any) -> None:
    from unlabeled.cli import main

    main(["compare", *map(str, runs(world, 8)), "--limit", "64"])
    shown = capfd.readouterr()
    assert shown.out == "" and "8 runs on" in shown.err and "nearer to 1" in shown.err
    assert "Kendall's tau-b" in shown.err and "top variance share" in shown.err


def test_mistakes(world: Path, tmp_path: Path, capfd: Any) -> None:
    one = world / "run0"
    assert "given twice" in refused(capfd, "compare", one, world / "run1", world / "photos" / ".." / "run0")
    assert "not a run folder" in refused(capfd, "compare", one, world / "photos")
    assert "no run at" in refused(capfd, "compare", one, world / "gone")
    (tmp_path / "unfinished").mkdir()
    shutil.copy(one / "config.yaml", tmp_path / "unfinished")
    assert "no encoder yet" in refused(capfd, "compare", one, tmp_path / "unfinished")
    assert "RUNS is missing" in refused(capfd, "compare", "--seed", "1")
    assert "at least 2" in refused(capfd, "compare", one, "--limit", "1")
    assert "--seed takes numbers of at least 0, got -1" in refused(capfd, "compare", one, "--seed", "-1")
    with pytest.raises(unlabeled.UserError, match="at least one run"):
        unlabeled.compare()
    memory = tmp_path / "memory"
    unlabeled.pretrain("simclr", data=digits(32), out=memory, max_steps=1, batch_size=32, workers=0)
    with pytest.raises(unlabeled.UserError, match="in memory"):
        unlabeled.compare(memory, one)
