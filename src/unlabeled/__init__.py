"""Learn representations without labels: data in, a proven encoder out.

The commands as functions, each imported when it is first asked for:

    run = unlabeled.pretrain("simclr", data="photos/", out="runs/photos", epochs=10)
    unlabeled.evaluate("knn", run, data="labelled/")
    encoder = unlabeled.load(run)
    encoder.embed(["cat.jpg"])              # float32 (1, D)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.commands.embed import embed
    from unlabeled.commands.evaluate import evaluate
    from unlabeled.commands.inspect import inspect
    from unlabeled.commands.load import Encoder, load
    from unlabeled.commands.pretrain import pretrain
    from unlabeled.commands.report import report
    from unlabeled.errors import UserError

__version__ = "0.1.0"
__all__ = ["Encoder", "UserError", "__version__", "embed", "evaluate", "inspect", "load", "pretrain", "report"]

_HOMES = {
    "Encoder": "commands.load",
    "UserError": "errors",
    "embed": "commands.embed",
    "evaluate": "commands.evaluate",
    "inspect": "commands.inspect",
    "load": "commands.load",
    "pretrain": "commands.pretrain",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unlabeled' has no attribute {name!r}")
    return getattr(import_module(f"unlabeled.{_HOMES[name]}"), name)


class _Doors(ModuleType):
    """This package; here the command `report` goes before the folder `report/`, whose name it shares."""

    @property
    def report(self) -> Any:
        """The command."""
        return import_module("unlabeled.commands.report").report

    @report.setter
    def report(self, folder: ModuleType) -> None:
        """What Python sets when the folder is first imported, and finds in `sys.modules` from then on."""


sys.modules[__name__].__class__ = _Doors
