"""`--layer`: the projector that a run keeps, and what comes out of its layers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import unlabeled
from battery.hooks import Representing
from battery.small import digits, session
from finished import call, photos, refused, train
from unlabeled.commands.load import load, projector_layers, random_encoder
from unlabeled.errors import UserError
from unlabeled.methods.simclr import SimCLR
from unlabeled.run import Run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SimCLR and one of a method without a projector, on 120 digits of 8 x 8."""
    root = tmp_path_factory.mktemp("layers")
    train(photos(root / "photos"), root / "run", projection_width=24)
    unlabeled.pretrain(
        "supervised", data=root / "photos", out=root / "supervised", max_steps=2, batch_size=32, workers=0
    )
    return root


def written_out(rows: np.ndarray, weights: dict[str, Tensor], layers: int) -> np.ndarray:
    """Rows through the first layers of SimCLR's head in float64: linear, batch norm of running moments, ReLU."""
    for layer in range(layers):
        weight, scale, mean, variance = (
            weights[f"{layer}.{name}"].double().numpy()
            for name in ("0.weight", "1.weight", "1.running_mean", "1.running_var")
        )
        rows = (rows.astype(np.float64) @ weight.T - mean) / np.sqrt(variance + 1e-5) * scale
        if f"{layer}.1.bias" in weights:
            rows = np.maximum(rows + weights[f"{layer}.1.bias"].double().numpy(), 0)
    return rows


def test_a_run_keeps_its_projector_and_load_gives_the_output_of_each_layer(world: Path) -> None:
    weights = load_file(world / "run" / "projector.safetensors")
    assert json.loads((world / "run" / "encoder.json").read_text())["projector_layers"] == 2
    pixels = digits(150)[0]
    rows = load(world / "run").embed(pixels)
    for layer, resolved, width in ((0, 0, 256), (1, 1, 256), (2, 2, 24), (-1, 2, 24)):
        encoder = load(world / "run", layer)
        found = encoder.embed(pixels)
        assert encoder.layer == resolved and found.shape == (150, width) and found.dtype == np.float32
        expected = written_out(rows, weights, resolved)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_random_weights_are_those_of_the_first_step(tmp_path: Path) -> None:
    made = session(SimCLR, tmp_path / "run", steps=2, seed=5)
    before = {name: value.clone() for name, value in made.loop.module.state_dict().items()}
    made.train()
    encoder = random_encoder(Run.open(tmp_path / "run"), -1)
    for part, module in (("encoder", encoder.module), ("projector", encoder.head)):
        for name, value in module.state_dict().items():
            assert torch.equal(value.cpu(), before[f"{part}.{name}"].cpu()), f"{part}.{name}"
    trained = load(tmp_path / "run", -1).head.state_dict()
    assert not torch.equal(trained["0.0.weight"].cpu(), before["projector.0.0.weight"].cpu())


