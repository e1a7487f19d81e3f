"""Timed links through the commands: train, resume, embed, search, predict links, go on from a finished run."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import unlabeled
from unlabeled.cli import run as cli
from unlabeled.commands.load import random_encoder
from unlabeled.data.temporal_graphs import open_snapshots, southern_women
from unlabeled.errors import UserError
from unlabeled.evaluation.link_prediction import retraining as module
from unlabeled.reports.use_tables import search_tables
from unlabeled.run import Run
from unlabeled.training.loop import Loop

SMALL: dict[str, Any] = {
    "epochs": 3, "num_walks": 2, "walk_length": 6, "workers": 0,
    "network": {"structural_widths": (16,), "structural_heads": (4,), "temporal_widths": (16,), "temporal_heads": (4,)},
}  # fmt: skip


DESCRIBED = ["pretrain", "dysat", "--data", "LINKS", "--window", "20d", "--attributes", "AGES"]


class Killed(Exception):
    """What a kill looks like to the code that is killed."""


def table(folder: Path) -> Path:
    """The built-in gatherings as a file, one row a link, a day for a time; and one bad row."""
    found = southern_women()
    path = folder / "links.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "target", "time"])
        for snapshot in range(found.count):
            for a, b, _ in zip(*found.links(snapshot), strict=True):
                writer.writerow([found.names[a], found.names[b], found.starts_shown()[snapshot]])
        writer.writerow(["nobody", "", "1936-11-21T00:00:00Z"])
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    unlabeled.pretrain("dysat", table(folder), out=folder / "run", window="20d", **SMALL)
    return folder / "run"


def test_a_run_keeps_its_windows_and_tells_bad_rows(trained: Path) -> None:
    run = Run(trained)
    config = run.config()
    assert config["window"] == "20d" and config["held_out"] == 1
    assert config["batch_size"] == 256 and run.description()["step"] == 3  # all 18 nodes a step
    assert run.skipped() == [("row 323", "no target")]
    assert run.description()["form"][:2] == [18, 13]  # of fourteen windows of twenty days, the last is held out
    assert run.metrics()[-1]["step"] == 3


def test_a_run_goes_on(trained: Path, tmp_path: Path) -> None:
    one = unlabeled.pretrain(
        "dysat", trained.parent / "links.csv", out=tmp_path / "run", window="20d", **SMALL | {"max_time": 0}
    )
    assert not one.finished
    unlabeled.pretrain("dysat", out=tmp_path / "run", resume=True, workers=0)
    for name, value in Run(trained).weights().items():
        assert torch.equal(value, Run(tmp_path / "run").weights()[name]), name


def test_attributes_of_nodes_are_what_is_seen(trained: Path, tmp_path: Path) -> None:
    names = southern_women().names
    lines = [f" {name} , {number % 3},{1 + number % 5}" for number, name in enumerate(names)]
    (tmp_path / "ages.csv").write_text("\n".join(["node,age,size", *lines]), encoding="utf-8")
    links, flags = trained.parent / "links.csv", SMALL | {"window": "20d", "attributes": str(tmp_path / "ages.csv")}
    unlabeled.pretrain("dysat", links, out=tmp_path / "run", **flags)
    assert Run(tmp_path / "run").weights()["structural.0.weight"].shape == (2, 16)
    made = unlabeled.embed(tmp_path / "run", out=tmp_path / "nodes.parquet")
    assert made.width == 16
    seen = unlabeled.load(tmp_path / "run").opened(links).attributes
    assert (seen[:, 1] > 0).all()  # blanks around a name are none of it
    judged: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", steps=4, splits=2, deepwalk_epochs=1)
    assert judged.baselines["deepwalk"] > 0  # which has no use for attributes
    unlabeled.pretrain("dysat", links, out=tmp_path / "half", **flags | {"max_time": 0})
    unlabeled.pretrain("dysat", out=tmp_path / "half", resume=True, workers=0)
    for name, value in Run(tmp_path / "run").weights().items():
        assert torch.equal(value, Run(tmp_path / "half").weights()[name]), name


def test_attributes_are_found_from_another_folder(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{name},{number}" for number, name in enumerate(southern_women().names)]
    (tmp_path / "ages.csv").write_text("\n".join(["node,age", *lines]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    flags = SMALL | {"epochs": 1, "window": "20d", "attributes": "ages.csv"}
    unlabeled.pretrain("dysat", trained.parent / "links.csv", out="run", **flags)
    monkeypatch.chdir(trained)
    assert unlabeled.embed(tmp_path / "run", out=tmp_path / "nodes.parquet").width == 16


@pytest.mark.parametrize("flag", ["labels", "attributes"])
def test_a_file_of_nodes_that_is_not_there_is_told(trained: Path, tmp_path: Path, flag: str) -> None:
    flags = SMALL | {"window": "20d", flag: tmp_path / "absent.csv"}
    with pytest.raises(UserError, match=rf"the {flag} '.*absent\.csv' are not there"):
        unlabeled.pretrain("dysat", trained.parent / "links.csv", out=tmp_path / "run", **flags)


def test_other_nodes_are_refused_and_a_table_is_looked_at(trained: Path, tmp_path: Path) -> None:
    other = (trained.parent / "links.csv").read_text(encoding="utf-8").replace("Theresa", "Teresa")
    (tmp_path / "other.csv").write_text(other, encoding="utf-8")
    with pytest.raises(UserError, match="nodes of other names, unlike what the run was trained on"):
        unlabeled.embed(trained, tmp_path / "other.csv", out=tmp_path / "nodes.parquet")
    seen = unlabeled.inspect(tmp_path / "other.csv")
    assert (seen.modality, seen.samples, len(seen.skipped)) == ("temporal_graphs", 18, 1)


def test_an_encoder_of_nodes_is_not_exported(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its own nodes alone"):
        unlabeled.export(trained, format="safetensors", out=tmp_path / "x.safetensors")


def test_nodes_are_classified_beside_what_knows_no_structure(trained: Path, tmp_path: Path) -> None:
    rows = [f"{name},{'first' if number < 9 else 'last'}" for number, name in enumerate(southern_women().names)]
    (tmp_path / "labels.csv").write_text("\n".join(["node,label", *rows]), encoding="utf-8")
    found: Any = unlabeled.evaluate("knn", trained, labels=tmp_path / "labels.csv", k=(3,))
    assert found.n_train + found.n_test == 18 and {"random_encoder", "raw_input"} <= set(found.baselines)
    clusters: Any = unlabeled.evaluate("clustering", trained, labels=tmp_path / "labels.csv", clusters=(2,), seeds=2)
    assert 0.5 <= clusters.value <= 1
    for protocol in ("linear-sgd", "finetune"):
        with pytest.raises(UserError, match="sees all nodes at once; use knn, linear or clustering"):
            unlabeled.evaluate(protocol, trained, labels=tmp_path / "labels.csv")


def test_the_built_in_sample_takes_labels_for_it_has_none(tmp_path: Path) -> None:
    rows = [f"{name},{'first' if number < 9 else 'last'}" for number, name in enumerate(southern_women().names)]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["node,label", *rows]), encoding="utf-8")
    for given, asked in (({}, {"labels": labels}), ({"labels": labels}, {})):
        out = tmp_path / ("with" if given else "without")
        unlabeled.pretrain("dysat", out=out, **SMALL, **given)
        found: Any = unlabeled.evaluate("knn", out, k=(3,), **asked)
        assert found.n_train + found.n_test == 18
    with pytest.raises(UserError, match="give --labels"):
        unlabeled.evaluate("knn", tmp_path / "without", k=(3,))


def test_the_table_beside_it_is_trained_for_its_own_epochs(tmp_path: Path) -> None:
    unlabeled.pretrain("dysat", out=tmp_path / "run", max_steps=1, **SMALL)
    ask: dict[str, Any] = {"steps": 6, "splits": 2}
    short, long = (
        unlabeled.evaluate("link-prediction", tmp_path / "run", deepwalk_epochs=epochs, **ask).baselines["deepwalk"]
        for epochs in (1, 40)
    )
    assert short != long


def test_a_snapshot_is_named_by_its_number_in_python_too(trained: Path) -> None:
    both = [unlabeled.search(trained, query="Flora Price", snapshot=name) for name in ("2", 2)]
    assert both[0].results == both[1].results


def test_a_loaded_run_opens_a_table_as_its_own_was(trained: Path, tmp_path: Path) -> None:
    """Windows, and how many snapshots are held out, are the run's."""
    path = table(tmp_path)
    path.write_text(
        "\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]), encoding="utf-8"
    )  # but for the bad row
    assert unlabeled.load(trained).embed(path).shape == (18, 16)


