"""The protocols by the command: flags, contract, baselines, and mistakes in one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unlabeled
from battery.small import digits
from unlabeled.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on 400 digits of ten classes."""
    root = tmp_path_factory.mktemp("evaluate")
    pixels, labels = digits(400)
    np.savez(root / "digits.npz", images=pixels, labels=labels)
    np.savez(root / "other.npz", images=pixels[:100], labels=labels[:100])
    unlabeled.pretrain("simclr", data=root / "digits.npz", out=root / "run", max_steps=4, batch_size=32, workers=0)
    return root / "run"


def call(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = 0
    try:
        main(["evaluate", *map(str, words), "--json"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(capfd.readouterr().out)


WORDS: dict[str, tuple[list[object], str, set[str]]] = {
    "knn": (["--k", 7, 1, 500], "accuracy", {"random_encoder", "raw_input"}),
    "retrieval": (["--k", 10, 2], "recall_at_2", {"random_encoder", "raw_input"}),
    "clustering": (
        ["--clusters", 12, 20, "--seeds", 2, "--restarts", 2],
        "matched_accuracy",
        {"random_encoder", "raw_input", "random_labels"},
    ),
    "few-shot": (
        ["--ways", 3, "--shots", 2, 1, "--queries", 4, "--episodes", 20, "--per-class", 3, "--draws", 2],
        "accuracy_3_way_1_shot",
        {"random_encoder", "raw_input"},
    ),
}


@pytest.mark.parametrize("protocol", WORDS)
def test_labelled_protocols_say_what_the_contract_says(protocol: str, run: Path, capfd: Any) -> None:
    words, metric, baselines = WORDS[protocol]
    code, said = call(capfd, protocol, run, *words, "--seed", 1)
    assert code == 0, said
    assert (said["protocol"], said["run"], said["metric"]) == (protocol, str(run), metric)
    low, high = said["interval"]
    assert 0 <= low <= said["value"] <= high <= 1
    assert set(said["baselines"]) == set(said["baseline_details"]) == baselines
    assert said["n_train"] + said["n_test"] == 400 and 70 <= said["n_test"] <= 90
    assert (said["layer"], said["test_sanity"]) == (0, None)
    assert (said["sanity"]["n"], said["sanity"]["width"], said["sanity"]["nonfinite"]) == (400, 256, 0)
    assert said["sanity"]["majority_share"] == pytest.approx(np.bincount(digits(400)[1]).max() / 400)
    again = unlabeled.evaluate(protocol.replace("-", "_"), run, seed=1, **in_python(words))
    assert json.loads(json.dumps(again.details)) == said["details"]


def in_python(words: list[object]) -> dict[str, Any]:
    """`--k 10 2 --seeds 2` to k=(10, 2), seeds=2."""
    options: dict[str, list[int]] = {}
    for word in words:
        if isinstance(word, str):
            options[name := word[2:].replace("-", "_")] = []
        else:
            options[name].append(int(str(word)))
    several = ("k", "clusters", "shots", "per_class")  # which are tuples
    return {name: tuple(each) if name in several else each[0] for name, each in options.items()}


def test_details_are_records(run: Path, capfd: Any) -> None:
    details = call(capfd, "retrieval", run)[1]["details"]
    assert [each["k"] for each in details["recall"]] == [1, 5, 10, 20, 50]
    details = call(capfd, "clustering", run, *WORDS["clustering"][0])[1]["details"]
    assert [each["clusters"] for each in details["agreement"]] == [10, 12, 20]
    assert details["agreement"][0]["nmi"].keys() == {"mean", "deviation"}


def test_several_k_are_in_the_details_and_one_k_says_what_it_always_did(run: Path, capfd: Any) -> None:
    several = call(capfd, "knn", run, "--k", 7, 1, 500)[1]
    assert [each["k"] for each in several["details"]["by_k"]] == [7, 1, several["n_train"]]
    assert several["value"] == several["details"]["by_k"][0]["accuracy"] and several["details"]["k"] == 7
    alone = call(capfd, "knn", run, "--k", 1)[1]
    assert alone["value"] == several["details"]["by_k"][1]["accuracy"] and alone["details"]["by_k"] == []
    baselines = several["baseline_details"]["random_encoder"]["by_k"]
    assert baselines[1]["accuracy"] == alone["baselines"]["random_encoder"]
    assert unlabeled.evaluate("knn", run, k=1).value == unlabeled.evaluate("knn", run, k=(1,)).value == alone["value"]


def test_few_shot_keeps_what_it_drew_and_takes_what_was_drawn(run: Path, tmp_path: Path, capfd: Any) -> None:
    words = [*WORDS["few-shot"][0], "--per-class", 5]
    first = call(capfd, "few-shot", run, *words, "--seed", 3)[1]
    assert first["details"]["all_classes"][0]["selected_on"] == "shots"
    kept = tmp_path / "drawn.npz"
    kept.write_bytes((run / "evaluations" / "few-shot.npz").read_bytes())
    with np.load(kept) as drawn:
        assert drawn["learnt_2"].shape == (20, 3, 2) and drawn["per_class_5"].shape == (2, 10, 5)
        assert drawn["asked_1"].shape == (20, 3, 4) and drawn["asked_1"].max() < 400
    again = call(capfd, "few-shot", run, *words, "--seed", 3, "--subsets", kept)[1]
    assert again == first
    code, said = call(capfd, "few-shot", run, *words, "--seed", 4, "--subsets", run)
    assert code == 2 and "another split" in said["error"]
    code, said = call(capfd, "few-shot", run, "--subsets", run)
    assert code == 2 and "other --shots or --per-class: it lacks learnt_5" in said["error"]


def test_test_samples_have_a_glance_of_their_own(run: Path, capfd: Any) -> None:
    said = call(capfd, "knn", run, "--test", run.parent / "other.npz")[1]
    assert (said["sanity"]["n"], said["test_sanity"]["n"]) == (400, 100)
    assert said["test_sanity"]["duplicates"] == said["sanity"]["duplicates"] == 0
    said = call(capfd, "linear", run, "--test", run.parent / "digits.npz")
    assert said[0] == 2 and "does not learn from; give others as --test" in said[1]["error"]


def test_data_tested_on_itself_leaves_each_sample_out(run: Path, capfd: Any) -> None:
    data = run.parent / "digits.npz"
    code, said = call(capfd, "retrieval", run, "--data", data, "--test", data)
    assert code == 0 and said["n_test"] == said["n_train"] == 400
    assert said["value"] < 1, "each sample would be its own nearest"
    code, said = call(capfd, "retrieval", run, "--data", data, "--test", run.parent / "other.npz")
    assert said["value"] == 1.0, "other ids, the same pictures"


def test_health_has_zipf_and_where_asked_lidar(run: Path, capfd: Any) -> None:
    code, said = call(capfd, "health", run, "--zipf-clusters", 20, "--zipf-temperature", 0.5)
    assert code == 0 and {"zipf_kl", "zipf_kl_hard", "zipf_certainty"} <= said["figures"].keys()
    assert said["details"] == {"zipf_clusters": 20, "zipf_temperature": 0.5}
    assert "lidar" not in said["figures"]
    assert said["sanity"]["n"] == said["n"] == 400 and said["sanity"]["mean_cosine"] == said["figures"]["mean_cosine"]
    words = ["--lidar-samples", 60, "--lidar-views", 4, "--lidar-delta", 0.01, "--lidar-relative"]
    code, said = call(capfd, "health", run, "--limit", 50, *words)
    assert code == 0 and "zipf_kl" not in said["figures"], "ten samples a cluster are needed"
    assert said["figures"].keys() == said["baselines"]["random_encoder"].keys()
    assert 1 <= said["figures"]["lidar"] <= 59 and said["figures"]["lidar_delta"] != 0.01
    assert said["details"]["lidar_views"] == 4 and said["details"]["lidar_relative"] is True
    assert said["figures"]["lidar_layer"] == said["figures"]["rankme_layer"] == 2 and said["layer"] == 0
    for name in ("rankme", "lidar"):
        assert said["figures"][name] != said["figures"][f"{name}_encoder"]


def test_health_of_one_layer_is_of_it_alone(run: Path, capfd: Any) -> None:
    words = ["--limit", 60, "--lidar-samples", 20, "--lidar-views", 3, "--lidar-delta", 0.1, "--lidar-relative"]
    said = {layer: call(capfd, "health", run, *words, "--layer", layer)[1] for layer in (0, 1, -1)}
    both = call(capfd, "health", run, *words)[1]
    for layer, resolved in ((0, 0), (1, 1), (-1, 2)):
        figures = said[layer]["figures"]
        assert (figures["rankme_layer"], figures["lidar_layer"], said[layer]["layer"]) == (resolved, resolved, resolved)
        assert "rankme_encoder" not in figures and "lidar_encoder" not in figures
    for name in ("rankme", "lidar", "lidar_delta"):
        assert both["figures"][name] == said[-1]["figures"][name] != said[0]["figures"][name]
    assert both["figures"]["rankme_encoder"] == said[0]["figures"]["rankme"]
    assert both["figures"]["lidar_encoder"] == said[0]["figures"]["lidar"]
    for name in ("alpha", "alignment", "uniformity", "spread", "mean_cosine"):
        assert both["figures"][name] == said[0]["figures"][name] != said[-1]["figures"][name]
    random = [each["baselines"]["random_encoder"]["rankme"] for each in (both, said[-1], said[0])]
    assert random[0] == random[1] != random[2]
    kept = {path.name for path in (run / "evaluations").glob("health*")}
    assert kept == {"health.json", "health-layer1.json", "health-layer2.json"}


def test_lidar_looks_at_so_many_views_of_so_many_samples(run: Path) -> None:
    from unlabeled.commands.health import Looks, lidar_of
    from unlabeled.commands.load import load
    from unlabeled.commands.samples import data_of
    from unlabeled.run import Run

    folder = Run.open(run)
    samples, encoder = data_of(folder)[0], load(run, -1)
    asked = (Looks(lidar_samples=30, lidar_views=5, seed=seed) for seed in (0, 0, 1))
    found = [lidar_of(folder, encoder, samples, looks) for looks in asked]
    assert all((each.samples, each.views) == (30, 5) for each in found[0])
    assert found[0] == found[1] != found[2] and found[0][0] != found[0][1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retrieval", "--k", "0"], "got [0]"),
        (["retrieval", "--k"], "k"),
        (["retrieval", "--k", "one"], "k"),
        (["clustering", "--clusters", "0"], "--clusters"),
        (["clustering", "--seeds", "0"], "--seeds"),
        (["few-shot"], "10 classes have so many: lower --ways, --shots or --queries"),
        (["few-shot", "--ways", "11", "--queries", "2"], "needs 11 classes"),
        (["few-shot", "--queries", "2", "--per-class", "90"], "lower --per-class"),
        (["health", "--zipf-clusters", "1"], "--zipf-clusters 1"),
        (["health", "--lidar-samples", "1"], "--lidar-samples 1"),
        (["health", "--lidar-samples", "9", "--lidar-views", "1"], "--lidar-views 1"),
        (["health", "--lidar-delta", "-1"], "--lidar-delta -1"),
        (["health", "--limit", "1"], "--limit takes numbers of at least 2, got 1"),
        (["health", "--seed", "-1"], "--seed takes numbers of at least 0, got -1"),
        (["knn", "--seed", "-1"], "--seed takes numbers of at least 0, got -1"),
        (["knn", "--devices", "0"], "--devices takes a number of at least 1, got 0"),
        (["health", "--layer", "4"], "--layer takes -1 to 2, got 4"),
        (["knn", "--k", "20", "0"], "got k = 0"),
        (["knn", "--k"], "k"),
        (["few-shot", "--subsets", "nowhere"], "nowhere holds no subsets"),
        (["few_shots"], "retrieval, clustering, few-shot"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, run: Path, capfd: Any) -> None:
    code, found = call(capfd, words[0], run, *words[1:])
    assert code == 2 and set(found) == {"error"}
    assert said in found["error"] and "\n" not in found["error"]


def test_help_names_every_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "--help"])
    shown = capsys.readouterr().out
    for protocol in ("knn", "linear", "retrieval", "clustering", "few-shot", "probes", "health"):
        assert f"\n  {protocol} " in shown
        main(["evaluate", protocol, "--help"])
        assert "--data" in capsys.readouterr().out