def test_layers_share_the_run_s_features_but_not_each_other_s(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = [load(world / "run", layer) for layer in (0, 1, 2)]
    samples = encoders[0].modality.open(world / "photos", None)
    first = [encoder.features(samples) for encoder in encoders]
    monkeypatch.setattr("unlabeled.commands.load.extract_blocks", lambda *rest, **more: pytest.fail("extracted again"))
    again = [load(world / "run", layer).features(samples) for layer in (0, 1, 2)]
    for layer, (one, other, encoder) in enumerate(zip(first, again, encoders, strict=True)):
        np.testing.assert_array_equal(one.embeddings, other.embeddings)
        np.testing.assert_array_equal(one.ids, np.arange(120))
        np.testing.assert_allclose(one.embeddings, encoder.projected(np.asarray(first[0].embeddings)), rtol=1e-5)
        assert one.embeddings.shape[1] == (256, 256, 24)[layer]
    assert not np.allclose(first[0].embeddings, first[1].embeddings)
    encoders[1].head[0][1].weight.data += 1  # other weights of the projector are other features
    changed = load(world / "run", 1)
    changed.head.load_state_dict(encoders[1].head.state_dict())
    assert not np.allclose(changed.features(samples).embeddings, first[1].embeddings)


def test_embed_and_evaluate_take_a_layer(world: Path, tmp_path: Path, capfd: Any) -> None:
    code, said = call(capfd, "embed", world / "run", "--out", tmp_path / "z.parquet", "--layer", -1)
    assert code == 0 and said["width"] == 24
    rows = np.stack(pq.read_table(tmp_path / "z.parquet")["embedding"].to_numpy())
    np.testing.assert_array_equal(rows, load(world / "run", 2).features(samples_of(world), labelled=False).embeddings)
    said = {layer: call(capfd, "evaluate", "knn", world / "run", "--layer", layer)[1] for layer in (0, 1, 2, -1)}
    assert [each["layer"] for each in said.values()] == [0, 1, 2, 2]
    assert said[-1] == said[2] and said[0]["details"] != said[2]["details"]
    assert said[0]["baselines"]["raw_input"] == said[2]["baselines"]["raw_input"]
    random = [random_encoder(Run.open(world / "run"), layer).features(samples_of(world)) for layer in (0, 2)]
    assert [each.embeddings.shape[1] for each in random] == [256, 24]
    kept = sorted(path.name for path in (world / "run" / "evaluations").iterdir() if "knn" in path.name)
    assert kept == ["knn-layer1.json", "knn-layer2.json", "knn.json"]
    unlabeled.report(world / "run")
    page = (world / "run" / "report.html").read_text()
    assert "k-NN, layer 2 of the projector" in page and page.index("k-NN, layer 1 of") < page.index("k-NN, layer 2 of")


def samples_of(world: Path) -> Any:
    return load(world / "run").modality.open(world / "photos", None)


@pytest.mark.parametrize(
    ("run", "layer", "said"),
    [
        ("run", 3, "has 2 layers; --layer takes -1 to 2, got 3"),
        ("run", -2, "--layer takes -1 to 2, got -2"),
        ("supervised", -1, "keeps no projector, so that there is no layer -1: its method has none"),
        ("supervised", 1, "no layer 1"),
    ],
)
def test_a_layer_that_is_not_there_is_one_sentence(
    run: str, layer: int, said: str, world: Path, tmp_path: Path, capfd: Any
) -> None:
    assert said in refused(capfd, "evaluate", "knn", world / run, "--layer", layer)
    assert said in refused(capfd, "embed", world / run, "--out", tmp_path / "z.npy", "--layer", layer)


def test_runs_without_a_projector(world: Path, tmp_path: Path, capfd: Any) -> None:
    """A method without one, an older run, a head of no layers, a method that represents, and a file."""
    assert not (world / "supervised" / "projector.safetensors").exists()
    session(SimCLR, tmp_path / "none", steps=2, projection_layers=0, projection_width=256).train()
    session(Representing, tmp_path / "represents", steps=2).train()
    for name in ("none", "represents"):
        assert projector_layers(Run(tmp_path / name)) == 0
        assert not (tmp_path / name / "projector.safetensors").exists()
        with pytest.raises(UserError, match="keeps no projector"):
            load(tmp_path / name, -1)
    made = session(SimCLR, tmp_path / "old", steps=2)
    made.train()
    description = Run(tmp_path / "old").description()
    del description["projector_layers"]
    Run(tmp_path / "old").write_encoder(made.loop.method.encoder.state_dict(), description)
    assert load(tmp_path / "old").layer == 0
    with pytest.raises(UserError, match="or an older version trained it"):
        load(tmp_path / "old", 1)
    assert call(capfd, "export", world / "run", "--format", "safetensors", "--out", tmp_path / "e.safetensors")[0] == 0
    with pytest.raises(UserError, match="give the run's folder"):
        load(tmp_path / "e.safetensors", 1)


def test_a_damaged_projector_is_one_sentence(world: Path, tmp_path: Path) -> None:
    made = session(SimCLR, tmp_path / "run", steps=2)
    made.train()
    run = Run(tmp_path / "run")
    narrow = {name: value[..., :3] for name, value in run.projector_weights().items() if value.ndim}
    run.write_encoder(made.loop.method.encoder.state_dict(), run.description(), narrow)
    with pytest.raises(UserError, match=r"do not fit what its encoder\.json describes"):
        load(tmp_path / "run", 1)
    (tmp_path / "run" / "projector.safetensors").unlink()
    with pytest.raises(UserError, match="there are no weights at"):
        load(tmp_path / "run", 1)
    assert load(tmp_path / "run").layer == 0


def test_rows_of_many_go_through_in_parts(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(world / "run", 1)
    rows = np.random.default_rng(0).standard_normal((50, 256)).astype(np.float32)
    whole = encoder.projected(rows)
    monkeypatch.setattr("unlabeled.commands.load.ROWS", 7)
    np.testing.assert_allclose(encoder.projected(rows), whole, rtol=1e-5, atol=1e-6)
    features = replace(encoder.features(samples_of(world)), labels=None)
    assert features.embeddings.shape == (120, 256)
