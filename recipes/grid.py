"""Recipes that list runs: every cell of a grid is a recipe of its own, with the axes' values filled in.

grid:
  first: [crop, blur]                        # ${first} in the recipe stands for the value
  loss:                                      # named sets of flags, laid over those under `pretrain`
    nt-xent: {objective: nt-xent}
    margin: {objective: margin-triplet, margin: 0.8}
"""

import re
from dataclasses import dataclass
from itertools import product
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One run of a recipe.

    Args:
        values: what each axis of the grid is here, as text; empty where the recipe has no grid.
        recipe: filled in.
    """

    values: dict[str, str]
    recipe: dict[str, Any]

    @property
    def name(self) -> str:
        """The values, to name a file."""
        return "-".join(re.sub(r"[^\w.=-]+", "_", value) for value in self.values.values())


def cells(recipe: dict[str, Any]) -> list[Cell]:
    """All cells, the last axis changing fastest; a recipe without a grid is its own one cell."""
    axes = recipe.get("grid", {})
    rest = {key: value for key, value in recipe.items() if key != "grid"}
    found = []
    for choice in product(*axes.values()):
        values = dict(zip(axes, choice, strict=True))
        made = filled(rest, {name: value for name, value in values.items() if isinstance(axes[name], list)})
        for name, value in values.items():
            if isinstance(axes[name], dict):
                made["pretrain"] = laid_over(made["pretrain"], axes[name][value])
        found.append(Cell({name: written(value) for name, value in values.items()}, made))
    return found


def filled(value: Any, names: dict[str, Any]) -> Any:
    """`value` with every `${name}` replaced, all the way down; text that is nothing but one keeps the value's type."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if not isinstance(value, str):
        return value
    for name, item in names.items():
        if value == f"${{{name}}}":
            return item
        value = value.replace(f"${{{name}}}", str(item))
    return value


def laid_over(flags: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`flags` with those of `more` in place of its own, groups such as `views` flag by flag."""
    made = dict(flags)
    for name, value in more.items():
        below = made.get(name)
        made[name] = laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return made


def written(value: Any) -> str:
    """A value as a person writes it: `true`, `0.5`, `crop`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
