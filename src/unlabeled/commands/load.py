"""`unlabeled.load`: a finished run's encoder, ready to embed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from unlabeled import chance, methods
from unlabeled.commands.samples import opening_of
from unlabeled.distributed import collect
from unlabeled.encoders.rows import Rows
from unlabeled.errors import UserError
from unlabeled.evaluation.extraction import Extracted, encode_with, extract, extract_blocks
from unlabeled.evaluation.features import Block, Features, cached, key_of, key_of_weights
from unlabeled.modalities import Modality, modality, opening
from unlabeled.run import Run
from unlabeled.training.settings import Settings

ROWS = 4096
"""Rows of the encoder's output that go through the projector at once."""


class Encoder:
    """A run's encoder with the way it looks at data.

    Args:
        module: weights filled.
        description: encoder.json.
        cache: the folder of cached features, or None.
        head: the layers of the projector that its representations come out of, weights filled; by default none, and
            they are the encoder's output.
        opening: how the run's data was opened, which other data is opened alike by (`--window` of timed links).
    """

    def __init__(
        self,
        module: nn.Module,
        description: dict[str, Any],
        cache: Path | None = None,
        head: nn.Sequential | None = None,
        opening: dict[str, Any] | None = None,
    ) -> None:
        self.module, self.description, self.cache = module, description, cache
        self.opening = opening or {}
        self.head = nn.Sequential() if head is None else head
        self.modality = modality(description["modality"])
        self.size = self.modality.stored(description.get("form", description["image_size"]))
        self.view = self.modality.plain(self.size)
        represent = getattr(module, "represent") if description["represents"] else None  # noqa: B009
        self._encode, self._project = encode_with(module, represent), encode_with(self.head)
        self._weights = key_of_weights(module.state_dict())

    @property
    def layer(self) -> int:
        """Where its representations come from: 0 the encoder's output, k the projector's k-th layer."""
        return len(self.head)

    @property
    def raw(self) -> Callable[[Any], np.ndarray]:
        """What the raw-input baseline sees of one sample, float32 (D,): what its encoder is told."""
        return self.modality.raw(self.size, self.description["network"])

    @property
    def batch(self) -> int:
        """Samples at a time: about a quarter of a million values of input each, so that memory stays small."""
        return max(16, min(256, 2**22 // self.modality.values(self.size)))

    def opened(self, data: Any, labels: str | PathLike[str] | None = None) -> Any:
        """Other data, opened as the run's was.

        Raises:
            UserError: it cannot be.
        """
        return self.modality.open(data, labels, **self.opening)

    def check(self, samples: Any) -> None:
        """See whether samples are of a kind that the encoder was made for.

        Raises:
            UserError: they are not.
        """
        if self.modality.misfit is None:
            return
        problem = self.modality.misfit(self.size, self.modality.size(samples), self.description["network"])
        if problem:
            raise UserError(f"{samples.place} has {problem}, unlike what the run was trained on; give data like that.")

    def extract(self, samples: Any, views: Any = None, seed: int = 0) -> Extracted:
        """The encoder's output, before the head, of samples in the plain view or in a method's views.

        See `evaluation.extraction.extract`; `projected` takes the rows on.
        """
        self.check(samples)
        if self.modality.whole is not None:
            (block,) = self._whole(samples)
            return Extracted(block.views, block.ids, [])
        views = self.view if views is None else views
        return extract(self._encode, samples, views, max(1, 2 * self.batch // max(2, views.count)), seed)

    def diagnosed(self, samples: Any) -> dict[str, float]:
        """Figures of the encoder's own about its inner working, means over samples; nothing where it has none."""
        network: Any = getattr(self.module, "encoder", self.module)
        if not hasattr(network, "diagnosed"):
            return {}
        device, names = next(self.module.parameters()).device, dict[str, None]()

        def figures(batch: Any) -> torch.Tensor:
            found = network.diagnosed(batch.to(device))
            names.update(dict.fromkeys(found))
            return torch.stack(list(found.values()), 1)

        means = extract(figures, samples, self.view, self.batch, show=False).views[0].mean(0)
        told = next(each for each in collect(list(names)) if each)  # a process may have had no sample
        return dict(zip(told, means.tolist(), strict=True))

    def projected(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the encoder's output, float32 (N, D), as they come out of the head, float32 (N, P)."""
        if not self.layer:
            return rows
        return np.concatenate([self._through_head(rows[start : start + ROWS]) for start in range(0, len(rows), ROWS)])

    @torch.inference_mode()
    def _through_head(self, rows: np.ndarray) -> np.ndarray:
        out: np.ndarray = self._project(torch.tensor(rows)).float().cpu().numpy()
        return out

    def features(self, samples: Any, labelled: bool = True) -> Features:
        """Representations in the plain view, computed once and kept with the run.

        Args:
            samples: the data.
            labelled: with the samples' labels, and without the samples that have none where others have.
        """
        self.check(samples)
        if self.cache is None:
            found = self.extract(samples).features()
            features = replace(found, embeddings=self.projected(found.embeddings))
        else:
            parts = [self._weights, str(self.size), samples.fingerprint()]
            make = partial(extract_blocks, self._encode, samples, self.view, self.batch)
            if self.modality.whole is not None:
                make = partial(self._whole, samples)
            features = cached(self.cache, key_of(*parts), make)
            if self.layer:
                parts += [key_of_weights(self.head.state_dict()), f"layer {self.layer}"]
                features = cached(self.cache, key_of(*parts), partial(self._projected_blocks, features))
        return features.of(samples) if labelled else features

    def _whole(self, samples: Any) -> Iterator[Block]:
        """All samples in one block, of an encoder that sees them at once."""
        table = self.rows(samples)
        yield Block([table.embeddings[table.current]], np.arange(len(table.current)), [])

    def rows(self, samples: Any) -> Rows:
        """What an encoder that sees all samples at once makes of them.

        Raises:
            UserError: they are others than those that it was trained on.
        """
        assert self.modality.whole is not None
        self.check(samples)
        return self.modality.whole(self.module, samples)

    def _projected_blocks(self, features: Features) -> Iterator[Block]:
        for start in range(0, len(features.ids), ROWS):
            rows = slice(start, start + ROWS)
            yield Block([self._through_head(features.embeddings[rows])], features.ids[rows], [])

    def embed(self, data: Any) -> np.ndarray:
        """Representations of anything the run's modality can open, and of a list of paths.

        Args:
            data: a path, a list of paths, an array uint8 (N, H, W, 3), or a torch data set.

        Returns:
            float32 (N, D), row i for sample i.

        Raises:
            UserError: a sample cannot be read; `unlabeled embed` leaves such samples out and lists them.
        """
        samples = self.opened(data)
        extracted = self.extract(samples)
        for path, reason in [(s.path, s.reason) for s in samples.skipped] + extracted.unreadable:
            raise UserError(f"{path} cannot be read ({reason}); leave it out, or use `unlabeled embed`.")
        return self.projected(extracted.views[0])


def load(run: str | PathLike[str], layer: int = 0) -> Encoder:
    """The encoder of a run, or of a file that `unlabeled export --format safetensors` wrote.

    Args:
        run: the run's folder, what `pretrain` returned, or the file.
        layer: where representations come from: 0 the encoder's output, k the k-th layer of the projector that the
            method put on it for training, -1 that projector's last layer.

    Raises:
        UserError: the folder is not a run, or has no encoder or no such layer; the file is another.
    """
    if Path(run).is_file():
        from unlabeled.commands.packed import unpack

        if layer:
            raise UserError(
                f"{run} holds an encoder alone, and layer {layer} is its projector's; give the run's folder."
            )
        return unpack(Path(run).read_bytes(), run)
    folder = Run.open(run)
    module, projector = _untrained(folder, layer)
    try:
        module.load_state_dict(folder.weights())
        if len(projector):
            projector.load_state_dict(folder.projector_weights())
    except RuntimeError:
        raise UserError(f"the weights of {folder.path} do not fit what its encoder.json describes.") from None
    return _encoder(folder, module, projector, layer)


def random_encoder(folder: Run, layer: int = 0) -> Encoder:
    """The encoder of a run as it was before training: the baseline of the same architecture, from the run's seed.

    Args:
        folder: the run.
        layer: as of `load`; the projector too is as it was before training.

    Raises:
        UserError: the folder is not a run, or has no encoder or no such layer.
    """
    untrained = modality(folder.description()["modality"]).untrained
    return _encoder(folder, *_untrained(folder, layer, untrained), layer)


def projector_layers(folder: Run) -> int:
    """How many layers the run's projector has; 0 where none is kept."""
    return int(folder.description().get("projector_layers", 0))


def built(kind: Modality, description: dict[str, Any]) -> nn.Module:
    """The network that encoder.json describes, with weights drawn by torch's generator."""
    form = kind.stored(description.get("form", description["image_size"]))
    return kind.encoder(description["encoder"], form, **description["network"])


def _untrained(
    folder: Run, layer: int, network: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> tuple[nn.Module, nn.Sequential]:
    """What the run's weights fill: the encoder (or the method, where it represents), and the projector if it is needed.

    Args:
        folder: the run.
        layer: as of `load`.
        network: the encoder's arguments to those that it is built with.

    Raises:
        UserError: the run has no such layer.
    """
    count = projector_layers(folder)
    if layer and not count:
        raise UserError(
            f"{folder.path} keeps no projector, so that there is no layer {layer}: its method has none, or an older "
            "version trained it; leave out --layer."
        )
    if not -1 <= layer <= count:
        raise UserError(f"the projector of {folder.path} has {count} layers; --layer takes -1 to {count}, got {layer}.")
    config, description = folder.config(), folder.description()
    kind = modality(description["modality"])
    chance.seed_torch(config["seed"], chance.INITIALISATION)
    module = built(kind, description | {"network": network(description["network"])})
    if not layer and not description["represents"]:
        return module, nn.Sequential()
    arguments = opening(kind, Settings.of(config).arguments)[1]
    method = methods.find(description["method"])(encoder=module, **arguments)
    return (method, nn.Sequential()) if description["represents"] else (module, method.projector)


def _encoder(folder: Run, module: nn.Module, projector: nn.Sequential, layer: int) -> Encoder:
    head = projector if layer == -1 else projector[:layer]
    return Encoder(module, folder.description(), folder.path / "features", head, opening_of(folder))