@pytest.mark.parametrize("ending", [".parquet", ".npz", ".npy"])
def test_embeddings_have_a_row_a_node_and_snapshot(trained: Path, tmp_path: Path, ending: str) -> None:
    told = unlabeled.embed(trained, out=tmp_path / f"nodes{ending}")
    whole = unlabeled.load(trained)
    samples = whole.modality.open(trained.parent / "links.csv", None, window="20d")
    assert told.samples == samples.nodes.sum() and told.width == 16
    assert told.skipped == [{"path": "row 323", "reason": "no target"}]
    if ending == ".npy":
        rows = np.load(tmp_path / "nodes.npy")
        with (tmp_path / "nodes.csv").open(encoding="utf-8") as file:
            columns = list(csv.DictReader(file))
        node, start = columns[-1]["node"], columns[-1]["start"]
    elif ending == ".npz":
        with np.load(tmp_path / "nodes.npz", allow_pickle=False) as file:
            rows, node, start = file["embedding"], str(file["node"][-1]), str(file["start"][-1])
    else:
        read = pq.read_table(tmp_path / "nodes.parquet").to_pydict()
        rows, node, start = np.array(read["embedding"]), read["node"][-1], read["start"][-1]
        assert read["snapshot"][-1] == 12
    assert node == samples.names[-1] and start == samples.starts_shown()[-1]
    np.testing.assert_allclose(rows[-18:], whole.features(samples).embeddings, rtol=1e-6)


