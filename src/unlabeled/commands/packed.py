"""An encoder in one safetensors file: its weights, and in the header all it takes to build what they fill."""

import json
from os import PathLike
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from unlabeled import __version__, methods
from unlabeled.commands.load import Encoder, built
from unlabeled.errors import UserError
from unlabeled.modalities import modality
from unlabeled.run import Run
from unlabeled.training.settings import Settings

METADATA = "unlabeled"
"""The header's entry that says how the encoder is built."""

_LENGTH = 8  # bytes before the header that say how long it is


def pack(run: Run) -> bytes:
    """A run's encoder as the bytes of a safetensors file, which cannot carry code.

    The tensors are those of encoder.safetensors, so that `pretrain --init` takes the file too. The header's metadata
    has one entry, "unlabeled" (of several, safetensors does not fix the order, and the file would not be the same
    each time): a JSON object of `version`, `description` (encoder.json) and `arguments` (the method's own, where the
    representation is the method's).

    Raises:
        UserError: the run has no encoder yet, or is damaged.
    """
    description = run.description()
    arguments = Settings.of(run.config()).arguments if description["represents"] else {}
    how = {"version": __version__, "description": description, "arguments": arguments}
    return save(run.weights(), {METADATA: json.dumps(how)})


def unpack(data: bytes, name: str | PathLike[str] = "the file") -> Encoder:
    """The encoder that `pack` wrote.

    Args:
        data: of the file.
        name: of the file, for messages.

    Raises:
        UserError: these are not bytes of such a file.
    """
    try:
        weights, how = load(data), json.loads(_metadata(data)[METADATA])
        description, arguments = how["description"], how["arguments"]
        kind = modality(description["modality"])
        module: Any = built(kind, description)
        if description["represents"]:
            module = methods.find(description["method"])(encoder=module, **arguments)
        module.load_state_dict(weights)
        return Encoder(module, description)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        raise UserError(
            f"{name} is not an encoder that `unlabeled export --format safetensors` wrote, or it is damaged."
        ) from None


def _metadata(data: bytes) -> dict[str, str]:
    """The texts in the header of a safetensors file, which has been loaded already."""
    length = int.from_bytes(data[:_LENGTH], "little")
    return dict(json.loads(data[_LENGTH : _LENGTH + length]).get("__metadata__", {}))
