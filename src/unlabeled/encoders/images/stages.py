"""The feature maps inside a network, by name: what linear probes of every depth look at."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from unlabeled.errors import UserError

Pooling = Literal["average", "max"]


@dataclass(frozen=True)
class Stage:
    """A feature map on the way through a network.

    Args:
        name: of the stage.
        map: (B, C, h, w), after the last activation of the stage and before the pooling behind it.
        pooling: how the literature makes the maps of this network smaller before a linear probe.
    """

    name: str
    map: Tensor
    pooling: Pooling


def stages_of(network: nn.Module, run: Callable[[], Tensor]) -> list[Stage]:
    """The maps that pass while `run` sends a batch through `network`, first to last.

    A network of ours says which modules end its stages (`stage_paths`), and so do timm's
    (`feature_info`); of any other the last map of each resolution among its children is taken.

    Raises:
        UserError: nothing in the network is a feature map.
    """
    paths = _paths(network)
    seen: dict[str, Tensor] = {}
    hooks = [network.get_submodule(path).register_forward_hook(partial(_keep, seen, name)) for name, path in paths]
    try:
        output = run()
    finally:
        for hook in hooks:
            hook.remove()
    pooling: Pooling = getattr(network, "stage_pooling", "average")
    told = hasattr(network, "stage_paths") or hasattr(network, "feature_info")
    if not told:
        seen = _last_of_each_size(seen) if output.ndim == 4 else {}
    stages = [Stage(name, maps, pooling) for name, maps in seen.items()]
    # tokens are (B, T, D), and some transformers have (B, h, w, C); views are square
    if not stages or any(stage.map.ndim != 4 or stage.map.shape[2] != stage.map.shape[3] for stage in stages):
        raise UserError(
            "this encoder has no feature maps to look at on the way; choose one of convolutions, such as resnet18."
        )
    return stages


def _paths(network: nn.Module) -> list[tuple[str, str]]:
    """Stage to the module whose output it is."""
    if hasattr(network, "stage_paths"):
        paths: dict[str, str] = dict(network.stage_paths)  # type: ignore[arg-type]
        return list(paths.items())
    if hasattr(network, "feature_info"):  # a list of dictionaries, or timm's FeatureInfo
        info: Any = network.feature_info
        return [(each["module"], each["module"]) for each in getattr(info, "info", info)]
    return [(f"layer{key}" if key.isdigit() else key, key) for key, _ in network.named_children()]


def _keep(seen: dict[str, Tensor], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    seen[name] = output


def _last_of_each_size(seen: dict[str, Tensor]) -> dict[str, Tensor]:
    maps = {name: output for name, output in seen.items() if isinstance(output, Tensor) and output.ndim == 4}
    by_size = {output.shape[2:]: name for name, output in maps.items()}
    return {name: maps[name] for name in by_size.values()}
