"""Numbers that took long to find, kept so that a call that was stopped need not find them again."""

import json
from collections.abc import Callable
from pathlib import Path

from unlabeled.training.checkpoints import write_atomically


def kept_numbers(path: Path, what: str, make: Callable[[], list[list[float]]]) -> list[list[float]]:
    """The table that an earlier call kept at `path`, or else `make()`, which is kept there.

    Args:
        path: one file a table; what cannot be read there is made again.
        what: the table in words, kept beside it.
        make: called where nothing is kept.
    """
    try:
        return [[float(each) for each in row] for row in json.loads(path.read_text(encoding="utf-8"))["numbers"]]
    except (OSError, ValueError, TypeError, KeyError):
        pass
    numbers = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"what": what, "numbers": numbers})

    def write(beside: Path) -> None:
        beside.write_text(content, encoding="utf-8")

    write_atomically(path, write)
    return numbers
