"""The command: parses the signatures of `commands/`, calls them, prints what they return."""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from unlabeled import __version__
from unlabeled.errors import UserError

VERBS = {
    "pretrain": "learn an encoder from data without labels",
    "evaluate": "how good an encoder is, with labels or without, beside its baselines",
    "embed": "representations to .parquet, .npy or .npz",
    "labels": "the label that a run has learnt for every sample, to .parquet or .csv",
    "search": "what in the data is nearest to a picture, or to each of a folder",
    "compare": "runs beside each other, ranked without labels and with",
    "export": "the encoder for other programs: safetensors, ONNX, timm",
    "report": "one page to look at: curves, evaluation, map, neighbours, views",
    "inspect": "what a path holds, and what of it cannot be read",
    "methods": "what can be trained",
}

OVERVIEW = f"""unlabeled {__version__}: data without labels in, a proven encoder out

  unlabeled pretrain simclr --data photos/ --out runs/photos
  unlabeled evaluate knn runs/photos
  unlabeled embed runs/photos --out embeddings.parquet

verbs:
{{verbs}}

`unlabeled VERB --help` says more; --json on any verb prints one JSON object for programs.
Without --data, pretrain takes a small sample of real photographs that comes with the installation.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 the user's mistake, 1 ours."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        result = run([each for each in arguments if each != "--json"])
    except (UserError, argparse.ArgumentError, OSError) as problem:
        _fail(_sentence(problem), 2, as_json)
    except KeyboardInterrupt:
        _fail("stopped.", 130, as_json)
    except Exception as problem:
        traceback.print_exc()
        _fail(f"this is a fault of unlabeled, please report it: {type(problem).__name__}: {problem}", 1, as_json)
    else:
        if result is not None and _first_process():
            _show(result, as_json)


def run(arguments: Sequence[str]) -> Any:
    """Parse and call one verb; returns its result, or None where only help was asked for.

    Raises:
        UserError: no such verb, or the verb's own.
    """
    verb, rest = (arguments[0], list(arguments[1:])) if arguments else ("--help", [])
    if verb in ("-h", "--help"):
        print(OVERVIEW.format(verbs="\n".join(f"  {name:<10}{line}" for name, line in VERBS.items())), end="")
        return None
    if verb == "--version":
        print(__version__)
        return None
    if verb not in VERBS:
        raise UserError(f"there is no verb {verb!r}; the verbs are {', '.join(VERBS)}.")
    from unlabeled.parsing import parse

    return parse(verb, rest)


def _sentence(problem: Exception) -> str:
    """One line of what went wrong."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename or 'a file'}: {problem.strerror}."
    return " ".join(str(problem).split())


def _fail(sentence: str, code: int, as_json: bool) -> None:
    if as_json:
        if _first_process():
            print(json.dumps({"error": sentence}), flush=True)
        else:
            time.sleep(2)  # torchrun ends all processes once one has failed: the first must have spoken by then
    print(f"unlabeled: {sentence}", file=sys.stderr)
    sys.exit(code)


def _first_process() -> bool:
    """Whether this is the one process of all that speaks on standard output."""
    if "torch.distributed" in sys.modules:
        from unlabeled.distributed import rank, world_size

        if world_size() > 1:
            return rank() == 0
    # not joined yet: torchrun, SLURM and Fabric each say it by a variable of their own
    return all(int(os.environ.get(name) or 0) == 0 for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def _show(result: Any, as_json: bool) -> None:
    """One JSON object on standard output, or a table on standard error."""
    if as_json:
        print(json.dumps(_finite(asdict(result))))  # in ASCII, which every terminal and pipe can take
        return
    from unlabeled.reports.tables import show

    show(result)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):  # a NumPy number
        value = value.item()
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value
