"""What jsonargparse says of wrong words, as sentences that name the flag and what it takes."""

import re
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin


def told(problem: str, hints: dict[str, Any]) -> str:
    """One sentence.

    Args:
        problem: as jsonargparse has it.
        hints: the type of each flag, by its name as Python has it.
    """
    problem = " ".join(problem.split())
    found = _of_a_value(problem, hints) or _of_a_file(problem, hints) or _of_a_word(problem, hints)
    return found or problem


def _of_a_value(problem: str, hints: dict[str, Any]) -> str | None:
    """One that is of another type, or not there."""
    wrong = re.match(r'Parser key "([\w.]+)".*?(?:Got value|Given value): (.*)$', problem)
    if wrong and wrong[1] in hints:
        return f"{_flag(wrong[1])} takes {_in_words(hints[wrong[1]])}, got {wrong[2]}."
    missing = re.match(r"the following arguments are required: (.*)$", problem)
    if missing:
        names = [_flag(name) if name in hints else name.upper() for name in missing[1].split(", ")]
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing; see --help."
    bare = re.match(r"argument --([\w.-]+): expected .*$", problem)
    if bare and bare[1].replace("-", "_") in hints:
        return f"--{bare[1]} takes {_in_words(hints[bare[1].replace('-', '_')])}, and fewer words follow it."
    return None


def _of_a_file(problem: str, hints: dict[str, Any]) -> str | None:
    """`--config`."""
    strange = re.match(r"Option '([\w.]+)' is not accepted", problem)
    if strange:
        near = get_close_matches(strange[1], hints, 2)
        said = f"is it {' or '.join(near)}?" if near else "see --help for what there is."
        return f"the file of --config has {strange[1]!r}, of which there is no flag here; {said}"
    if problem.startswith('Parser key "config"'):
        return f"--config takes a file of flags in YAML, and there is none at {problem.rpartition(': ')[2]}."
    if problem.startswith("Unexpected config"):
        return "the file of --config holds no flags by name; give one such as a run's config.yaml."
    return None


def _of_a_word(problem: str, hints: dict[str, Any]) -> str | None:
    """One that is unknown or too many."""
    unknown = re.match(r"[Uu]nrecognized arguments: (.*)$", problem)
    if not unknown:
        return None
    word = unknown[1].split()[0]
    if word.startswith("-"):
        near = get_close_matches(word.partition("=")[0], [_flag(name) for name in hints], 2)
        return f"there is no flag {word} here; " + (f"is it {' or '.join(near)}?" if near else "see --help.")
    on = "; a flag that is off by default is switched on by its name alone" if word in ("true", "false") else ""
    return f"{word!r} is a word too many{on}."


def _flag(name: str) -> str:
    return f"--{name}".replace("_", "-")


def _in_words(hint: Any) -> str:
    """What a flag of that type takes: `one of lars, sgd`, `2 values, each a finite number`, `text or null`."""
    kinds = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, kinds))}"
    if get_origin(hint) is tuple:
        of_any_length = kinds[1:] == (Ellipsis,)
        return f"{'one or more values' if of_any_length else f'{len(kinds)} values'}, each {_in_words(kinds[0])}"
    if type(None) in kinds:
        return " or ".join([*(_in_words(kind) for kind in kinds if kind is not type(None)), "null"])
    return {int: "a whole number", float: "a finite number", bool: "true or false"}.get(hint, "text")