def test_search_finds_the_nearest_nodes(trained: Path) -> None:
    found = unlabeled.search(trained, query="Theresa Anderson", top=3)
    whole = unlabeled.load(trained)
    samples = whole.modality.open(trained.parent / "links.csv", None, window="20d")
    rows = whole.features(samples).embeddings
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit @ unit[samples.names.index("Theresa Anderson")]
    order = [samples.names[each] for each in np.argsort(-cosine) if samples.names[each] != "Theresa Anderson"]
    assert [each.path for each in found.results] == order[:3]
    heading, shown, *_ = search_tables(found)
    assert heading.startswith("nearest of 18 nodes of ")
    assert [column.header for column in shown.columns] == ["similarity", "node"]
    assert unlabeled.search(trained, query="Theresa Anderson", snapshot="3").data.endswith("(1936-04-23T00:00:00Z)")


def test_nodes_are_embedded_behind_the_head_where_it_is_asked_for(tmp_path: Path) -> None:
    unlabeled.pretrain("dysat", table(tmp_path), out=tmp_path / "run", window="20d", projection_layers=2, **SMALL)
    found = {}
    for layer in (0, 1, -1):
        unlabeled.embed(tmp_path / "run", out=tmp_path / f"{layer}.npy", layer=layer)
        found[layer] = torch.from_numpy(np.load(tmp_path / f"{layer}.npy"))
    first, last = (Run(tmp_path / "run").projector_weights()[f"{name}.weight"] for name in ("0.0", "1"))
    bias = [Run(tmp_path / "run").projector_weights()[f"{name}.bias"] for name in ("0.0", "1")]
    hidden = (found[0] @ first.T + bias[0]).relu()
    torch.testing.assert_close(found[1], hidden, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[-1], hidden @ last.T + bias[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"query": "Scarlett"}, "no node of"),
        ({"query": "Theresa Anderson", "snapshot": "99"}, "--snapshot takes 0 to 12"),
        ({"query": "Theresa Anderson", "out": "sheet.png"}, "no pictures"),
        ({"query": "Myra Liddel", "snapshot": "0"}, "is not embedded in snapshot 0"),
    ],
)
def test_mistakes_of_search(trained: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        unlabeled.search(trained, **options)


def test_links_are_predicted_and_finished_steps_kept(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained, tmp_path / "run")
    whole_steps = module.Retraining._made
    made: list[int] = []

    def counted(self: Any, count: int, multi: bool) -> Any:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(count)
        return whole_steps(self, count, multi)

    monkeypatch.setattr(module.Retraining, "_made", counted)
    ask = {"steps": 4, "splits": 2, "deepwalk_epochs": 2}
    with pytest.raises(KeyboardInterrupt):
        unlabeled.evaluate("link-prediction", tmp_path / "run", **ask)
    assert made == [10, 11]
    monkeypatch.setattr(module.Retraining, "_made", whole_steps)
    found: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", **ask)
    again: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", **ask)
    assert found == again and found.protocol == "link-prediction" and found.metric == "macro_auc"
    assert len(found.steps) + len(found.skipped) == 4 and not found.self_pairs and found.other_self_pairs is None
    assert {"random_encoder", "linked_before", "interactions", "degree_product", "adamic_adar", "deepwalk"} <= set(
        found.baselines
    )
    assert found.value == pytest.approx(np.mean([step["auc"] for step in found.steps]))
    assert found.validation == pytest.approx(np.mean([step["validation"] for step in found.steps]))
    richer: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", **ask, features="scores")
    assert made == [10, 11] and richer.features == "scores"  # of the same trainings
    assert richer.value != found.value and richer.baselines.keys() == found.baselines.keys()
    assert 0 <= found.micro_auc <= 1 and 0 <= found.average_precision <= 1
    longer: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", **ask, past=True)
    assert made == [10, 11] and longer.past and longer.baselines.keys() == found.baselines.keys()
    assert longer.baselines["deepwalk"] == found.baselines["deepwalk"]  # a table has no past
    for kind in ("l1", "sigmoid"):
        other: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", **ask, features=kind)
        assert made == [10, 11] and other.baselines.keys() == found.baselines.keys() and other.value != found.value
    with pytest.raises(UserError, match="sigmoid has none"):
        unlabeled.evaluate("link-prediction", tmp_path / "run", **ask, features="sigmoid", past=True)
    page = Path(unlabeled.report(tmp_path / "run").report).read_text(encoding="utf-8")
    assert "macro auc" in page and "degree product" in page


def test_six_snapshots_ahead_and_step_by_step(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    with pytest.raises(UserError, match="leave --steps out"):
        unlabeled.evaluate("link-prediction", tmp_path / "run", task="multi-step", steps=1)
    far: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", task="multi-step", splits=2, deepwalk_epochs=1)
    assert far.steps and all(step["trained_on"] == 8 for step in far.steps)
    slow: Any = unlabeled.evaluate(
        "link-prediction", tmp_path / "run", steps=8, splits=2, deepwalk_epochs=1, incremental=True
    )
    assert slow.incremental and slow.steps
    plain: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", steps=8, splits=2, deepwalk_epochs=1)
    assert slow.value != plain.value  # its untrained network has no history that was learnt
    assert slow.baselines["random_encoder"] == plain.baselines["random_encoder"]
    names = {path.name for path in (tmp_path / "run" / "evaluations" / "link-prediction").rglob("history-*")}
    assert len(names) == 13  # one snapshot after the other, from the first


def test_another_deepwalk_is_trained_anew(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    few, many = (
        unlabeled.evaluate("link-prediction", tmp_path / "run", steps=4, splits=2, deepwalk_epochs=count)
        for count in (1, 20)
    )
    assert few.value == many.value and few.baselines["deepwalk"] != many.baselines["deepwalk"]


def test_six_snapshots_ahead_leave_nothing_to_go_on_from(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They choose an epoch of their own, so that the order of calls would change what the next training makes."""
    monkeypatch.setattr(module, "FUTURE", 10)  # few steps before it
    shutil.copytree(trained, tmp_path / "run")
    ask = {"splits": 2, "deepwalk_epochs": 1, "incremental": True}
    far: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", task="multi-step", **ask)
    kept = (tmp_path / "run" / "evaluations" / "link-prediction").rglob("history-*")
    assert {step["trained_on"] for step in far.steps} == {4}
    assert sorted(path.name[8:12] for path in kept) == ["0001", "0002", "0003"]


def test_incremental_steps_that_were_killed_go_on_to_the_same_figures(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = {"splits": 2, "deepwalk_epochs": 1, "incremental": True}
    for name in ("whole", "killed"):
        shutil.copytree(trained, tmp_path / name)
    whole: Any = unlabeled.evaluate("link-prediction", tmp_path / "whole", **ask)
    keep = module.Retraining._keep

    def killed(self: Any, count: int, history: Any) -> None:
        keep(self, count, history)
        if count == 7:  # its history is there, its answers are not
            raise Killed

    monkeypatch.setattr(module.Retraining, "_keep", killed)
    with pytest.raises(Killed):
        unlabeled.evaluate("link-prediction", tmp_path / "killed", **ask)
    monkeypatch.undo()
    found: Any = unlabeled.evaluate("link-prediction", tmp_path / "killed", **ask)
    assert (found.value, found.steps, found.baselines) == (whole.value, whole.steps, whole.baselines)


def test_a_finished_run_takes_one_more_snapshot(trained: Path, tmp_path: Path) -> None:
    links = trained.parent / "links.csv"
    network = SMALL["network"] | {"incremental": True}
    options = SMALL | {"window": "20d", "held_out": 0, "network": network}
    unlabeled.pretrain("dysat", links, out=tmp_path / "run", history=trained, **options)
    whole = unlabeled.load(tmp_path / "run")
    before = unlabeled.load(trained)
    samples = before.modality.open(links, None, window="20d")
    graph = before.module.graph_of(samples)
    torch.testing.assert_close(Run(tmp_path / "run").weights()["past"][:18], before.module.history(graph))
    assert whole.rows(whole.modality.open(links, None, window="20d", held_out=0)).columns["snapshot"].min() == 13
    for wrong in (
        {"history": trained, "held_out": 1, "network": network},
        {"history": trained, "network": SMALL["network"]},
        {"network": network},
    ):
        with pytest.raises(UserError, match=r"--held-out 2|give both or none"):
            unlabeled.pretrain("dysat", links, out=tmp_path / "wrong", **options | wrong)
    wider = network | {"structural_widths": (32,)}
    with pytest.raises(UserError, match="structural-widths 16 and this run has 32; give the same --network flags"):
        unlabeled.pretrain("dysat", links, out=tmp_path / "wrong", history=trained, **options | {"network": wider})


def test_a_snapshot_more_is_learnt_to_the_same_bits_after_a_kill(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = trained.parent / "links.csv"
    network = SMALL["network"] | {"incremental": True}
    options = SMALL | {"window": "20d", "held_out": 0, "network": network, "history": trained, "epochs": 6}
    unlabeled.pretrain("dysat", links, out=tmp_path / "whole", **options)
    step = Loop.step

    def killed(self: Any, *given: Any) -> Any:
        if self.done == 3:
            raise Killed
        return step(self, *given)

    monkeypatch.setattr(Loop, "step", killed)
    with pytest.raises(Killed):
        unlabeled.pretrain("dysat", links, out=tmp_path / "killed", checkpoint_seconds=0, **options)
    monkeypatch.undo()
    checkpoint = Run(tmp_path / "killed").checkpoint()
    assert checkpoint is not None and checkpoint.step == 3
    done = unlabeled.pretrain("dysat", out=tmp_path / "killed", resume=True, workers=0)
    assert done.steps == 6 and Run(tmp_path / "killed").metrics()[-1]["step"] == 6
    weights = Run(tmp_path / "killed").weights()
    for name, value in Run(tmp_path / "whole").weights().items():
        assert torch.equal(value, weights[name]), name


def test_what_a_history_must_be(trained: Path, tmp_path: Path) -> None:
    links, network = trained.parent / "links.csv", SMALL["network"] | {"incremental": True}
    options = SMALL | {"window": "20d", "held_out": 0, "out": tmp_path / "wrong"}
    counted = network | {"edge_weight": "count"}
    with pytest.raises(UserError, match=r"with --network\.edge-weight gcn and this run has count"):
        unlabeled.pretrain("dysat", links, history=trained, **options | {"network": counted})
    flags = SMALL | {"window": "20d", "network": SMALL["network"] | {"activity": True}}
    unlabeled.pretrain("dysat", links, out=tmp_path / "lively", **flags)
    with pytest.raises(UserError, match=r"with --network\.activity True and this run has False"):
        unlabeled.pretrain("dysat", links, history=tmp_path / "lively", **options | {"network": network})
    with pytest.raises(UserError, match="that --history names is not there"):
        unlabeled.pretrain("dysat", links, history=tmp_path / "absent", **options | {"network": network})
    flags = SMALL | {"window": "20d", "encoder": "node_table"}
    unlabeled.pretrain("dysat", links, out=tmp_path / "table", **flags)
    with pytest.raises(UserError, match="is a table of nodes, and --history takes"):
        unlabeled.pretrain("dysat", links, history=tmp_path / "table", **options | {"network": network})
    with pytest.raises(UserError, match="sees no history; leave --incremental out"):
        unlabeled.evaluate("link-prediction", tmp_path / "table", incremental=True)


def test_the_untrained_network_beside_a_history_has_none(trained: Path, tmp_path: Path) -> None:
    options = SMALL | {"window": "20d", "held_out": 0, "network": SMALL["network"] | {"incremental": True}}
    unlabeled.pretrain("dysat", trained.parent / "links.csv", out=tmp_path / "run", history=trained, **options)
    assert unlabeled.load(tmp_path / "run").module.past is not None
    untrained = random_encoder(Run(tmp_path / "run"))
    assert untrained.module.past is None
    samples = untrained.modality.open(trained.parent / "links.csv", None, window="20d", held_out=0)
    assert len(untrained.rows(samples).embeddings) > 18  # of all snapshots


def test_a_snapshot_more_after_windows_without_a_node(tmp_path: Path) -> None:
    """The first windows may be empty: what goes on from snapshot to snapshot begins with the first that has nodes."""
    path = table(tmp_path)
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, "Flora Price,Helen Lloyd,1930-01-01", *rows]), encoding="utf-8")
    cut, out = {"window": "20d", "skip_first": 110}, tmp_path / "run"  # into 1936, before the first gathering
    unlabeled.pretrain("dysat", path, out=out, **cut, **SMALL)
    assert open_snapshots(path, **cut).nodes.tolist()[:2] == [0, 0]
    found: Any = unlabeled.evaluate("link-prediction", out, incremental=True, steps=40, splits=2, deepwalk_epochs=1)
    assert len(found.steps) > 3 and np.isfinite(found.value)


def test_training_that_is_no_number_is_told(tmp_path: Path) -> None:
    links = table(tmp_path)
    unlabeled.pretrain("dysat", links, out=tmp_path / "run", window="20d", **SMALL)
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("learning_rate: 0.001", "learning_rate: 1.0e+20"))
    with pytest.raises(UserError, match="no finite numbers after epoch 1; pretrain with a lower --learning-rate"):
        unlabeled.evaluate("link-prediction", tmp_path / "run", steps=6, splits=1, deepwalk_epochs=1)


def test_every_training_of_the_protocol_starts_afresh(trained: Path, tmp_path: Path) -> None:
    """A run that began with weights of other snapshots is judged as one that did not."""
    flags = SMALL | {"window": "20d", "network": SMALL["network"] | {"positions": False}}
    links, ask = trained.parent / "links.csv", {"steps": 4, "splits": 2, "deepwalk_epochs": 1}
    unlabeled.pretrain("dysat", links, out=tmp_path / "plain", **flags)
    unlabeled.pretrain("dysat", links, out=tmp_path / "begun", init=str(tmp_path / "plain"), **flags)
    plain, begun = (unlabeled.evaluate("link-prediction", tmp_path / name, **ask) for name in ("plain", "begun"))
    assert (begun.value, begun.baselines) == (plain.value, plain.baselines)


def test_a_step_without_pairs_that_are_not_linked_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [(f"n{i}", f"n{j}", step) for step in range(4) for i in range(7) for j in range(i)
            if step == 3 or rng.random() < 0.5]  # fmt: skip
    text = "source,target,snapshot\n" + "".join(f"{i},{j},{step}\n" for i, j, step in rows)
    (tmp_path / "office.csv").write_text(text)
    unlabeled.pretrain("dysat", tmp_path / "office.csv", out=tmp_path / "run", **SMALL)
    found: Any = unlabeled.evaluate("link-prediction", tmp_path / "run", splits=2, deepwalk_epochs=1)
    assert found.steps and "3: fewer than 10 links, or pairs without one" in found.skipped


def test_snapshots_are_named_by_the_tables_own_numbers(trained: Path, tmp_path: Path) -> None:
    rows = [(a, b, step) for step in (1, 2, 5) for a in "abc" for b in "abc" if a < b]
    rows += [("d", "a", 2), ("d", "b", 5)]
    text = "source,target,snapshot\n" + "".join(f"{a},{b},{step}\n" for a, b, step in rows)
    (tmp_path / "links.csv").write_text(text)
    unlabeled.pretrain("dysat", tmp_path / "links.csv", out=tmp_path / "run", held_out=0, **SMALL)
    for asked, snapshot in (("1", 0), ("2", 1), ("0", 0), ("5", 2)):
        found = unlabeled.search(tmp_path / "run", query="a", snapshot=asked)
        assert f"snapshot {snapshot} ({(1, 2, 5)[snapshot]})" in found.data
    assert len(unlabeled.search(tmp_path / "run", query="a", snapshot="1").results) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pretrain", "simclr", "--data", "LINKS"], "does not learn from temporal_graphs"),
        (["pretrain", "dysat", "--data", "LINKS"], "say how long a snapshot is"),
        (["pretrain", "dysat", "--window", "3d"], "has its own snapshots"),
        (["pretrain", "dysat", "--data", "LINKS", "--window", "20d", "--network.temporal-heads", "3"], "multiples of"),
        (["pretrain", "dysat", "--data", "LINKS", "--window", "20d", "--walk-length", "1"], "walk_length"),
        (["pretrain", "dysat", "--encoder", "resnet18"], "no encoder of temporal graphs"),
        (["pretrain", "dysat", "--skip-first", "2d"], "are of windows of time"),
        (["pretrain", "dysat", "--data", "LATE", "--window", "1d", "--skip-first", "1", "--held-out", "1"], "no link"),
        ([*DESCRIBED, "--encoder", "node_table"], "enter structural attention"),
        ([*DESCRIBED, "--network.structural", "false"], "enter structural attention"),
    ],
)
def test_mistakes_of_pretrain(trained: Path, tmp_path: Path, words: list[str], says: str) -> None:
    files = {"LINKS": trained.parent / "links.csv", "LATE": tmp_path / "late.csv", "AGES": tmp_path / "ages.csv"}
    files["LATE"].write_text("source,target,time\na,b,2020-01-01\na,b,2020-01-03\n")
    files["AGES"].write_text("node,age\nTheresa Anderson,3\n")
    words = [str(files.get(word, word)) for word in words]
    with pytest.raises(UserError, match=says):
        cli([*words, "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_links_of_pictures_are_not_predicted(tmp_path: Path) -> None:
    unlabeled.pretrain(
        "simclr", np.zeros((4, 8, 8, 3), np.uint8), out=tmp_path / "run", epochs=1, batch_size=2, workers=0
    )
    with pytest.raises(UserError, match="no run on timed links"):
        unlabeled.evaluate("link-prediction", tmp_path / "run")
