"""Text and numbers as they may stand in HTML: escaped, and in the form that people read."""

import html
import json
import math
from typing import Any


def shown(value: object) -> str:
    """Any value as escaped text; control characters and broken Unicode are written as escapes."""
    text = str(value)
    return html.escape(text if text.isprintable() else repr(text)[1:-1])


def script_data(value: Any) -> str:
    """A value as JSON that may stand in a `<script type="application/json">`: nothing in it can end the element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def number(value: float | None) -> str:
    """Three or four digits that tell: `12,345`, `83.99`, `0.2116`, `2.2e-07`; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1000 or float(value).is_integer():
        text = f"{value:,.0f}"
    elif size >= 1:
        text = f"{value:.4g}"
    else:
        text = f"{value:.4f}" if size >= 0.001 else f"{value:.1e}"
    return text.replace("-", "−") if "e" not in text else text.replace("-", "−", 1 if value < 0 else 0)


def percent(share: float) -> str:
    """`0.766` to `76.6 %`, the space one that does not break."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def counted(count: int, one: str, many: str) -> str:
    """`1 step`, `1,234 steps`."""
    return f"{count:,} {one if count == 1 else many}"


def plain_name(name: str) -> str:
    """`random_encoder` to `random encoder`, escaped."""
    return shown(name.replace("_", " "))
