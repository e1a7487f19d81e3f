"""One paper, one file: the file's name is the method's name, and nothing is registered."""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unlabeled.errors import UserError


def names() -> list[str]:
    """All methods, by file name, importing none of them."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))


def summary(name: str) -> str:
    """The first line of a method's module docstring, read without importing it."""
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def looks_at(method: Callable[..., Any]) -> tuple[str, ...]:
    """The modalities that a method can learn from, the first of which its built-in sample is of.

    Those it names in `modalities`; else every one whose samples have views, pictures first, for objectives know no
    modality.
    """
    from unlabeled.modalities import MODALITIES

    return getattr(method, "modalities", tuple(name for name, kind in MODALITIES.items() if kind.whole is None))


def find(name: str) -> type:
    """The class of a method: the one class with a `loss` that its file defines.

    Raises:
        UserError: no file of that name.
    """
    if name not in names():
        raise UserError(f"no method is called {name!r}; the methods are {', '.join(names())}.")
    module = importlib.import_module(f"unlabeled.methods.{name}")
    (method,) = (
        each
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__ and hasattr(each, "loss")
    )
    return method
