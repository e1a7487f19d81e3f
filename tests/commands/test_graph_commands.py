"""Every verb on a run of graphs: what works gives numbers, what makes no sense is refused in one sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unlabeled
from finished import call, refused
from small_graphs import write_tu
from unlabeled.data.graphs import Graph
from unlabeled.data.graphs.atlas import atlas
from unlabeled.evaluation import fold_classifiers
from unlabeled.evaluation.folds import published_folds, with_validation
from unlabeled.run import Run
from unlabeled.sklearn import Encoder

FEW = {"max_steps": 4, "batch_size": 16, "workers": 0, "network": {"hidden": 8, "output": 8, "assign_ratio": 0.5}}


def real_graphs(first: int, last: int) -> tuple[list[Graph], list[int]]:
    """Some of each class, from one number to another; the class is how far apart the farthest nodes are."""
    whole = atlas()
    assert whole.labels is not None
    places = np.concatenate([np.flatnonzero(whole.labels == label)[first:last] for label in range(3)])
    graphs = [whole.read(place) for place in places]
    return [Graph(graph.nodes, graph.edges, graph.degrees() % 2) for graph in graphs], whole.labels[places].tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TU folder of 60 real graphs."""
    return write_tu(tmp_path_factory.mktemp("graphs") / "DS", *real_graphs(5, 25))


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SimCLR, untouched, on that folder."""
    out = tmp_path_factory.mktemp("runs") / "graphs"
    network = FEW["network"] | {"pools": 2}
    done = unlabeled.pretrain("simclr", data=folder, out=out, **(FEW | {"network": network}))
    assert done.modality == "graphs" and done.samples == 60 and done.finished
    return out


def test_inspect(folder: Path, capfd: Any) -> None:
    assert call(capfd, "inspect", folder) == (0, {"modality": "graphs", "samples": 60, "classes": 3, "skipped": []})


def test_protocols_that_take_any_encoder(run: Path, folder: Path, capfd: Any) -> None:
    for protocol, test in {"knn": ("--test", folder), "linear": (), "retrieval": ("--test", folder)}.items():
        code, found = call(capfd, "evaluate", protocol, run, *test)
        assert code == 0 and {"random_encoder", "raw_input"} <= set(found["baselines"])


def test_finetune_and_linear_sgd(run: Path, capfd: Any) -> None:
    code, found = call(capfd, "evaluate", "finetune", run, "--share", 1, "--max-steps", 2, "--workers", 0)
    assert code == 0 and 0 <= found["value"] <= 1
    code, found = call(capfd, "evaluate", "linear-sgd", run, "--epochs", 1, "--workers", 0)
    assert code == 0 and set(found["baselines"]) == {"random_encoder", "raw_input"}


def test_raw_input_is_what_the_network_is_told(run: Path, folder: Path, tmp_path: Path) -> None:
    graphs = real_graphs(5, 25)[0]
    kinds = unlabeled.load(run).raw
    network = FEW["network"] | {"features": "degree-number"}
    unlabeled.pretrain("simclr", data=folder, out=tmp_path / "run", **(FEW | {"network": network}))
    degrees = unlabeled.load(tmp_path / "run").raw
    for graph in graphs[::7]:
        counts, links = np.bincount(graph.labels, minlength=2), graph.edges.shape[1]
        np.testing.assert_allclose(kinds(graph), [*counts, *counts / graph.nodes, graph.nodes], rtol=1e-6)
        np.testing.assert_allclose(degrees(graph), [links, links / graph.nodes, graph.nodes], rtol=1e-6)


def test_graph_classification_frozen(run: Path, capfd: Any) -> None:
    code, found = call(capfd, "evaluate", "graph-classification", run, "--classifier", "logistic")
    assert code == 0 and found["protocol"] == "graph-classification" and found["metric"] == "accuracy"
    assert found["value"] == pytest.approx(np.mean(found["folds"])) and len(found["folds"]) == 10
    assert found["deviation"] == pytest.approx(np.std(found["folds"], ddof=1))
    assert set(found["baselines"]) == {"random_encoder", "raw_input"} and found["transductive"] is True
    assert (found["n_train"], found["n_test"], found["details"]["unconverged_fits"]) == (54, 60, 0)


def test_a_classifier_that_does_not_converge_is_told_in_one_line(
    run: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_classifiers, "STEPS", 1)
    asked: dict[str, Any] = {"classifier": "logistic", "folds": 2}
    found: Any = unlabeled.evaluate("graph-classification", run, **asked)
    counts = [found.details, *found.baseline_details.values()]
    assert [each["unconverged_fits"] for each in counts] == [16, 16, 16]
    said = capfd.readouterr().err
    assert said.count("48 fits of logistic did not converge") == 1 and "Warning" not in said


def kind_counts_judged(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Accuracies of a logistic regression on counts and shares of kinds, in those folds."""
    graphs, labels = real_graphs(5, 25)[0], np.array(real_graphs(5, 25)[1])
    counts = np.array([np.bincount(graph.labels, minlength=2) for graph in graphs])
    sizes = counts.sum(1, keepdims=True)
    rows = np.concatenate([counts, counts / sizes, sizes], 1).astype(np.float32)
    folds = with_validation(pairs, labels, 0)
    return [fold_classifiers.fold_accuracy(rows, labels, fold, "logistic").accuracy for fold in folds]


