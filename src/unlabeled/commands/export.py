"""`unlabeled export`: the encoder in a file that other programs load, checked on real pictures before it is kept."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from unlabeled.commands.load import Encoder
    from unlabeled.run import Run

Format = Literal["safetensors", "onnx", "timm"]

PICTURES = 32
"""Samples of the run's data on which the file written is compared with the run's encoder."""
TOLERANCE = 1e-4
"""Largest difference that is accepted, as a share of the largest value of the representations."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        file: its path.
        format: of it.
        largest_difference: between the representations of the file, loaded back, and of the run's encoder, over all
            values of `samples` real samples.
        tolerance: above which the file would have been refused.
        samples: that were compared.
        width: D, of the representations.
        megabytes: of the file.
        usage: a line of Python that loads it.
    """

    file: str
    format: str
    largest_difference: float
    tolerance: float
    samples: int
    width: int
    megabytes: float
    usage: str


def export(
    run: str | PathLike[str],
    *,
    format: Format,
    out: str | PathLike[str],
    data: Any = None,
    overwrite: bool = False,
) -> Exported:
    """Write the encoder for other programs; the file is read back and compared on real samples before it is kept.

    An encoder of pictures takes float32 (B, 3, S, S) with values in [0, 1], not standardised, whatever the format; all
    give the representation float32 (B, D). Encoders of graphs are written as safetensors alone.

    Example: unlabeled export runs/photos --format onnx --out encoder.onnx

    Args:
        run: the run's folder.
        format: safetensors: the weights, and in the header how to build what they fill; onnx: for ONNX runtimes,
            any batch size; timm: a state dict under timm's names, for encoders that timm can build.
        out: a file whose name ends in .onnx for onnx, in .safetensors otherwise.
        data: samples to compare on; by default the run's own data.
        overwrite: replace a file that is there already.

    Raises:
        UserError: the name's ending is another, the file exists, a package is missing, the encoder cannot be had in
            this format, or what was written does not agree.
    """
    from unlabeled.commands.load import load
    from unlabeled.commands.output import new_file
    from unlabeled.commands.samples import data_of
    from unlabeled.errors import UserError
    from unlabeled.run import Run
    from unlabeled.training.checkpoints import write_atomically

    if format not in WRITERS:
        raise UserError(f"no format is called {format!r}; the formats are {', '.join(WRITERS)}.")
    file = new_file(out, (".onnx" if format == "onnx" else ".safetensors",), overwrite)
    folder = Run.open(run)
    encoder = load(folder.path)
    if encoder.modality.whole is not None:
        raise UserError(
            f"the encoder of {folder.path} knows its own nodes alone; take their rows with unlabeled embed."
        )
    if format == "onnx" and not encoder.modality.sized:
        raise UserError(
            f"ONNX takes networks of one tensor, and that of {folder.path} takes {encoder.description['modality']}; "
            "use --format safetensors."
        )
    module, pictures = _module(encoder), _pictures(encoder, data_of(folder, data)[0])
    expected = _representations(module, pictures)
    tolerance = tolerance_of(expected)
    seen: list[tuple[float, str]] = []

    def write(beside: Path) -> None:
        found, usage = WRITERS[format](folder, module, pictures, beside)
        difference = float(abs(found - expected).max())
        if not difference <= tolerance:
            raise UserError(
                f"the representations of the {format} file differ by {difference:.2g} from those of {folder.path} "
                f"(accepted: {tolerance:.2g}), so it was not kept; take another --format."
            )
        seen.append((difference, usage))

    write_atomically(file, write)
    ((difference, usage),) = seen
    megabytes = round(file.stat().st_size / 1e6, 3)
    width = expected.shape[1]
    usage = usage.format(file=repr(str(file)))
    return Exported(str(file), format, difference, tolerance, len(pictures), width, megabytes, usage)


def tolerance_of(expected: "np.ndarray") -> float:
    """The largest difference from the representations `expected` (N, D) that is accepted."""
    return TOLERANCE * float(abs(expected).max())


def _module(encoder: "Encoder") -> "nn.Module":
    """Pictures to representations on the CPU, in inference mode."""
    from torch import nn

    class Representing(nn.Module):
        """A method whose representation is not its encoder's output."""

        def __init__(self, method: Any) -> None:
            super().__init__()
            self.method = method

        def forward(self, batch: Any) -> Any:
            return self.method.represent(batch)

    module = encoder.module.cpu().eval()
    return Representing(module) if encoder.description["represents"] else module


def _pictures(encoder: "Encoder", samples: Any) -> "Tensor":
    """Up to `PICTURES` samples, spread evenly over the data, in the plain view: a batch (N, ...)."""
    import numpy as np

    from unlabeled import chance
    from unlabeled.errors import Unreadable, UserError

    views, reason = [], ""
    for place in np.linspace(0, len(samples) - 1, min(len(samples), PICTURES)).astype(int).tolist():
        try:
            sample = encoder.view.read(samples, place)
        except Unreadable as problem:
            reason = f"{problem.path}: {problem.reason}"
            continue
        views.append(encoder.view.view(sample, chance.generator(0, chance.VIEWS, place)))
    if not views:
        raise UserError(f"the file could not be checked, for no sample that was tried can be read ({reason}).")
    batch: Tensor = encoder.view.join([views])
    return batch


