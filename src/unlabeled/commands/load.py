"""`unlabeled.load`: a finished run's encoder, ready to embed."""

from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from unlabeled import chance, methods
from unlabeled.errors import UserError
from unlabeled.evaluation.extraction import Extracted, encode_with, extract, extract_blocks
from unlabeled.evaluation.features import Features, cached, key_of, key_of_weights
from unlabeled.modalities import modality
from unlabeled.run import Run
from unlabeled.training.settings import MEMORY, Settings


class Encoder:
    """A run's encoder with the way it looks at data.

    Args:
        module: weights filled.
        description: encoder.json.
        cache: the folder of cached features, or None.
    """

    def __init__(self, module: nn.Module, description: dict[str, Any], cache: Path | None = None) -> None:
        self.module, self.description, self.cache = module, description, cache
        self.modality = modality(description["modality"])
        self.size: int = description["image_size"]
        self.view = self.modality.plain(self.size)
        represent = getattr(module, "represent") if description["represents"] else None  # noqa: B009
        self._encode = encode_with(module, represent)
        self._weights = key_of_weights(module.state_dict())

    @property
    def batch(self) -> int:
        """Samples at a time: about a quarter of a million values of input each, so that memory stays small."""
        return max(16, min(256, 2**22 // (3 * self.size**2)))

    def extract(self, samples: Any, views: Any = None, seed: int = 0) -> Extracted:
        """Representations of samples in the plain view, or in a method's views; see `evaluation.extraction.extract`."""
        views = self.view if views is None else views
        return extract(self._encode, samples, views, max(1, 2 * self.batch // max(2, views.count)), seed)

    def features(self, samples: Any, labelled: bool = True) -> Features:
        """Representations in the plain view, computed once and kept with the run.

        Args:
            samples: the data.
            labelled: with the samples' labels, and without the samples that have none where others have.
        """
        if self.cache is None:
            features = self.extract(samples).features()
        else:
            key = key_of(self._weights, str(self.size), samples.fingerprint())
            make = partial(extract_blocks, self._encode, samples, self.view, self.batch)
            features = cached(self.cache, key, make)
        return features.of(samples) if labelled else features

    def embed(self, data: Any) -> np.ndarray:
        """Representations of anything the run's modality can open, and of a list of paths.

        Args:
            data: a path, a list of paths, an array uint8 (N, H, W, 3), or a torch data set.

        Returns:
            float32 (N, D), row i for sample i.

        Raises:
            UserError: a sample cannot be read; `unlabeled embed` leaves such samples out and lists them.
        """
        samples = self.modality.open(data, None)
        extracted = self.extract(samples)
        for path, reason in [(s.path, s.reason) for s in samples.skipped] + extracted.unreadable:
            raise UserError(f"{path} cannot be read ({reason}); leave it out, or use `unlabeled embed`.")
        return extracted.views[0]


def load(run: str | PathLike[str]) -> Encoder:
    """The encoder of a run, or of a file that `unlabeled export --format safetensors` wrote.

    Args:
        run: the run's folder, what `pretrain` returned, or the file.

    Raises:
        UserError: the folder is not a run, or has no encoder yet; the file is another.
    """
    if Path(run).is_file():
        from unlabeled.commands.packed import unpack

        return unpack(Path(run).read_bytes(), run)
    folder = Run.open(run)
    encoder = random_encoder(folder)
    try:
        encoder.module.load_state_dict(folder.weights())
    except RuntimeError:
        raise UserError(f"the weights of {folder.path} do not fit what its encoder.json describes.") from None
    return Encoder(encoder.module, encoder.description, folder.path / "features")


def random_encoder(folder: Run) -> Encoder:
    """The encoder of a run as it was before training: the baseline of the same architecture, from the run's seed.

    Raises:
        UserError: the folder is not a run, or has no encoder yet.
    """
    config, description = folder.config(), folder.description()
    kind = modality(description["modality"])
    chance.seed_torch(config["seed"], chance.INITIALISATION)
    module = kind.encoder(description["encoder"], description["image_size"], **description["network"])
    if description["represents"]:
        module = methods.find(description["method"])(encoder=module, **Settings.of(config).arguments)
    return Encoder(module, description, folder.path / "features")


def data_of(folder: Run, data: Any = None, labels: str | PathLike[str] | None = None) -> tuple[Any, Any]:
    """The samples that a verb works on, and test samples where they come with them.

    Args:
        folder: the run.
        data: what the user gave, or None for the run's own data; the built-in sample brings its own test samples.
        labels: a file of labels, or None for those the run was given.

    Raises:
        UserError: the data cannot be opened, or the run was trained on data in memory and none is given.
    """
    config, kind = folder.config(), modality(folder.description()["modality"])
    if data is not None:
        return kind.open(data, labels), None
    if config["data"] == MEMORY:
        raise UserError(f"{folder.path} was trained on data in memory; say which data to use.")
    if config["data"] is None:
        return kind.sample()
    return kind.open(config["data"], labels or config["labels"]), None
