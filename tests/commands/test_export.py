"""Exported files, loaded by the programs that they are for and not by ours."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import unlabeled
from finished import call, photos, refused, train
from unlabeled.commands import export as module
from unlabeled.encoders.images import image_encoder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    train(photos(root / "photos", 64), root / "run")
    return root


def pictures(world: Path, side: int = 8, count: int = 7) -> tuple[list[Path], np.ndarray]:
    """Files, and their pixels as the exported encoder takes them: float32 (N, 3, S, S) in [0, 1]."""
    files = sorted((world / "photos").rglob("*.png"))[:count]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    assert pixels.shape[1] == side, "the plain view of a picture of the view's own size is the picture"
    return files, (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float32)


def test_onnx_runs_at_any_batch_size(world: Path, tmp_path: Path, capfd: Any) -> None:
    out = tmp_path / "encoder.onnx"
    code, said = call(capfd, "export", world / "run", "--format", "onnx", "--out", out)
    assert code == 0 and said["file"] == str(out) and said["format"] == "onnx"
    assert 0 <= said["largest_difference"] <= said["tolerance"] and said["samples"] == 32
    assert list(tmp_path.iterdir()) == [out], "one file, weights included"
    onnx.checker.check_model(onnx.load(out), full_check=True)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    (given,), (gives,) = session.get_inputs(), session.get_outputs()
    assert given.type == gives.type == "tensor(float)"
    assert given.shape[1:] == [3, 8, 8] and isinstance(given.shape[0], str) and gives.shape[1] == said["width"]
    files, batch = pictures(world)
    expected = unlabeled.load(world / "run").embed(files)
    for count in (1, 3, 7):
        (found,) = session.run(None, {given.name: batch[:count]})
        np.testing.assert_allclose(found, expected[:count], atol=1e-5 * np.abs(expected).max())


def test_safetensors_say_how_they_are_built(world: Path, tmp_path: Path, capfd: Any) -> None:
    out = tmp_path / "encoder.safetensors"
    code, said = call(capfd, "export", world / "run", "--format", "safetensors", "--out", out)
    assert code == 0 and said["largest_difference"] == 0.0
    with safe_open(out, framework="pt") as file:
        metadata = file.metadata()
    built = json.loads(metadata["unlabeled"])["description"]
    encoder = image_encoder(built["encoder"], built["image_size"], **built["network"])
    encoder.load_state_dict(load_file(out))
    files, batch = pictures(world)
    expected = unlabeled.load(world / "run").embed(files)
    with torch.inference_mode():
        np.testing.assert_allclose(encoder.eval()(torch.from_numpy(batch)).numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(unlabeled.load(out).embed(files), expected)
    unlabeled.export(world / "run", format="safetensors", out=tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == out.read_bytes()


def test_safetensors_start_another_run(world: Path, tmp_path: Path) -> None:
    """One step at a learning rate of 0 leaves the weights that `--init` took from the file."""
    out = tmp_path / "encoder.safetensors"
    unlabeled.export(world / "run", format="safetensors", out=out)
    train(world / "photos", tmp_path / "again", init=out, max_steps=1, learning_rate=0.0, seed=5)
    found, expected = (
        load_file(tmp_path / "again" / "encoder.safetensors"),
        load_file(world / "run" / "encoder.safetensors"),
    )
    for name, value in expected.items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(found[name], value), name


TIMM = [
    ("resnet10t", {"num_classes": 0}, lambda output: output),
    ("vit_tiny_patch16_224", {"num_classes": 0, "global_pool": "", "img_size": 32}, lambda output: output.mean(1)),
    ("convnext_atto", {"num_classes": 0, "global_pool": ""}, lambda output: output.mean((2, 3))),
]


@pytest.mark.parametrize(("name", "arguments", "pool"), TIMM, ids=[name for name, *_ in TIMM])
def test_timm_loads_its_state_dict_strictly(
    name: str, arguments: dict[str, Any], pool: Any, world: Path, tmp_path: Path
) -> None:
    """A transformer's tokens and a network that normalises after pooling need the map, whose mean is ours."""
    network = {"stem": "standard"}
    run = train(
        world / "photos", tmp_path / "run", encoder=name, image_size=32, max_steps=1, batch_size=8, network=network
    )
    out = tmp_path / "encoder.safetensors"
    said = unlabeled.export(run, format="timm", out=out)
    assert said.largest_difference <= said.tolerance
    model = timm.create_model(name, checkpoint_path=str(out), **arguments).eval()
    files, _ = pictures(world)
    encoder = unlabeled.load(run)
    batch = encoder.view.join(
        [[encoder.view.view(np.asarray(Image.open(file).convert("RGB")), None) for file in files]]
    )
    expected = encoder.embed(files)
    with torch.inference_mode():
        np.testing.assert_allclose(pool(model(batch)).numpy(), expected, atol=1e-5 * np.abs(expected).max())
        images = batch
        np.testing.assert_allclose(eval(said.usage, {"timm": timm, "images": images}).numpy(), expected, atol=1e-4)


def test_timm_cannot_build_a_small_stem(world: Path, tmp_path: Path) -> None:
    """A deep stem with another stride has the same weights, so that only its output tells."""
    run = train(world / "photos", tmp_path / "run", encoder="resnet10t", image_size=32, max_steps=1, batch_size=8)
    with pytest.raises(unlabeled.UserError, match=r"its stem small.*--format safetensors or onnx"):
        unlabeled.export(run, format="timm", out=tmp_path / "e.safetensors")
    assert not list(tmp_path.glob("*.safetensors"))


