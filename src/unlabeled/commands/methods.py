"""`unlabeled methods`: what can be trained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MethodLine:
    """One method: its name on the command line and what it does in a sentence."""

    name: str
    summary: str


@dataclass(frozen=True)
class Methods:
    """All methods of this version."""

    methods: list[MethodLine]


def methods() -> Methods:
    """List the methods; `unlabeled pretrain NAME --help` shows the settings of one.

    Example: unlabeled methods --json
    """
    from unlabeled.methods import names, summary

    return Methods([MethodLine(name, summary(name)) for name in names()])