def test_graph_classification_trained_on_labels(run: Path, capfd: Any) -> None:
    asked = ("evaluate", "graph-classification", run, "--epochs", 2, "--repeats", 1, "--classifier", "logistic")
    code, fair = call(capfd, *asked, "--training", "scratch")
    assert code == 0 and fair["transductive"] is False and fair["folding"] == "fair"
    code, published = call(capfd, *asked, "--training", "finetune", "--protocol", "published")
    assert code == 0 and published["transductive"] is True
    assert published["value"] >= published["details"]["last_epoch"] and published["details"]["epoch"] in (1, 2)
    assert (fair["n_train"], fair["n_test"]) == (54, 60)
    pairs = published_folds(60, 0)
    tested = {place for _, held in pairs for place in held.tolist()}
    assert (published["n_train"], published["n_test"]) == (54, len(tested)) and len(tested) < 60
    assert published["baseline_details"]["raw_input"]["folds"] == kind_counts_judged(pairs)
    assert unlabeled.evaluate("graph-classification", run, training="scratch", epochs=2, repeats=1,
                              classifier="logistic").folds == fair["folds"]  # fmt: skip
    assert "chooses an epoch" in refused(capfd, *asked, "--protocol", "published")
    code, some = call(capfd, *asked, "--training", "scratch", "--folds", 3)
    assert code == 0 and some["folds"] == fair["folds"][:3] and some["split"] == "3 of ten folds, fair"
    assert 0 <= some["details"]["held_out"] <= 1 and len(some["baseline_details"]["raw_input"]["folds"]) == 3
    kept = set((run / "evaluations" / "graph-classification").iterdir())
    code, other = call(capfd, *asked, "--training", "scratch", "--seed", 1, "--folds", 3)
    made = set((run / "evaluations" / "graph-classification").iterdir()) - kept
    assert code == 0 and other["seed"] == 1 and len(made) == 3
    assert other["baselines"] == some["baselines"], "the folds are not the same"
    assert "at most 10" in refused(capfd, *asked, "--folds", 11)
    assert "at least 2" in refused(capfd, *asked, "--folds", 1)


def test_whether_tested_graphs_were_met_is_told_graph_by_graph(run: Path, tmp_path: Path) -> None:
    ask: dict[str, Any] = {"classifier": "logistic", "folds": 2}
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    others, labels = real_graphs(25, 45)
    apart = write_tu(tmp_path / "apart", others, labels)
    shared = write_tu(tmp_path / "shared", [*others, real_graphs(5, 6)[0][0]], [*labels, labels[0]])

    def met(data: Path) -> bool | None:
        found: Any = unlabeled.evaluate("graph-classification", copy, data=data, **ask)
        told: bool | None = found.transductive
        return told

    assert met(shared) is True and met(apart) is False
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace(str(Run(copy).config()["data"]), str(tmp_path / "gone")))
    assert met(apart) is None


