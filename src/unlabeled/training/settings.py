"""What decides a run's result, what does not, and how defaults are written out."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Real
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from unlabeled.data.streams import OrderName
from unlabeled.errors import UserError
from unlabeled.run import Run
from unlabeled.training.tensorboard import require

T = TypeVar("T")

PRECISIONS = ("32-true", "64-true", "bf16-mixed")
"""What Fabric calls them; float16 is not among them, because its loss scaling would be more state to resume."""
MEMORY = "(in memory)"
"""What the settings say of data that was handed over in Python."""

OWN_LABELS = "--labels are of --data, and the built-in sample has labels of its own; give both, or leave them out."


@dataclass(frozen=True)
class Settings:
    """What decides a run's result, by the names of the flags; `config.yaml` holds exactly these.

    Fields are described in `unlabeled.commands.pretrain.pretrain`. `arguments` are the method's own.
    """

    method: str
    data: str | None = None
    labels: str | None = None
    epochs: int = 100
    max_steps: int | None = None
    batch_size: int = 256
    accumulate: int = 1
    image_size: int | None = None
    encoder: str | None = None
    init: str | None = None
    seed: int = 0
    precision: str = "32-true"
    order: OrderName = "shuffled"
    classes_at_once: int = 1
    shuffle_classes: bool = False
    keep: int | None = None
    views: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """As `config.yaml` has it: the method's arguments stand beside the others, as their flags do."""
        config = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "arguments"}
        values: dict[str, Any] = plain_values(config | self.arguments)
        return values

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Settings":
        """From what `config.yaml` holds."""
        known = {f.name for f in fields(cls)} - {"arguments"}
        arguments = {name: value for name, value in config.items() if name not in known}
        return cls(**{name: value for name, value in config.items() if name in known}, arguments=arguments)

    def resumed(self, run: Run) -> "Settings":
        """The settings of a run that goes on; what was left at its default here gives way to what the run has.

        Raises:
            UserError: a setting was asked for that the run does not have.
        """
        config, default = run.config(), Settings(self.method).config()
        if self.method != config["method"]:
            raise UserError(f"{run.path} is a run of {config['method']}, not {self.method}; resume it as that.")
        for name, value in self.config().items():
            had = config.get(name)
            same = value == had or (isinstance(value, dict) and isinstance(had, dict) and value.items() <= had.items())
            if not same and value != default.get(name):
                raise UserError(
                    f"{run.path} was made with {name} {had!r}, not {value!r}; resume it as it is, or start a new run "
                    f"from its weights with --init."
                )
        return Settings.of(config)


@dataclass(frozen=True)
class Execution:
    """How a run is executed, which does not change its result, but for rounding.

    `compile` is here as `devices` is: the sums are the same ones in another order, and a run may go on
    where there is no compiler.
    """

    devices: int = 1
    num_nodes: int = 1
    workers: int | None = None
    max_time: float | None = None
    checkpoint_seconds: float = 60.0
    compile: bool = False
    tensorboard: bool = False


def check(settings: Settings, execution: Execution) -> None:
    """Refuse numbers outside their range, before anything is opened.

    Raises:
        UserError: the first that is.
    """
    if settings.precision not in PRECISIONS:
        raise UserError(f"--precision takes one of {', '.join(PRECISIONS)}, got {settings.precision!r}.")
    if settings.order not in get_args(OrderName):
        raise UserError(f"--order takes one of {', '.join(get_args(OrderName))}, got {settings.order!r}.")
    least = {
        "epochs": (settings.epochs, 1),
        "max-steps": (settings.max_steps, 1),
        "batch-size": (settings.batch_size, 2),
        "accumulate": (settings.accumulate, 1),
        "image-size": (settings.image_size, 8),
        "seed": (settings.seed, 0),
        "classes-at-once": (settings.classes_at_once, 1),
        "keep": (settings.keep, 0),
        "devices": (execution.devices, 1),
        "num-nodes": (execution.num_nodes, 1),
        "workers": (execution.workers, 0),
        "max-time": (execution.max_time, 0),
        "checkpoint-seconds": (execution.checkpoint_seconds, 0),
    }
    for name, (value, low) in least.items():
        if value is not None and not (isinstance(value, Real) and value >= low):
            raise UserError(f"--{name} takes a number of at least {low}, got {value!r}.")
    if settings.order == "shuffled" and settings.shuffle_classes:
        raise UserError("--shuffle-classes is of a stream by class; add --order by-class or drift, or leave it out.")
    processes = execution.devices * execution.num_nodes
    if settings.batch_size % processes:
        raise UserError(
            f"--batch-size {settings.batch_size} cannot be shared equally by {processes} processes; "
            f"take a multiple of {processes}."
        )
    if settings.batch_size % (processes * settings.accumulate):
        raise UserError(
            f"--batch-size {settings.batch_size} cannot be made in {settings.accumulate} equal parts by {processes} "
            f"{'process' if processes == 1 else 'processes'}; take a multiple of {processes * settings.accumulate}."
        )
    if settings.batch_size < 2 * settings.accumulate:
        raise UserError(
            f"--batch-size {settings.batch_size} in {settings.accumulate} parts leaves one sample a part, which has "
            "nothing to be compared with; lower --accumulate."
        )
    if execution.tensorboard:
        require()


def completed(function: Callable[..., Any], prefix: str, given: dict[str, Any], *ours: str) -> dict[str, Any]:
    """`given` with the defaults of `function` beside it, but for the arguments that are `ours` to set.

    Raises:
        UserError: an argument that `function` does not have, a number that is none, or a choice that there is not.
    """
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    parameters = inspect.signature(function).parameters
    options = {name: p.default for name, p in parameters.items() if name not in ours}
    for name, value in given.items():
        if name not in options:
            have = ", ".join(flag(prefix, option) for option in options) or "none"
            raise UserError(f"there is no {flag(prefix, name)} here; there are: {have}.")
        for each in value if isinstance(value, list | tuple) else [value]:
            _check_one(flag(prefix, name), each, _choices(hints.get(name)))
    return options | given


def _check_one(flag: str, value: Any, choices: tuple[Any, ...]) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{flag} takes finite numbers, got {value}.")
    if choices and value is not None and value not in choices:
        raise UserError(f"{flag} takes one of {', '.join(map(str, choices))}, got {value!r}.")


def _choices(hint: Any) -> tuple[Any, ...]:
    """The values that a parameter of that type, or each of its values, is one of; none where it takes others."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for each in get_args(hint) for choice in _choices(each))


def flag(prefix: str, name: str) -> str:
    """`views.`, `color_strength` to `--views.color-strength`."""
    return prefix + name.replace("_", "-")


def called(function: Callable[..., T], prefix: str, given: dict[str, Any], **ours: Any) -> T:
    """`function(**given, **ours)`, a number outside its range told as the user's mistake.

    Raises:
        UserError: what the function's ValueError says.
    """
    try:
        return function(**given, **ours)
    except ValueError as problem:
        raise UserError(f"{problem} (see {'' if prefix == '--' else f'{prefix}... in '}--help).") from None


def plain_values(value: Any) -> Any:
    """Tuples to lists and paths to text, all the way down: what YAML and JSON hold."""
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return str(value) if isinstance(value, Path) else value
