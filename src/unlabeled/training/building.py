"""From settings to what is trained: the data opened, every default written out, the encoder and the method built."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.modalities import Modality, opening
from unlabeled.run import Run, read_weights
from unlabeled.training.batch_norm import over_processes
from unlabeled.training.method import Method, Prepares, Represents, ScopesBatchNorm, StepsItself
from unlabeled.training.settings import OWN_LABELS, Settings, called, completed, plain_values


def described(method: Method, settings: Settings, modality_name: str, form: Any, step: int) -> dict[str, Any]:
    """How to build what a run's weights fill, for encoder.json."""
    description: dict[str, Any] = plain_values(
        {
            "modality": modality_name,
            "method": settings.method,
            "represents": isinstance(method, Represents),
            "encoder": settings.encoder,
            "image_size": settings.image_size,
            "form": form,
            "network": settings.network,
            "projector_layers": 0,
            "step": step,
        }
    )
    return description


def form_of(kind: Modality, settings: Settings, samples: Any) -> Any:
    """What the encoder must know of its input, of pictures the side that was asked for.

    Raises:
        UserError: a side of what has none.
    """
    if settings.image_size is not None and not kind.sized:
        raise UserError("--image-size is the side of pictures, and this data holds none; leave it out.")
    return settings.image_size or kind.size(samples)


def opened(kind: Modality, data: Any, settings: Settings) -> Any:
    """The samples to train on: those of `data`, or the built-in ones where it is None.

    Raises:
        UserError: the data cannot be opened, or labels are given for the built-in samples.
    """
    options = opening(kind, settings.arguments)[0]
    if data is not None or options:
        return kind.open(data, settings.labels, **options)
    return kind.sample()[0] if settings.labels is None else labelled_sample(kind, settings.labels)


def labelled_sample(kind: Modality, labels: str | os.PathLike[str]) -> Any:
    """The built-in sample with labels of the user's.

    Raises:
        UserError: it has labels of its own.
    """
    if kind.sample()[0].labels is not None:
        raise UserError(OWN_LABELS)
    return kind.open(None, labels)


def resolve(
    method: Callable[..., Any],
    preset: Any,
    kind: Modality,
    settings: Settings,
    samples: Any,
    form: Any,
    processes: int = 1,
) -> Settings:
    """Every default written out, so that `config.yaml` says all.

    Raises:
        UserError: an argument that the method, its views or the encoder does not have, or too few samples for a batch.
    """
    options, own = opening(kind, settings.arguments)
    share = processes * settings.accumulate
    if kind.whole is not None and share <= len(samples):
        settings = replace(settings, batch_size=min(settings.batch_size, len(samples) // share * share))
    if len(samples) < 2:
        raise UserError(
            f"the data has {len(samples)} sample{'' if len(samples) else 's'}, and training needs 2; add more."
        )
    if settings.batch_size > len(samples):
        raise UserError(
            f"--batch-size {settings.batch_size} is more than the {len(samples)} samples of the data; lower it."
        )
    return replace(
        settings,
        image_size=form if kind.sized else None,
        encoder=settings.encoder or kind.default_encoder(form),
        keep=getattr(method, "keeps", 0) if settings.keep is None else settings.keep,
        views=completed(preset, "--views.", settings.views, "size"),
        network=completed(kind.encoder, "--network.", settings.network, "name", "image_size", "form"),
        arguments=completed(kind.open, "--", options, *list(signature(kind.open).parameters)[:2])
        | completed(method, "--", own, "encoder"),
    )


def build(method: Callable[..., Any], kind: Modality, settings: Settings, samples: Any, form: Any) -> Method:
    """The encoder and the method around it, with the weights that the seed or `--init` gives; prepared for the data.

    Raises:
        UserError: a setting is outside its range, or the weights to start from do not fit.
    """
    chance.seed_torch(settings.seed, chance.INITIALISATION)
    assert settings.encoder is not None
    encoder = called(partial(kind.encoder, settings.encoder, form), "--network.", settings.network)
    if settings.init is not None:
        initialise(encoder, Path(settings.init))
    built: Method = called(method, "--", opening(kind, settings.arguments)[1], encoder=encoder)
    if settings.accumulate > 1 and isinstance(built, StepsItself):
        raise UserError(
            f"{settings.method} has steps of its own, which cannot be made in parts; leave out --accumulate."
        )
    if isinstance(built, Prepares):
        built.prepare(samples)
    assert isinstance(built, nn.Module)
    if not isinstance(built, ScopesBatchNorm) or built.global_bn:
        over_processes(built)
    return built


def initialise(encoder: nn.Module, source: Path) -> None:
    """Fill an encoder with the weights of a run or of a .safetensors file.

    Raises:
        UserError: there are none, or they are those of another network.
    """
    weights = Run.open(source).weights() if source.is_dir() else read_weights(source)
    if not weights.keys() <= encoder.state_dict().keys():  # of a method whose representation is its own: the encoder's
        inner = {name: each for name, each in weights.items() if name.startswith("encoder.")}
        weights = {name.removeprefix("encoder."): each for name, each in inner.items()} or weights
    try:
        encoder.load_state_dict(weights)
    except RuntimeError:
        raise UserError(
            f"the weights of {source} do not fit this encoder; give the same --encoder and --network."
        ) from None
