"""A run on disk: configuration, figures, checkpoints, the encoder and its cached features.

    config.yaml           every setting, by the name of its flag: `--config` takes it back
    metrics.jsonl         one line of figures for about two hundred steps
    encoder.safetensors   the weights; encoder.json says how to build what they fill
    projector.safetensors those of the layers between the encoder's output and the loss, where the method has such
    heads.safetensors     what labels representations, where the method learns labels
    kept/                 weights on the way, where they were asked for (--keep)
    checkpoints/last.pt   tensors and plain values, read with `weights_only=True`
    features/             representations of data sets, computed once
    tensorboard/          event files with the figures of metrics.jsonl, where asked for
    skipped.txt           samples that could not be read, and why
    environment.json      versions, machine, threads
    evaluations/          the last result of each protocol
    .claimed              held by the process that trains here

Nothing here is ever unpickled; every file but the growing ones is written beside and renamed.
"""

import hashlib
import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unlabeled.distributed import rank
from unlabeled.errors import UserError
from unlabeled.training.checkpoints import Checkpoint, load, save, write_atomically

PACKAGES = (
    "unlabeled", "torch", "torchvision", "timm", "lightning-fabric", "numpy", "pillow", "opencv-python-headless",
    "faiss-cpu",
)  # fmt: skip

DESCRIBES = {"modality", "method", "represents", "encoder", "image_size", "network"}
"""What encoder.json must have."""