def test_graphs_that_an_earlier_run_has_met_are_met(run: Path, folder: Path, tmp_path: Path) -> None:
    ask: dict[str, Any] = {"classifier": "logistic", "folds": 2}
    others, labels = real_graphs(25, 45)
    apart = write_tu(tmp_path / "apart", others, labels)
    flags = FEW | {"network": FEW["network"] | {"pools": 2}, "max_steps": 1}
    earlier = Path(shutil.copytree(run, tmp_path / "earlier"))
    unlabeled.pretrain("simclr", data=apart, out=tmp_path / "second", init=earlier, **flags)
    unlabeled.pretrain("simclr", data=apart, out=tmp_path / "third", init=tmp_path / "second", **flags)
    unlabeled.pretrain("simclr", data=apart, out=tmp_path / "other", **flags)
    told = {}
    for name in ("second", "third", "other"):
        found: Any = unlabeled.evaluate("graph-classification", tmp_path / name, data=folder, **ask)
        told[name] = found.transductive
    assert told == {"second": True, "third": True, "other": False}
    shutil.rmtree(earlier)  # nobody knows any more what it has met
    gone: Any = unlabeled.evaluate("graph-classification", tmp_path / "third", data=folder, **ask)
    assert gone.transductive is None


def test_frozen_representations_have_no_training_to_be_told_of(run: Path, capfd: Any) -> None:
    ask = ("evaluate", "graph-classification", run, "--classifier", "logistic", "--folds", 2)
    code, found = call(capfd, *ask, "--fold-seed", 3)
    assert code == 0 and found["details"]["fold_seed"] == 3 and "epochs" not in found["details"]
    for flag, value in (("--epochs", 3), ("--learning-rate", 0.1), ("--stop-on", "loss"), ("--repeats", 1)):
        assert f"{flag} is of training, and --training frozen has none" in refused(capfd, *ask, flag, value)
    code, found = call(capfd, *ask, "--training", "scratch", "--epochs", 1, "--repeats", 1, "--batch-size", 30)
    assert code == 0 and (found["details"]["epochs"], found["details"]["batch_size"]) == (1, 30)


def test_health_tells_how_clusters_are_used(run: Path, capfd: Any) -> None:
    code, found = call(capfd, "evaluate", "health", run)
    assert code == 0
    for of in (found["figures"], found["baselines"]["random_encoder"]):
        assert 1 <= of["effective_clusters_1"] <= 3 and 0 <= of["assignment_entropy_2"] <= 1


def test_embed_search_and_load(run: Path, folder: Path, tmp_path: Path, capfd: Any) -> None:
    code, found = call(capfd, "embed", run, "--out", tmp_path / "rows.npz")
    assert code == 0 and found["samples"] == 60
    rows = np.load(tmp_path / "rows.npz")["embedding"]
    np.testing.assert_allclose(unlabeled.load(run).embed(folder), rows, atol=1e-5)
    code, found = call(capfd, "search", run, "--query", folder, "--top", 2, "--out", tmp_path / "sheet.png")
    assert code == 0 and found["queries"] == 60 and (tmp_path / "sheet.png").exists()
    assert all(each["query"] != each["path"] for each in found["results"])


def test_export_gives_the_same_encoder_and_refuses_what_cannot_be(run: Path, tmp_path: Path, capfd: Any) -> None:
    code, found = call(capfd, "export", run, "--format", "safetensors", "--out", tmp_path / "e.safetensors")
    assert code == 0 and found["largest_difference"] == 0
    assert "safetensors" in refused(capfd, "export", run, "--format", "onnx", "--out", tmp_path / "e.onnx")
    assert "timm has networks for pictures" in refused(
        capfd, "export", run, "--format", "timm", "--out", tmp_path / "t.safetensors"
    )


