"""From the words of a command line to the call of a verb: signatures are flags, docstrings are help."""

import argparse
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import docstring_parser
import jsonargparse
import yaml

from unlabeled import methods
from unlabeled.data.source import recognise
from unlabeled.errors import UserError
from unlabeled.wrong_words import told


class Help(jsonargparse.DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Types and defaults beside each flag, the description's lines as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)  # type: ignore[no-untyped-call]


class Parser(jsonargparse.ArgumentParser):
    """Typed flags and YAML from functions' signatures.

    Args:
        program: the words before the flags.
        description: above the flags.
        words: to be parsed.
    """

    def __init__(self, program: str, description: str, words: Sequence[str]) -> None:
        super().__init__(
            prog=program,
            description=description,
            exit_on_error=False,
            formatter_class=Help,
            usage=f"{program} [flags]",
            add_help=False,
        )
        self.words = list(words)
        self.hints: dict[str, Any] = {}

    @staticmethod
    def helps(function: Callable[..., Any]) -> dict[str, str]:
        """What a docstring says of each argument."""
        params = docstring_parser.parse(function.__doc__ or "").params
        return {each.arg_name: " ".join((each.description or "").split()) for each in params}

    def add_function(self, function: Callable[..., Any], skip: Sequence[str], title: str, prefix: str = "") -> None:
        """A flag for each argument of `function` but those to skip."""
        group = self.add_argument_group(title)
        helps = self.helps(function)
        target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
        hints = get_type_hints(target)
        for name, parameter in inspect.signature(function).parameters.items():
            if name in skip or parameter.kind is parameter.VAR_KEYWORD:
                continue
            flag = f"--{prefix}{name}".replace("_", "-")
            self.hints[f"{prefix}{name}"] = hints[name]
            options: dict[str, Any] = {"help": helps.get(name)}
            if parameter.default is parameter.empty:
                options["required"] = True
            if parameter.default is False:
                group.add_argument(flag, action="store_true", default=False, **options)
            elif get_origin(hints[name]) is tuple:  # of any length: --k 1 5 10; of two: --views.crop-area 0.2 1
                kind, *rest = get_args(hints[name])
                count = "+" if rest == [Ellipsis] else 1 + len(rest)
                group.add_argument(flag, nargs=count, type=kind, default=list(parameter.default), **options)
            else:
                default = None if parameter.default is parameter.empty else parameter.default
                group.add_argument(flag, type=_typed(hints[name]), default=default, **options)


def _typed(hint: Any) -> Any:
    """A parameter's type on the command line, where data and paths are text."""
    if hint is Any or any(each is PathLike or getattr(each, "__origin__", None) is PathLike for each in get_args(hint)):
        return str | None
    return hint


def parse(verb: str, words: Sequence[str]) -> Any:
    """Call `verb` with what the words say; print help and return None where it is asked for.

    Raises:
        UserError: a word too many or missing, a flag that there is not, a value of another type, or the verb's own.
    """
    wants_help = bool({"-h", "--help"} & set(words)) or not (words or verb == "methods")
    call, parser = BUILDERS.get(verb, _plain)(verb, [word for word in words if word not in ("-h", "--help")])
    if wants_help:
        print(parser.format_help(), end="")
        return None
    try:
        options = asked(parser.parse_args(parser.words).as_dict(), parser.get_defaults().as_dict())
    except argparse.ArgumentError as problem:
        raise UserError(told(str(problem), parser.hints)) from None
    options.pop("config", None)
    if "TORCHELASTIC_RUN_ID" in os.environ and verb != "pretrain":  # which has Fabric join the others itself
        from unlabeled.training.launching import join

        join(options.get("devices") or 1)
    many = [each.name for each in inspect.signature(call).parameters.values() if each.kind is each.VAR_POSITIONAL]
    several = [value for name in many for value in options.pop(name)]  # of `*runs`
    return call(*several, **options)


def asked(options: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The options that are not at their defaults, all the way down: a resumed run has its own in their place."""
    found = {}
    for name, value in options.items():
        default = defaults.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            value, default = asked(value, default), {}
        if value != default:
            found[name] = value
    return found


def _plain(verb: str, words: list[str]) -> tuple[Callable[..., Any], Parser]:
    """A verb that is one function."""
    function = getattr(import_module(f"unlabeled.commands.{verb}"), verb)
    return function, _parser_of(function, f"unlabeled {verb}", words)


def _evaluate(verb: str, words: list[str]) -> tuple[Callable[..., Any], Parser]:
    """`evaluate PROTOCOL RUN`: each protocol is a function."""
    from unlabeled.commands.evaluate import PROTOCOLS

    if not words or words[0].startswith("-"):
        lines = "\n".join(f"  {name:<10} {_description(each).splitlines()[0]}" for name, each in PROTOCOLS.items())
        text = "Evaluate a run.\n\nExample: unlabeled evaluate knn runs/photos\n\nprotocols:\n" + lines
        return _needs("evaluate", "PROTOCOL", PROTOCOLS), Parser("unlabeled evaluate PROTOCOL RUN", text, words)
    protocol, *rest = words
    if protocol not in PROTOCOLS:
        raise UserError(f"no protocol is called {protocol!r}; the protocols are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[protocol], _parser_of(PROTOCOLS[protocol], f"unlabeled evaluate {protocol}", rest)


def _pretrain(verb: str, words: list[str]) -> tuple[Callable[..., Any], Parser]:
    """`pretrain METHOD`: the common flags, and those of the method, of its views and of its encoder."""
    from unlabeled.commands.pretrain import pretrain

    named = bool(words) and not words[0].startswith("-")
    config = _config(words)
    method, rest = (words[0], words[1:]) if named else (config.get("method"), words)
    if method != config.get("method", method):
        raise UserError(f"--config is of the method {config['method']}, and the command of {method}; take one of them.")
    rest = _config_first(rest)
    lines = "\n".join(f"  {name:<12} {methods.summary(name)}" for name in methods.names())
    description = f"{_description(pretrain)}\n\nmethods (their own flags: unlabeled pretrain NAME --help):\n{lines}"
    parser = Parser(f"unlabeled pretrain {method or 'METHOD'}", description, rest)
    parser.add_function(pretrain, ("method", "views", "network", "arguments"), "flags of every method")
    parser.add_argument("--config", action="config", help="a YAML file of flags, such as a run's config.yaml")
    if method is None:
        return _needs("pretrain", "METHOD", methods.names()), parser
    parser.add_argument("--method", type=str, help=argparse.SUPPRESS)  # what a recipe says
    found = methods.find(method)
    from unlabeled.modalities import modality

    name = _modality_of(rest, config, found)
    kind = modality(name)
    preset = getattr(found, "views", {}).get(name, kind.views)
    parser.add_function(found, ("encoder",), f"{found.__name__}: its own flags")
    parser.add_function(kind.open, list(inspect.signature(kind.open).parameters)[:2], "its data")
    parser.add_function(preset, ("size",), "its views", "views.")
    parser.add_function(kind.encoder, ("name", "image_size", "form"), "its encoder", "network.")
    return partial(pretrain, method=method), parser


BUILDERS: dict[str, Callable[[str, list[str]], tuple[Callable[..., Any], Parser]]] = {
    "pretrain": _pretrain,
    "evaluate": _evaluate,
}


def _parser_of(function: Callable[..., Any], program: str, words: list[str]) -> Parser:
    places = [p for p in inspect.signature(function).parameters.values() if _stands_alone(p)]
    shown = [p.name.upper() + ("..." if p.kind is p.VAR_POSITIONAL else "") for p in places]
    parser = Parser(f"{program} {' '.join(shown)}".rstrip(), _description(function), words)
    for place in places:
        many: dict[str, Any] = {"nargs": "+"} if place.kind is place.VAR_POSITIONAL else {}
        parser.add_argument(place.name, type=str, help=parser.helps(function).get(place.name), **many)
    parser.add_function(function, [place.name for place in places], "flags")
    return parser


def _stands_alone(parameter: inspect.Parameter) -> bool:
    """Arguments without a default that need no name, and any number of them (`*runs`)."""
    places = parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL
    return parameter.kind in places and parameter.default is parameter.empty


def _description(function: Callable[..., Any]) -> str:
    """A docstring up to its arguments."""
    return inspect.cleandoc(function.__doc__ or "").partition("\nArgs:")[0].strip()


def _needs(verb: str, what: str, names: Iterable[str]) -> Callable[..., Any]:
    def complain(**options: Any) -> None:
        raise UserError(f"unlabeled {verb} needs a {what} as its next word: {', '.join(names)}.")

    return complain


def _value(words: Sequence[str], flag: str) -> str | None:
    """The text after a flag, or None."""
    for place, word in enumerate(words):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
        if word == flag and place + 1 < len(words):
            return words[place + 1]
    return None


def _config(words: Sequence[str]) -> dict[str, Any]:
    """What the `--config` file holds: its `method` lets a recipe be run by that flag alone.

    Raises:
        UserError: it is no text, or no YAML.
    """
    path = _value(words, "--config")
    if path is None or not Path(path).is_file():
        return {}
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read as YAML; give a file of flags, such as a run's config.yaml.") from None
    return config if isinstance(config, dict) else {}


def _config_first(words: list[str]) -> list[str]:
    """`--config` before all other flags, so that these win wherever they stand."""
    for place, word in enumerate(words):
        if word == "--config" or word.startswith("--config="):
            end = place + 1 + (word == "--config")
            return [*words[place:end], *words[:place], *words[end:]]
    return words


def _modality_of(words: Sequence[str], config: dict[str, Any], method: type) -> str:
    """That of the data: of `--data`, of the file of flags, or of the run that is to go on."""
    from unlabeled.training.settings import MEMORY

    path, out = _value(words, "--data") or config.get("data"), _value(words, "--out")
    if path is None and "--resume" in words and out is not None:
        path = _config(["--config", str(Path(out) / "config.yaml")]).get("data")
    return methods.looks_at(method)[0] if path in (None, MEMORY) else recognise(path)
