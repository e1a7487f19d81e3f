"""Learn representations without labels: data in, a proven encoder out.

The commands as functions, each imported when it is first asked for:

    run = unlabeled.pretrain("simclr", data="photos/", out="runs/photos", epochs=10)
    unlabeled.evaluate("knn", run, data="labelled/")
    encoder = unlabeled.load(run)
    encoder.embed(["cat.jpg"])              # float32 (1, D)
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.compare import compare
    from unlabeled.commands.embed import embed
    from unlabeled.commands.evaluate import evaluate
    from unlabeled.commands.export import export
    from unlabeled.commands.inspect import inspect
    from unlabeled.commands.labels import labels
    from unlabeled.commands.learner import learner
    from unlabeled.commands.load import Encoder, load
    from unlabeled.commands.pretrain import pretrain
    from unlabeled.commands.report import report
    from unlabeled.commands.search import search
    from unlabeled.errors import UserError

# Threads of torch that wait for each other keep their core busy for milliseconds, which another process on the machine
# could use: beside one, training was three to four times slower (docs/decisions.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__version__ = "0.1.0"
__all__ = [
    "Encoder", "UserError", "__version__", "compare", "embed", "evaluate", "export", "inspect", "labels", "learner",
    "load", "pretrain", "report", "search",
]  # fmt: skip

_HOMES = {
    "Encoder": "commands.load",
    "UserError": "errors",
    "compare": "commands.compare",
    "embed": "commands.embed",
    "evaluate": "commands.evaluate",
    "export": "commands.export",
    "inspect": "commands.inspect",
    "labels": "commands.labels",
    "learner": "commands.learner",
    "load": "commands.load",
    "pretrain": "commands.pretrain",
    "report": "commands.report",
    "search": "commands.search",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unlabeled' has no attribute {name!r}")
    return getattr(import_module(f"unlabeled.{_HOMES[name]}"), name)