def test_a_runs_own_flags_are_those_of_its_data(run: Path, tmp_path: Path, capfd: Any) -> None:
    """SimCLR has other views and encoders for graphs than for pictures; no `--data` says which."""
    code, again = call(capfd, "pretrain", "--config", run / "config.yaml", "--out", tmp_path / "again", "--workers", 0)
    assert code == 0 and again["modality"] == "graphs" and Run(tmp_path / "again").config() == Run(run).config()
    code, resumed = call(capfd, "pretrain", "simclr", "--out", run, "--resume", "--network.pools", 2, "--workers", 0)
    assert code == 0 and resumed["modality"] == "graphs" and resumed["steps"] == 4


def test_flat_has_nothing_of_diffpools(folder: Path, tmp_path: Path, capfd: Any) -> None:
    asked = ("pretrain", "simclr", "--data", folder, "--out", tmp_path / "run", "--batch-size", 16, "--encoder", "flat")
    for flag, value in {"--network.pools": 2, "--network.assign-ratio": 0.5, "--network.link-loss": "none"}.items():
        assert "of diffpool, and flat has none" in refused(capfd, *asked, flag, value)


def test_the_scikit_learn_encoder_is_of_pictures(run: Path) -> None:
    with pytest.raises(unlabeled.UserError, match=r"is of pictures, and .* is of graphs"):
        Encoder(run).get_feature_names_out()
    with pytest.raises(unlabeled.UserError, match="takes pictures, arrays or paths, and X holds Graph"):
        Encoder(method="diffpool").fit(real_graphs(5, 25)[0])


def test_the_page_draws_clusters(run: Path, capfd: Any) -> None:
    code, found = call(capfd, "report", run)
    text = Path(found["report"]).read_text()
    assert code == 0 and '<a href="#inside">Clusters</a>' in text and "Clusters in use, first pool" in text
    assert text.count("<figure") > 60


def test_what_makes_no_sense_on_graphs_is_refused_in_a_sentence(
    run: Path, folder: Path, tmp_path: Path, capfd: Any
) -> None:
    pretrain = ("--data", folder, "--out", tmp_path / "out", "--batch-size", 16)
    said = refused(capfd, "pretrain", "rotnet", *pretrain)
    assert said.startswith("rotnet does not learn from graphs; these do: ") and "infograph" in said
    assert "holds none; leave it out" in refused(capfd, "pretrain", "simclr", *pretrain, "--image-size", 32)
    assert "there are diffpool and flat" in refused(capfd, "pretrain", "simclr", *pretrain, "--encoder", "resnet18")
    assert "pools takes 1 to 3" in refused(capfd, "pretrain", "diffpool", *pretrain, "--network.pools", 5)
    assert "carry no attributes" in refused(
        capfd, "pretrain", "diffpool", *pretrain, "--network.features", "attributes"
    )
    for count in (1, 3):
        said = refused(capfd, "pretrain", "simclr", *pretrain, "--views.count", count, "--workers", 0)
        assert f"compares two views of each sample and was given {count}" in said
        shutil.rmtree(tmp_path / "out")
    blank = ("--out", tmp_path / "out", "--batch-size", 16, "--views.operations", "mask")
    assert "here have none" in refused(capfd, "pretrain", "simclr", "--data", "networkx:atlas", *blank)
    assert "are of sage, and gin has neither" in refused(
        capfd, "pretrain", "diffpool", *pretrain, "--network.convolution", "gin", "--network.aggregation", "sum"
    )
    assert "probes look at the feature maps" in refused(capfd, "evaluate", "probes", run)
    assert "has no labels: simclr learns none" in refused(capfd, "labels", run, "--out", tmp_path / "labels.csv")
    assert not (tmp_path / "out").exists()


def test_pictures_are_no_graphs(tmp_path: Path, capfd: Any) -> None:
    array = np.zeros((20, 8, 8), np.uint8)
    with pytest.raises(unlabeled.UserError, match=r"diffpool does not learn from images; these do: .*rotnet"):
        unlabeled.pretrain("diffpool", data=array, out=tmp_path / "out", max_steps=1, batch_size=4)


