"""Recipes that list runs: their cells, their rows, and what is shown of them."""

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

RECIPES = Path(__file__).parents[2] / "recipes"
sys.path.insert(0, str(RECIPES))

import run  # noqa: E402
from grid import cells  # noqa: E402
from run import main  # noqa: E402
from studies import heat_map_of, study  # noqa: E402

SMALL: dict[str, Any] = {
    "about": "a small study",
    "grid": {"first": ["noise", "sobel"], "second": ["noise", "sobel"]},
    "pretrain": {
        "method": "simclr", "data": "${UNLABELED_DATA}/digits.npz", "max_steps": 2, "batch_size": 16, "workers": 0,
        "views": {"operations": ["${first}", "${second}"], "asymmetric": True},
    },
    "evaluate": {"knn": {"k": 3}},
}  # fmt: skip


def test_a_grid_is_every_combination_with_types_kept() -> None:
    recipe = {
        "grid": {
            "layers": [0, 2],
            "loss": {"xent": {"objective": "nt-xent"}, "hard": {"margin": 0.4, "views": {"blur": True}}},
        },
        "pretrain": {"projection_layers": "${layers}", "out": "a-${layers}", "views": {"flip": False}},
        "evaluate": {"knn": None},
    }
    found = {cell.name: cell.recipe["pretrain"] for cell in cells(recipe)}
    assert found == {
        "0-xent": {"projection_layers": 0, "out": "a-0", "views": {"flip": False}, "objective": "nt-xent"},
        "0-hard": {"projection_layers": 0, "out": "a-0", "views": {"flip": False, "blur": True}, "margin": 0.4},
        "2-xent": {"projection_layers": 2, "out": "a-2", "views": {"flip": False}, "objective": "nt-xent"},
        "2-hard": {"projection_layers": 2, "out": "a-2", "views": {"flip": False, "blur": True}, "margin": 0.4},
    }