def test_timm_does_not_build_every_encoder(world: Path, tmp_path: Path, capfd: Any) -> None:
    words = ["--format", "timm", "--out", tmp_path / "e.safetensors"]
    assert "small_resnet, which timm does not build" in refused(capfd, "export", world / "run", *words)
    run = train(
        world / "photos",
        tmp_path / "run",
        encoder="torchvision/squeezenet1_1",
        image_size=32,
        max_steps=1,
        batch_size=8,
    )
    assert "torchvision/squeezenet1_1, which timm does not build" in refused(capfd, "export", run, *words)


def test_a_run_of_curl_is_exported_as_it_represents_and_quietly(world: Path, tmp_path: Path, capfd: Any) -> None:
    small: dict[str, Any] = {"network": {"widths": (12,)}, "decoder_widths": (12,), "latent": 3, "components": 2}
    unlabeled.pretrain("curl", world / "photos", out=tmp_path / "run", max_steps=2, batch_size=8, workers=0, **small)
    words = ["export", tmp_path / "run", "--format"]
    assert "made by its method, curl" in refused(capfd, *words, "timm", "--out", tmp_path / "e.safetensors")
    capfd.readouterr()
    unlabeled.export(tmp_path / "run", format="onnx", out=tmp_path / "e.onnx")
    assert capfd.readouterr().err == ""


def test_people_are_told_how_to_load_it(world: Path, tmp_path: Path, capfd: Any) -> None:
    from unlabeled.cli import main

    out = tmp_path / "e.safetensors"
    main(["export", str(world / "run"), "--format", "safetensors", "--out", str(out)])
    shown = capfd.readouterr()
    assert shown.out == "" and f"unlabeled.load('{out}')" in shown.err.replace("\n", "")
    assert "on 32 samples: 0.0e+00" in shown.err and "MB" in shown.err


@pytest.mark.parametrize("format", list(module.WRITERS))
def test_a_file_that_disagrees_is_not_kept(format: str, world: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def wrong(run: Any, network: Any, batch: Any, file: Path) -> tuple[np.ndarray, str]:
        file.write_bytes(b"wrong")
        return module._representations(network, batch) * 1.001, ""

    monkeypatch.setitem(module.WRITERS, format, wrong)
    out = tmp_path / ("e.onnx" if format == "onnx" else "e.safetensors")
    out.write_bytes(b"earlier")
    with pytest.raises(unlabeled.UserError, match="was not kept"):
        unlabeled.export(world / "run", format=format, out=out, overwrite=True)
    assert out.read_bytes() == b"earlier" and list(tmp_path.iterdir()) == [out]


def test_what_is_written_is_what_is_checked(world: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A fault in packing is seen, for the difference is that of the file read back."""
    from unlabeled.commands import packed

    honest = packed.load
    monkeypatch.setattr(
        packed, "load", lambda data: {n: v * 1.01 if v.ndim == 4 else v for n, v in honest(data).items()}
    )
    with pytest.raises(unlabeled.UserError, match="differ by"):
        unlabeled.export(world / "run", format="safetensors", out=tmp_path / "e.safetensors")


def test_a_method_that_represents_is_exported_as_it_represents(world: Path) -> None:
    """The module that is compared and traced calls `represent`, not the method."""
    from types import SimpleNamespace

    class Doubling(torch.nn.Module):
        def represent(self, batch: torch.Tensor) -> torch.Tensor:
            return 2 * batch.mean((2, 3))

    encoder: Any = SimpleNamespace(module=Doubling(), description={"represents": True})
    batch = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(module._module(encoder)(batch), 2 * batch.mean((2, 3)))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--format", "onnx", "--out", "T/e.safetensors"], "end it in .onnx"),
        (["--format", "timm", "--out", "T/e.pth"], "end it in .safetensors"),
        (["--format", "torchscript", "--out", "T/e.pt"], "format"),
        (["--format", "onnx"], "out"),
        (["--out", "T/e.onnx"], "format"),
        (["--format", "onnx", "--out", "T/there.onnx"], "--overwrite"),
        (["--format", "onnx", "--out", "T/gone/e.onnx"], "no folder"),
        (["--format", "onnx", "--out", "T/e.onnx", "--data", "T/nothing"], "nothing"),
    ],
)
def test_mistakes(words: list[str], sentence: str, world: Path, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "there.onnx").write_bytes(b"kept")
    assert sentence in refused(capfd, "export", world / "run", *(word.replace("T/", f"{tmp_path}/") for word in words))
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]


def test_without_the_extra_it_says_what_to_install(world: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(unlabeled.UserError, match=r"needs onnxruntime; install .*unlabeled\[export\]"):
        unlabeled.export(world / "run", format="onnx", out=tmp_path / "e.onnx")


def test_data_that_cannot_be_read_checks_nothing(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "photos" / "0", tmp_path / "data")
    for file in (tmp_path / "data").iterdir():
        content = bytearray(file.read_bytes())
        content[45:60] = bytes(15)  # within the pixels: seen when they are decoded, not when the folder is opened
        file.write_bytes(content)
    with pytest.raises(unlabeled.UserError, match="can be read"):
        unlabeled.export(world / "run", format="safetensors", out=tmp_path / "e.safetensors", data=tmp_path / "data")


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x08\0\0\0\0\0\0\0{garbage"])
def test_load_refuses_other_files(content: bytes, world: Path, tmp_path: Path) -> None:
    (tmp_path / "e.safetensors").write_bytes(content)
    with pytest.raises(unlabeled.UserError, match="is not an encoder that"):
        unlabeled.load(tmp_path / "e.safetensors")
    with pytest.raises(unlabeled.UserError, match="is not an encoder that"):
        unlabeled.load(world / "run" / "encoder.safetensors")  # weights alone do not say what they fill