def _representations(module: "nn.Module", batch: "Tensor") -> "np.ndarray":
    """Float64 (N, D), so that a difference is not rounded again."""
    import torch

    with torch.inference_mode():
        return module(batch).double().numpy()  # type: ignore[no-any-return]


def _write_safetensors(run: "Run", module: "nn.Module", batch: "Tensor", file: Path) -> tuple["np.ndarray", str]:
    from unlabeled.commands.load import load
    from unlabeled.commands.packed import pack

    file.write_bytes(pack(run))
    return _representations(_module(load(file)), batch), "unlabeled.load({file})"


@contextmanager
def _quietly() -> Iterator[None]:
    """What torch warns, logs and prints of its own tracing is of no use to who exports; exceptions pass."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_onnx(run: "Run", module: "nn.Module", batch: "Tensor", file: Path) -> tuple["np.ndarray", str]:
    """One file, any batch size; run back in two batches of unequal size."""
    from unlabeled.errors import UserError

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise UserError(f"ONNX needs {' and '.join(missing)}; install them with: pip install 'unlabeled[export]'.")
    import numpy as np
    import onnxruntime
    import torch

    with _quietly():
        program = torch.onnx.export(
            module,
            (batch[:2],),
            input_names=["images"],
            output_names=["representations"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(file, external_data=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    parts = [part.numpy() for part in (batch[:1], batch[1:]) if len(part)]
    found = [session.run(None, {"images": np.ascontiguousarray(part)})[0] for part in parts]
    return np.concatenate(found).astype(np.float64), "onnxruntime.InferenceSession({file})"


def _write_timm(run: "Run", module: "nn.Module", batch: "Tensor", file: Path) -> tuple["np.ndarray", str]:
    """The state dict of the timm model inside the encoder, loaded back by timm into a model of its own making."""
    import timm
    import torch
    from safetensors.torch import load_file, save_file

    from unlabeled.errors import UserError

    name, network = _timm_network(run, module)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, file, {"format": "pt"})
    expected = _representations(module, batch)
    for arguments in _ways(batch.shape[-1]):
        try:
            twin = timm.create_model(name, **arguments).eval()
            twin.load_state_dict(load_file(file))
        except (TypeError, RuntimeError):  # no such argument, or other shapes
            continue
        with torch.inference_mode():
            output = twin(batch).double()
        axes = {3: (1,), 4: (2, 3)}.get(output.ndim, ())  # of tokens (B, T, D), of a map (B, D, h, w)
        found = (output.mean(axes) if axes else output).numpy()
        if abs(found - expected).max() <= tolerance_of(expected):
            said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
            pool = f".mean({axes})" if axes else ""
            return found, f"timm.create_model({name!r}, {said}, checkpoint_path={{file}}).eval()(images){pool}"
    residual = hasattr(network, "maxpool")
    changed = " (small views make its stem small, --network.width-multiplier all its widths)" if residual else ""
    raise UserError(
        f"timm.create_model cannot build the {name} of {run.path} as it is{changed}; use --format safetensors or onnx, "
        "or train with --network.stem standard and no width multiplier."
    )


def _timm_network(run: "Run", module: "nn.Module") -> tuple[str, "nn.Module"]:
    """The name and the network of an encoder that timm built.

    Raises:
        UserError: something else built it.
    """
    import timm

    from unlabeled.encoders.images import ImageEncoder
    from unlabeled.errors import UserError

    description = run.description()
    if description["modality"] != "images":
        raise UserError(f"timm has networks for pictures, and {run.path} is of {description['modality']}; use --format "
                        "safetensors.")  # fmt: skip
    if description["represents"]:
        raise UserError(
            f"the representation of {run.path} is made by its method, {description['method']}, on top of its encoder, "
            "and timm has no place for that; use --format safetensors or onnx."
        )
    named = str(description["encoder"])
    library, _, name = named.rpartition("/")
    if library == "torchvision" or not timm.is_model(name) or not isinstance(module, ImageEncoder):
        raise UserError(
            f"the encoder of {run.path} is {named}, which timm does not build; use --format safetensors or onnx, or "
            "train with a timm model, such as --encoder timm/resnet18."
        )
    network: Any = module.network
    return name, network if isinstance(network, type(timm.create_model(name))) else network[0]


def _ways(size: int) -> list[dict[str, Any]]:
    """Arguments of `timm.create_model`, plainest first; some networks pool otherwise than by the mean that we take."""
    return [
        {"num_classes": 0, **pool, **fixed}
        for pool in ({}, {"global_pool": ""})
        for fixed in ({}, {"img_size": size})  # networks of one size only, such as transformers
    ]


Writer = Callable[["Run", "nn.Module", "Tensor", Path], tuple["np.ndarray", str]]

WRITERS: dict[str, Writer] = {"safetensors": _write_safetensors, "onnx": _write_onnx, "timm": _write_timm}
"""Format to (run, module, batch, file) -> (what the file gives for the batch, how to load it)."""