def test_a_recipe_without_a_grid_is_one_cell() -> None:
    (cell,) = cells({"pretrain": {"method": "simclr"}, "evaluate": {}})
    assert cell.values == {} and cell.name == "" and cell.recipe["pretrain"] == {"method": "simclr"}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_cell_of_every_recipe_can_be_trained(path: Path) -> None:
    """All flags exist and are within their ranges, and no two cells share a file."""
    from battery.small import WORLDS
    from unlabeled import methods
    from unlabeled.commands.evaluate import PROTOCOLS
    from unlabeled.commands.pretrain import pretrain
    from unlabeled.training.settings import completed

    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "run" in recipe:  # evaluates the run of another recipe
        recipe = yaml.safe_load((path.parent / f"{recipe['run']}.yaml").read_text(encoding="utf-8")) | recipe
    made = cells(recipe)
    assert len({cell.name for cell in made}) == len(made)
    common = set(pretrain.__annotations__)
    for cell in made:
        flags = dict(cell.recipe["pretrain"])
        method = methods.find(flags["method"])
        of_graphs = "/graphs/" in str(flags.get("data"))
        world = WORLDS["graphs" if of_graphs else methods.looks_at(method)[0]]
        form = world.kind.size(world.kind.open(world.data(16), None))
        size = flags.get("image_size", 32 if world.kind.sized else form)
        known = common | set(inspect.signature(world.kind.open).parameters)
        own = {name: value for name, value in flags.items() if name not in known}
        method(encoder=world.fresh(form), **completed(method, "--", own, "encoder"))
        completed(world.kind.encoder, "--network.", flags.get("network", {}), "name", "image_size", "form")
        preset = getattr(method, "views", {}).get(world.modality, world.kind.views)
        preset(size=size, **completed(preset, "--views.", flags.get("views", {}), "size"))
        for name, options in cell.recipe["evaluate"].items():
            arguments = dict(options or {})
            completed(PROTOCOLS[arguments.pop("evaluation", name)], "--", arguments, "run")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of a study run by one call, the other half by a second, from a folder of data sets."""
    folder = tmp_path_factory.mktemp("study")
    digits = load_digits()
    np.savez(folder / "digits.npz", images=(digits.images[:96] * 15.9).astype(np.uint8), labels=digits.target[:96])
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False), encoding="utf-8")
    for share in ("0", "1"):
        call(folder, "--share", share, "2")
    return folder


def call(folder: Path, *more: str, data: str | None = None) -> None:
    words = [folder / "small.yaml", "--runs", folder / "runs", "--results", folder / "results", *more]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLABELED_DATA", data or str(folder))
        main([str(word) for word in words])


def test_each_cell_is_a_row_and_leaves_no_run(finished: Path) -> None:
    names = sorted(path.name for path in (finished / "results" / "small").iterdir())
    assert names == [f"{a}-{b}-seed0.json" for a in ("noise", "sobel") for b in ("noise", "sobel")]
    row = json.loads((finished / "results" / "small" / "noise-sobel-seed0.json").read_text(encoding="utf-8"))
    assert row["cell"] == {"first": "noise", "second": "sobel"} and row["pretrain"]["steps"] == 2
    assert 0 < row["last_step"]["contrastive_entropy"] <= np.log(16)
    assert str(finished) not in json.dumps(row)
    assert [path.name for path in (finished / "runs" / "small").iterdir()] == ["features"]
    # representations of four trained encoders, and of the random one, which all share
    assert len(list((finished / "runs" / "small" / "features").glob("*.ids.npy"))) == 5


def test_a_row_that_is_there_is_not_made_again(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {path: path.stat().st_mtime_ns for path in (finished / "results" / "small").iterdir()}
    gone = finished / "results" / "small" / "sobel-sobel-seed0.json"
    gone.unlink()
    call(finished)
    assert "sobel-sobel: 1 of 1, 0:00 left" in capsys.readouterr().err
    for path, time in rows.items():
        assert (path.stat().st_mtime_ns == time) == (path != gone)
    call(finished)
    assert "is there already" in capsys.readouterr().err


def test_the_matrix_is_the_rows(finished: Path) -> None:
    shown = study("small", SMALL, finished / "results")
    lines = [line.split("|")[1:-1] for line in shown.splitlines() if line.startswith(("| noise", "| sobel"))]
    for name, *numbers in lines:
        values = [
            100 * json.loads((finished / "results" / "small" / f"{name.strip()}-{other}-seed0.json").read_text())
            ["evaluate"]["knn"]["value"] for other in ("noise", "sobel")
        ]  # fmt: skip
        assert [float(each) for each in numbers] == pytest.approx([*values, np.mean(values)], abs=0.051)
    assert len(lines) == 2 and "4 of 4 cells" in shown
    drawn = heat_map_of("small", SMALL, finished / "results", "knn")
    assert {f"{float(each):.1f}" for _, *numbers in lines for each in numbers} <= set(re.findall(r">([\d.]+)<", drawn))


def test_a_study_in_progress_shows_its_gaps(finished: Path) -> None:
    wider = SMALL | {"grid": {"first": ["noise", "sobel", "rotate"], "second": ["noise", "sobel"]}}
    shown = study("small", wider, finished / "results")
    assert "| rotate | – | – | – |" in shown and "4 of 6 cells" in shown
    assert study("nothing", SMALL, finished / "results") == ""


def test_several_protocols_share_a_table_with_their_baselines(tmp_path: Path) -> None:
    recipe = {"about": "Two", "grid": {"width": [8]}, "pretrain": {}, "evaluate": {}}
    (tmp_path / "two").mkdir()
    for seed, random in enumerate((0.25, 0.5)):
        judged = {"knn": {"value": 0.75, "n_test": 8, "baselines": {"random_encoder": random}}}
        judged["linear"] = {"value": 0.5, "n_test": 4, "baselines": {"raw_input": 0.125}}
        row = {
            "cell": {"width": "8"}, "seed": seed, "evaluate": judged, "last_step": {},
            "pretrain": {"seconds": 60.0, "steps": 5, "samples": 9}, "environment": {"threads": 1, "devices": ["cpu"]},
        }  # fmt: skip
        (tmp_path / "two" / f"8-seed{seed}.json").write_text(json.dumps(row), encoding="utf-8")
    paragraphs = study("two", recipe, tmp_path).strip().split("\n\n")
    assert paragraphs[3].startswith("Test samples: **knn** 8, **linear** 4.") and len(paragraphs) == 5
    assert paragraphs[4].splitlines()[2:] == [
        "| 8 | 75.0 ± 0.0 | 50.0 ± 0.0 |", "| *random encoder* | 25.0 to 50.0 | – |", "| *raw input* | – | 12.5 |",
    ]  # fmt: skip


def test_one_axis_is_a_list(finished: Path) -> None:
    row = json.loads((finished / "results" / "small" / "noise-sobel-seed0.json").read_text(encoding="utf-8"))
    (finished / "results" / "line").mkdir()
    for seed, value in ((0, 0.25), (1, 0.75)):
        row |= {"seed": seed, "cell": {"width": "8"}}
        row["evaluate"]["knn"]["value"] = value
        (finished / "results" / "line" / f"8-seed{seed}.json").write_text(json.dumps(row), encoding="utf-8")
    shown = study("line", SMALL | {"grid": {"width": [8, 16]}}, finished / "results")
    assert "| width | knn | contrastive accuracy | entropy |" in shown
    assert "| 8 | 50.0 ± 35.4 |" in shown and "| 16 | – | – | – |" in shown


@pytest.mark.parametrize(
    ("words", "data", "said"),
    [
        (("--seed", "1"), "/nowhere", "this recipe needs the data sets: set UNLABELED_DATA to their folder."),
        (("--share", "2", "2"), None, "--share takes K of 0 to N - 1, got 2 of 2."),
    ],
)
def test_mistakes_are_told(finished: Path, capsys: Any, words: tuple[str, ...], data: str | None, said: str) -> None:
    with pytest.raises(SystemExit) as stop:
        call(finished, *words, data=data)
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_rows_of_other_data_do_not_lie_among_the_recipes(finished: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(finished / "small.yaml"), "--data", "photos"])
    assert stop.value.code == 2 and "say where they go with --results" in capsys.readouterr().err


def test_a_run_that_was_stopped_gives_no_row(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = run.train
    monkeypatch.setattr(run, "train", lambda flags, *rest: train(flags | {"max_time": 0.0}, *rest))
    with pytest.raises(SystemExit) as stop:
        call(finished, "--seed", "5")
    assert stop.value.code == 130
    assert not list((finished / "results" / "small").glob("*-seed5.json"))
    assert (finished / "runs" / "small" / "noise-noise-seed5" / "checkpoints" / "last.pt").exists()
    monkeypatch.undo()
    call(finished, "--seed", "5", "--share", "0", "4", "--keep")
    assert (finished / "results" / "small" / "noise-noise-seed5.json").exists()
    assert (finished / "runs" / "small" / "noise-noise-seed5" / "encoder.safetensors").exists()


def test_trainings_from_scratch_follow_the_seed_of_the_recipe(tmp_path: Path) -> None:
    """Nothing else of theirs does: their network is not the run's."""
    for path in RECIPES.glob("*.yaml"):
        for options in yaml.safe_load(path.read_text(encoding="utf-8"))["evaluate"].values():
            assert (options or {}).get("training") != "scratch" or options["seed"] == "${SEED}", path.stem
    path = tmp_path / "scratch.yaml"
    path.write_text(yaml.safe_dump({"pretrain": {}, "evaluate": {"knn": {"seed": "${SEED}"}}}), encoding="utf-8")
    asked = argparse.Namespace(recipe=path, data=None, test=None, runs=tmp_path, seed=4)
    assert run.opened(asked)["evaluate"] == {"knn": {"seed": 4}}


