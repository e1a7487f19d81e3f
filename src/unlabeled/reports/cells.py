"""What a value is written as in a table's cell."""

from typing import Any


def text(value: Any) -> str:
    """Numbers with four digits after the point, very small and large ones with a power; dicts and tuples in a line."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"
    if isinstance(value, dict):
        return "  ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