@pytest.mark.parametrize("method", ["diffpool", "infograph"])
def test_methods_of_graphs_train_on_the_built_in_sample(method: str, tmp_path: Path, capfd: Any) -> None:
    words = ("--max-steps", 2, "--batch-size", 16, "--workers", 0, "--network.hidden", 8, "--network.output", 8)
    code, found = call(capfd, "pretrain", method, "--out", tmp_path / "run", *words)
    assert code == 0 and found["modality"] == "graphs" and found["samples"] == 747
    about = json.loads((tmp_path / "run" / "encoder.json").read_text())
    assert about["form"] == [[], [], [], 7] and about["image_size"] is None


def test_resume_goes_on_and_other_data_is_refused(folder: Path, tmp_path: Path, capfd: Any) -> None:
    common = ("--batch-size", 16, "--workers", 0, "--network.hidden", 8, "--network.output", 8)
    words = ("pretrain", "infograph", "--out", tmp_path / "a", "--max-steps", 2, *common)
    own = shutil.copytree(folder, tmp_path / "DS")
    code, _ = call(capfd, *words, "--data", own)
    assert code == 0
    code, found = call(capfd, *words, "--resume")
    assert code == 0 and found["steps"] == 2 and found["finished"]
    with (own / "DS_A.txt").open("a") as file:
        file.write("1, 1\n")
    assert "the data of" in refused(capfd, *words, "--resume")


def test_nodes_that_carry_something_else_are_refused(run: Path, tmp_path: Path, capfd: Any) -> None:
    """Kinds that the run never saw, or attributes in another number, would be taken for something they are not."""
    graphs, labels = real_graphs(5, 13)
    kinds = [Graph(g.nodes, g.edges, 7 + g.degrees() % 2) for g in graphs]
    two, three = ([Graph(g.nodes, g.edges, None, np.ones((g.nodes, width), np.float32)) for g in graphs]
                  for width in (2, 3))  # fmt: skip
    other, with_two, with_three = (
        write_tu(tmp_path / name, each, labels) for name, each in (("k", kinds), ("a2", two), ("a3", three))
    )
    assert "nodes of other kinds, or of none" in refused(
        capfd, "embed", run, "--data", other, "--out", tmp_path / "rows.npz"
    )
    assert "nodes of other kinds" in refused(capfd, "evaluate", "health", run, "--data", other)
    unlabeled.pretrain("simclr", data=with_two, out=tmp_path / "run", **FEW | {"batch_size": 4})
    says = "has nodes with 3 attributes and not 2, unlike what the run was trained on"
    assert says in refused(capfd, "embed", tmp_path / "run", "--data", with_three, "--out", tmp_path / "rows.npz")
    assert says in refused(capfd, "evaluate", "graph-classification", tmp_path / "run", "--data", with_three)
    tuned = ("--training", "finetune", "--epochs", 1, "--data", with_three)
    assert says in refused(capfd, "evaluate", "graph-classification", tmp_path / "run", *tuned)
    for protocol in ("knn", "linear", "retrieval", "clustering", "few-shot"):
        assert says in refused(capfd, "evaluate", protocol, tmp_path / "run", "--data", with_three)
    assert says in refused(capfd, "evaluate", "knn", tmp_path / "run", "--test", with_three)
    assert says in refused(capfd, "search", tmp_path / "run", "--query", with_three)
    assert "nodes with 0 attributes and not 2" in refused(capfd, "compare", tmp_path / "run", run, "--data", other)
    both = [Graph(g.nodes, g.edges, k.labels, g.attributes) for g, k in zip(two, graphs, strict=True)]
    for features in ("degree", "labels"):  # which look at no attribute
        one = FEW | {"batch_size": 4, "network": FEW["network"] | {"features": features}}
        unlabeled.pretrain("simclr", data=write_tu(tmp_path / "both", both, labels), out=tmp_path / features, **one)
        given = with_three if features == "degree" else write_tu(tmp_path / "few", graphs, labels)
        code, said = call(capfd, "embed", tmp_path / features, "--data", given, "--out", tmp_path / f"{features}.npz")
        assert code == 0, said