class Run:
    """One folder; see the module's docstring for what is in it.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._skipped: set[str] | None = None

    @classmethod
    def create(cls, path: str | os.PathLike[str], config: dict[str, Any]) -> "Run":
        """Make the folder and write down the settings.

        Raises:
            UserError: the folder holds something already.
        """
        run = cls(path)
        if run.path.exists() and not run._is_free():
            if (run.path / "config.yaml").exists():
                raise UserError(f"{run.path} holds a run already; choose another --out, or go on with --resume.")
            what = "holds something else already" if run.path.is_dir() else "is a file"
            raise UserError(f"{run.path} {what}; choose another --out.")
        run.path.mkdir(parents=True, exist_ok=True)
        run._write("config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        run._write("environment.json", json.dumps(environment(), indent=2))
        return run

    def _is_free(self) -> bool:
        """A folder with nothing in it, but for what a kill left half-written before a run was made."""
        return self.path.is_dir() and all(path.name.endswith(".part") for path in self.path.iterdir())

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Run":
        """An existing run.

        Raises:
            UserError: the folder is absent or is not a run.
        """
        run = cls(path)
        if not run.path.exists():
            raise UserError(
                f"there is no run at {run.path}; make one with: unlabeled pretrain simclr --out {run.path}."
            )
        if not (run.path / "config.yaml").is_file():
            raise UserError(f"{run.path} is not a run folder (it has no config.yaml); give the --out of a pretrain.")
        return run

    def config(self) -> dict[str, Any]:
        """The settings as they were resolved.

        Raises:
            UserError: config.yaml is damaged.
        """
        try:
            config = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            config = None
        if not isinstance(config, dict) or not config.keys() >= {"method", "data", "labels", "seed", "network"}:
            raise UserError(f"{self.path / 'config.yaml'} cannot be read as settings; the run folder is damaged.")
        return config

    # --- the journal that the loop writes ---------------------------------------------------------------------------

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint in place of the one before."""
        (self.path / "checkpoints").mkdir(exist_ok=True)
        save(self.path / "checkpoints" / "last.pt", checkpoint)

    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint, or None where the run was stopped before its first.

        Raises:
            UserError: the file is damaged.
        """
        return load(self.path / "checkpoints" / "last.pt")

    def keep(self, step: int, weights: dict[str, Tensor]) -> None:
        """Keep the weights after a step, for looking back."""
        (self.path / "kept").mkdir(exist_ok=True)
        self._write_weights(f"kept/step-{step:09d}.safetensors", weights)

    def kept(self) -> dict[int, Path]:
        """Step to the file of the weights that were kept after it, the first step first."""
        return {int(path.stem[5:]): path for path in sorted((self.path / "kept").glob("step-*.safetensors"))}

    def log(self, figures: dict[str, float]) -> None:
        """Add a line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")

    def metrics(self) -> list[dict[str, float]]:
        """The lines of metrics.jsonl; a last line that a kill cut short is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        figures = []
        for line in lines:
            try:
                figures.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return figures

    def cut_metrics(self, step: int) -> None:
        """Drop the figures of steps after `step`, which a resumed run does again."""
        kept = [json.dumps(line) + "\n" for line in self.metrics() if line["step"] <= step]
        self._write("metrics.jsonl", "".join(kept))

    def skip(self, name: str, reason: str) -> None:
        """Add a sample to skipped.txt, once."""
        path = self.path / "skipped.txt"
        line = f"{_one_line(name)}\t{_one_line(reason)}\n"
        if self._skipped is None:
            self._skipped = set(path.read_text(encoding="utf-8").splitlines(True)) if path.exists() else set()
        if line not in self._skipped:
            self._skipped.add(line)
            with path.open("a", encoding="utf-8") as file:
                file.write(line)

    def skipped(self) -> list[tuple[str, str]]:
        """Names and reasons in skipped.txt."""
        path = self.path / "skipped.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [(name, reason) for name, _, reason in (line.partition("\t") for line in lines)]

    # --- the encoder ------------------------------------------------------------------------------------------------

    def write_encoder(
        self, state: dict[str, Tensor], description: dict[str, Any], projector: dict[str, Tensor] | None = None
    ) -> None:
        """Write the weights, those of the projector where there is one, and how to build what they fill."""
        if projector is not None:
            self._write_weights("projector.safetensors", projector)
        self._write_weights("encoder.safetensors", state)
        self._write("encoder.json", json.dumps(description, indent=2))

    def _write_weights(self, name: str, state: dict[str, Tensor]) -> None:
        state = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        write_atomically(self.path / name, lambda beside: save_file(state, beside))

    def description(self) -> dict[str, Any]:
        """What encoder.json says.

        Raises:
            UserError: the run has no encoder yet, or the file is damaged.
        """
        path = self.path / "encoder.json"
        if not path.exists() or not (self.path / "encoder.safetensors").exists():
            raise UserError(f"{self.path} has no encoder yet; finish its training with --resume.")
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            description = None
        if not isinstance(description, dict) or not description.keys() >= DESCRIBES:
            raise UserError(f"{path} cannot be read as what describes an encoder; the run folder is damaged.")
        return description

    def weights(self) -> dict[str, Tensor]:
        """The encoder's weights.

        Raises:
            UserError: the file is absent or damaged.
        """
        return read_weights(self.path / "encoder.safetensors")

    def projector_weights(self) -> dict[str, Tensor]:
        """The projector's weights.

        Raises:
            UserError: the file is absent or damaged.
        """
        return read_weights(self.path / "projector.safetensors")

    # --- what was found out about it --------------------------------------------------------------------------------

    def keep_evaluation(self, protocol: str, result: Any) -> None:
        """Keep the result of a protocol (a dataclass) in place of the one before, on the first process."""
        if rank() == 0:
            (self.path / "evaluations").mkdir(exist_ok=True)
            kept = {"encoder": self._encoder_digest(), "result": as_kept(result)}
            self._write(f"evaluations/{protocol}.json", json.dumps(kept, indent=2))

    def evaluations(self) -> list[dict[str, Any]]:
        """The results that are kept, by name of protocol; those of an encoder that has since trained on are left out.

        Raises:
            UserError: a file is damaged.
        """
        found = []
        for path in sorted((self.path / "evaluations").glob("*.json"), key=lambda each: each.stem):
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                encoder, result = kept["encoder"], dict(kept["result"])
            except (ValueError, TypeError, KeyError):
                raise UserError(f"{path} cannot be read; delete it and evaluate again.") from None
            if encoder == self._encoder_digest():
                found.append(result)
        return found

    def environment(self) -> dict[str, Any]:
        """What environment.json says of the machine it was trained on; nothing where the file is absent or damaged."""
        try:
            found = json.loads((self.path / "environment.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _encoder_digest(self) -> str:
        with (self.path / "encoder.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]

    def _write(self, name: str, text: str) -> None:
        def write(beside: Path) -> None:
            beside.write_text(text, encoding="utf-8")

        write_atomically(self.path / name, write)


def as_kept(result: Any) -> dict[str, Any]:
    """A dataclass as JSON gives it back: plain numbers, and lists for tuples."""
    kept: dict[str, Any] = json.loads(json.dumps(asdict(result), default=lambda value: value.item()))
    return kept


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, which cannot carry code.

    Raises:
        UserError: the file is absent or damaged.
    """
    if not path.is_file():
        raise UserError(f"there are no weights at {path}; give a run folder or a .safetensors file.")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
    except (SafetensorError, OSError):
        raise UserError(f"{path} is not a safetensors file, or it is damaged.") from None


def environment() -> dict[str, Any]:
    """Versions, machine and threads: what a figure depends on besides its settings."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] or ["cpu"],
        "packages": {name: version(name) for name in PACKAGES},
    }


def _one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