def test_one_evaluation_may_be_asked_twice(finished: Path) -> None:
    of_z = {"evaluate": {"knn": {"k": 3}, "knn on z": {"evaluation": "knn", "k": 3, "layer": -1}}}
    path = finished / "twice.yaml"
    path.write_text(yaml.safe_dump(SMALL | of_z | {"grid": {"first": ["noise"], "second": ["noise"]}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLABELED_DATA", str(finished))
        main([str(path), "--runs", str(finished / "runs"), "--results", str(finished / "results")])
    row = json.loads((finished / "results" / "twice" / "noise-noise-seed0.json").read_text(encoding="utf-8"))
    found = {name: (result["protocol"], result["layer"]) for name, result in row["evaluate"].items()}
    assert found == {"knn": ("knn", 0), "knn on z": ("knn", 2)}


def test_another_image_source(finished: Path) -> None:
    call(finished, "--seed", "3", "--data", str(finished / "digits.npz"), "--share", "0", "4")
    assert (finished / "results" / "small" / "noise-noise-seed3.json").exists()


def test_a_study_of_streams_says_what_the_protocol_says_beside_its_value(tmp_path: Path) -> None:
    recipe = {"about": "A stream", "grid": {"stream": {"with": {}, "without": {}}}, "pretrain": {}, "evaluate": {}}
    (tmp_path / "curl").mkdir()
    for seed, first in enumerate((0.5, 0.7)):
        found = {
            "value": 0.25, "n_test": 8, "baselines": {}, "components": 3, "hungarian_accuracy": 0.2,
            "knn_error": {"10": 0.125}, "per_class": [0.0, first], "class_incremental": None, "task_incremental": None,
            "classes": ["a", "b"], "order": [["b"], ["a"]], "confusion": [[1, 0, 3], [2, 3, 1]],
        }  # fmt: skip
        row = {
            "cell": {"stream": "with"}, "seed": seed, "evaluate": {"stream": found}, "last_step": {},
            "pretrain": {"seconds": 60.0, "steps": 5, "samples": 9}, "environment": {"threads": 1, "devices": ["cpu"]},
        }  # fmt: skip
        (tmp_path / "curl" / f"with-seed{seed}.json").write_text(json.dumps(row), encoding="utf-8")
    table = study("curl", recipe, tmp_path)
    assert "| stream | stream | components | Hungarian | 10-NN error | first class | its precision |" in table
    assert "| with | 25.0 ± 0.0 | 3.0 ± 0.0 | 20.0 ± 0.0 | 12.5 ± 0.0 | 60.0 ± 14.1 | 83.3 ± 0.0 |" in table
    assert "| without | – | – | – | – | – | – |" in table
