"""`evaluate linear-sgd`, `finetune` and `transfer` by the command: contract, baselines, tables, mistakes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import unlabeled
from battery.small import digits
from finished import call, photos, refused, train
from unlabeled.cli import main
from unlabeled.commands.fitted import _network
from unlabeled.commands.load import load
from unlabeled.commands.transfer import Source, sources_of
from unlabeled.errors import UserError
from unlabeled.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fitted")
    return train(photos(root / "photos", 200), root / "run")


def contract(said: Any, protocol: str, run: Path, baselines: set[str]) -> None:
    assert (said["protocol"], said["run"]) == (protocol, str(run))
    assert 0 <= said["interval"][0] <= said["value"] <= said["interval"][1] <= 1
    assert set(said["baselines"]) == set(said["baseline_details"]) == baselines
    kept = json.loads((run / "evaluations" / f"{protocol}.json").read_text())["result"]
    assert kept == said


def test_linear_sgd_says_what_the_contract_says(run: Path, capfd: Any) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    words = ["--epochs", 2, "--batch-size", 50, "--learning-rate", 0.1, 1, "--workers", 0, "--seed", 1]
    code, said = call(capfd, "evaluate", "linear-sgd", run, *words)
    assert code == 0
    contract(said, "linear-sgd", run, {"random_encoder", "raw_input"})
    details = said["details"]
    assert details["selected_on"] == "validation" and details["learning_rate"] in (0.1, 1)
    assert [each["learning_rate"] for each in details["learning_rates"]] == [0.1, 1]
    assert said["n_train"] + said["n_test"] == 200 and details["batch_size"] == 50 and details["epochs"] == 2.08
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    deeper = call(capfd, "evaluate", "linear-sgd", run, "--layer", -1, "--max-steps", 1, "--workers", 0)[1]
    assert deeper["layer"] == 2 and (run / "evaluations" / "linear-sgd-layer2.json").is_file()
    again = unlabeled.evaluate("linear_sgd", run, epochs=2, batch_size=50, learning_rate=(0.1, 1), workers=0, seed=1)
    assert json.loads(json.dumps(again.details)) == details


def test_finetune_says_what_the_contract_says_and_goes_on(run: Path, capfd: Any) -> None:
    words = ["--share", 0.2, 0.1, "--draws", 2, "--max-steps", 2, "--workers", 0]
    code, said = call(capfd, "evaluate", "finetune", run, *words)
    assert code == 0
    contract(said, "finetune", run, {"from_scratch", "frozen", "random_encoder", "raw_input"})
    shares = said["details"]["shares"]
    assert [(each["share"], each["draws"]) for each in shares] == [(0.1, 2), (0.2, 2)]
    assert said["value"] == shares[0]["accuracy"]["mean"] and said["n_train"] == shares[0]["samples"] == 16
    for which in said["baselines"]:
        assert said["baselines"][which] == said["baseline_details"][which]["shares"][0]["accuracy"]["mean"]
    folder = run / "evaluations" / "finetune"
    parts = sorted(folder.glob("*.json"))
    assert len(parts) == 2 * 2 * 2, "shares x draws x starts"
    drawn = [json.loads(path.read_text()) for path in (folder / "draws").iterdir()]
    assert {each["share"] for each in drawn} == {0.1, 0.2}
    assert all((run.parent / "photos" / name).is_file() for each in drawn for name in each["samples"])
    for path in parts:
        path.write_text(path.read_text().replace('"accuracy": 0', '"accuracy": 1'))
    code, other = call(capfd, "evaluate", "finetune", run, *words)
    assert other["value"] != said["value"] and other["baselines"]["frozen"] == said["baselines"]["frozen"], (
        "taken as kept"
    )
    shutil.rmtree(folder)
    assert call(capfd, "evaluate", "finetune", run, *words)[1] == said, "to the digit"
    assert "finetune" in [each["protocol"] for each in Run.open(run).evaluations()]


def test_finetune_trains_the_layers_below_its_classifier_too(run: Path, capfd: Any) -> None:
    words = ["--share", 0.2, "--draws", 1, "--max-steps", 1, "--workers", 0]
    folder = run / "evaluations" / "finetune"
    kept = []
    for layer in (0, 1):
        code, said = call(capfd, "evaluate", "finetune", run, *words, "--layer", layer)
        assert code == 0 and said["layer"] == layer
        kept.append(set(folder.glob("*.json")))
    assert (run / "evaluations" / "finetune-layer1.json").is_file()
    assert len(kept[1] - kept[0]) == 2, "a fit of one layer is not taken for that of another"
    encoder = load(run, -1)
    network, encode = _network(encoder, copied=True)
    seen = torch.from_numpy(digits(6)[0]).float()[:, None].expand(-1, 3, -1, -1) / 255
    with torch.no_grad():
        np.testing.assert_allclose(encode(seen).cpu().numpy(), encoder.embed(digits(6)[0]), rtol=1e-4, atol=1e-5)
    network.train()
    encode(seen)[:3].square().sum().backward()
    assert len(list(network.parameters())) == sum(len(list(m.parameters())) for m in (encoder.module, encoder.head))
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in network[1].parameters())
    assert all(each.grad is None for each in encoder.head.parameters()), "the copy alone is trained"


def sources(root: Path) -> Path:
    """Two data sets and a list of them."""
    pixels, labels = digits(300)
    np.savez(root / "first.npz", images=pixels[:150], labels=labels[:150])
    np.savez(root / "rest.npz", images=pixels[150:], labels=labels[150:])
    entries = [
        {"data": "first.npz", "test": "rest.npz", "name": "digits"},
        {"data": "rest.npz", "metric": "per_class"},
    ]
    (root / "sources.yaml").write_text(yaml.safe_dump(entries))
    return root / "sources.yaml"


def test_transfer_has_a_record_for_each_source(run: Path, capfd: Any, tmp_path: Path) -> None:
    listed = sources(tmp_path)
    other = train(run.parent / "photos", tmp_path / "other", seed=1)
    code, said = call(capfd, "evaluate", "transfer", run, "--data", listed, "--against", other)
    assert code == 0, said
    contract(said, "transfer", run, {"random_encoder", "raw_input", "against"})
    first, second = said["details"]["sources"]
    assert (first["source"], second["source"]) == ("digits", "rest.npz")
    assert (first["n_train"], first["n_test"]) == (150, 150) and second["n_train"] + second["n_test"] == 150
    assert first["value"] == first["accuracy"] and second["value"] == second["per_class"]
    assert said["value"] == pytest.approx((first["value"] + second["value"]) / 2)
    for beside in said["baseline_details"].values():
        assert all(0 < each["against"]["p_value"] <= 1 for each in beside["sources"])
        assert beside["better"] + beside["ties"] + beside["worse"] == 2
    words = ["--data", tmp_path / "first.npz", tmp_path / "rest.npz", "--test", tmp_path / "rest.npz", "-"]
    code, plain = call(capfd, "evaluate", "transfer", run, *words)
    assert plain["details"]["sources"][0]["value"] == first["value"]
    assert plain["details"]["sources"][1]["accuracy"] == second["accuracy"]
    code, deeper = call(capfd, "evaluate", "transfer", run, *words, "--layer", -1, "--against", other)
    assert deeper["layer"] == 2 and (run / "evaluations" / "transfer-layer2.json").is_file()
    for which in ("raw_input", "random_encoder"):
        same = deeper["baselines"][which] == plain["baselines"][which]
        assert same == (which == "raw_input"), "the random encoder is looked at in the same layer"


def test_a_run_is_a_tie_with_itself_on_its_own_data(run: Path, capfd: Any) -> None:
    code, said = call(capfd, "evaluate", "transfer", run, "--against", run)
    beside = said["baseline_details"]["against"]
    assert code == 0 and beside["value"] == said["value"]
    assert beside["sources"][0]["against"] == {"p_value": 1.0, "verdict": "tie"} and beside["ties"] == 1


def test_tables_are_for_people(run: Path, capfd: Any) -> None:
    main(["evaluate", "transfer", str(run)])
    shown = capfd.readouterr().err
    assert "the run's data" in shown and "mean per class" in shown and ("better (" in shown or "tie (" in shown)
    main(["evaluate", "finetune", str(run), "--share", "0.2", "--draws", "2", "--max-steps", "2", "--workers", "0"])
    shown = capfd.readouterr().err.splitlines()
    assert any(line.split()[:3] == ["20", "%", "32"] and line.count("±") == 5 for line in shown), shown
    assert any("from scratch" in line and "frozen" in line for line in shown)


def test_sources_have_names_of_their_own(tmp_path: Path) -> None:
    found = sources_of(("a/photos", "b/photos", "c"), (), "accuracy")
    assert [each.name for each in found] == ["a/photos", "b/photos", "c"]
    assert sources_of((), (), "per_class") == [Source(None, None, "the run's data", metric="per_class")]
    listed = sources_of((sources(tmp_path),), (), "accuracy")
    assert listed[0] == Source(str(tmp_path / "first.npz"), str(tmp_path / "rest.npz"), "digits")
    (tmp_path / "named.yml").write_text("- {data: 'torchvision:CIFAR10:here'}\n- {data: /x/y, labels: l.csv}")
    named, placed = sources_of((str(tmp_path / "named.yml"),), (), "accuracy")
    assert named.data == "torchvision:CIFAR10:here"
    assert (placed.data, placed.labels, placed.name) == ("/x/y", str(tmp_path / "l.csv"), "y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no list of sources"),
        ("[]", "holds no list of sources"),
        ("data: a", "holds no list of sources"),
        ("- [", "holds no list of sources"),
        ("- a", "names no data"),
        ("- {name: a}", "names no data"),
        ("- {data: 3}", "names no data"),
        ("- {data: a, tests: b}", "has 'tests', which is none of data, test, name"),
    ],
)
def test_lists_that_are_none_are_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        sources_of((tmp_path / "list.yaml",), (), "accuracy")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["linear-sgd", "--learning-rate", "0"], "--learning-rate takes numbers above 0"),
        (["linear-sgd", "--epochs", "0"], "--epochs"),
        (["linear-sgd", "--batch-size", "-1"], "--batch-size"),
        (["linear-sgd", "--drops", "-1"], "--drops"),
        (["linear-sgd", "--max-steps", "0"], "--max-steps"),
        (["finetune", "--share", "0"], "--share takes shares above 0"),
        (["finetune", "--share", "1.01"], "--share takes shares above 0"),
        (["finetune", "--draws", "0"], "--draws takes a number of at least 1"),
        (["finetune", "--epochs", "0"], "--epochs"),
        (["finetune", "--learning-rate", "nan"], "--learning-rate takes"),
        (["transfer", "--metric", "map"], "--metric takes one of accuracy, per_class, got map"),
        (["transfer", "--data", "nowhere"], "nowhere"),
        (["transfer", "--data", "nowhere.yaml"], "nowhere.yaml"),
        (["transfer", "--data", "a", "b", "--test", "c"], "--test names 1 and --data 2 sources"),
        (["transfer", "--data", "a.yaml", "--test", "c"], "leave out --test"),
        (["transfer", "--against", "nowhere"], "there is no run at nowhere"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, run: Path, capfd: Any) -> None:
    assert said in refused(capfd, "evaluate", words[0], run, *words[1:])


@pytest.mark.parametrize("protocol", ["linear-sgd", "finetune", "probes", "linear", "few-shot"])
def test_what_is_learnt_from_is_no_test(protocol: str, run: Path, capfd: Any) -> None:
    data = run.parent / "photos"
    said = refused(capfd, "evaluate", protocol, run, "--data", data, "--test", data)
    assert "needs test samples that it does not learn from; give others as --test" in said


@pytest.mark.parametrize("protocol", ["linear-sgd", "finetune", "transfer"])
def test_help_has_an_example(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", protocol, "--help"])
    shown = capsys.readouterr().out
    assert f"unlabeled evaluate {protocol} runs/photos --" in shown and "--data" in shown
