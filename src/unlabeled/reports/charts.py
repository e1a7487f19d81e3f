"""Charts as inline SVG, readable without a script; page.js adds the readout that follows the pointer."""

import json
import math
from collections.abc import Sequence

from unlabeled.reports.markup import number, plain_name, shown
from unlabeled.reports.material import Row
from unlabeled.reports.words import words

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 8, 24


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) within low and high: as many as can be up to `most`."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{place * step:.12g}") for place in range(first, last + 1)]
    return [low, high]


def tick_text(value: float, step: float) -> str:
    """A tick with as many digits as its neighbours need: `0.5`, `1.0`, `2e-05`, `1,500`."""
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.3g}".replace("e-0", "e-").replace("-", "−")
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if 0 < step < 1 else 0
    return f"{value:,.{digits}f}".replace("-", "−")


class Scale:
    """A linear map from values to pixels: `low` lands on `start` and `high` on `stop`."""

    def __init__(self, low: float, high: float, start: float, stop: float) -> None:
        self.low, self.high, self.start, self.stop = low, high, start, stop

    def __call__(self, value: float) -> float:
        """The pixel of a value; the middle where all values are one."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.stop - self.start)


def line_chart(name: str, points: Sequence[tuple[float, float]]) -> str:
    """One figure over the steps of training.

    Args:
        name: of the figure, as metrics.jsonl has it.
        points: (step, value), steps rising; values that are not finite break the line.
    """
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    if not finite:
        return ""
    about, values = words(name), [value for _, value in finite]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) if high > low else max(abs(high), 1e-6) * 0.5
    across = Scale(points[0][0], points[-1][0], LEFT, WIDTH - RIGHT)
    up = Scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    said = (
        f"{about.title}: {number(values[0])} at step {finite[0][0]:,.0f}, {number(values[-1])} at step "
        f"{finite[-1][0]:,.0f}; lowest {number(low)}, highest {number(high)}."
    )
    hover = [[f"{step:,.0f}", number(v), round(across(step), 1), round(up(v), 1)] for step, v in finite]
    end = f'<circle class="end" cx="{across(finite[-1][0]):.1f}" cy="{up(values[-1]):.1f}" r="3"/>'
    return (
        f'<figure class="chart" data-points="{shown(json.dumps(hover, separators=(",", ":"), ensure_ascii=False))}">'
        f"<figcaption><strong>{shown(about.title)}</strong>"
        f"<output>{number(values[-1])}</output><small>{shown(about.unit)}</small></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{shown(said)}">'
        f'{_axes(across, up)}<path class="line" d="{_path(points, across, up)}"/>{end}'
        f'<g class="cursor"><line y1="{TOP}" y2="{HEIGHT - BOTTOM}"/><circle r="4"/></g></svg>'
        f"<p>{shown(about.meaning)}</p></figure>"
    )


def _path(points: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    """Move to the first point of every unbroken stretch and draw lines through the rest of it."""
    parts, drawing = [], False
    for step, value in points:
        if math.isfinite(value):
            parts.append(f"{'L' if drawing else 'M'}{across(step):.1f} {up(value):.1f}")
        drawing = math.isfinite(value)
    return "".join(parts)


def _axes(across: Scale, up: Scale) -> str:
    """Grid lines with the values at their left, and steps below."""
    parts = []
    heights = ticks(up.low, up.high)
    step = heights[1] - heights[0] if len(heights) > 1 else abs(heights[0])
    for value in heights:
        y = up(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="y" x="{LEFT - 7}" y="{y + 3.5:.1f}">{tick_text(value, step)}</text>')
    for value in (place for place in ticks(across.low, across.high) if float(place).is_integer()):
        x = across(value)
        parts.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 4}"/>'
        )
        parts.append(f'<text class="x" x="{min(x, WIDTH - 14):.1f}" y="{HEIGHT - 6}">{value:,.0f}</text>')
    y = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
    parts.append(f'<text class="name" x="{LEFT - 7}" y="{HEIGHT - 6}">step</text>')
    return "".join(parts)


def interval_chart(row: Row, rows: Sequence[Row], ours: bool) -> str:
    """One row of a comparison: its value as a dot and its interval as a line, on a scale that all `rows` share."""
    ends = [end for one in rows for end in (one.value, *(one.interval or ()))]
    scale = Scale(min(0.0, *ends), max(1.0, *ends), 4, 196)
    low, high = row.interval or (row.value, row.value)
    first = (
        "" if ours else f'<line class="ours" x1="{scale(rows[0].value):.1f}" x2="{scale(rows[0].value):.1f}" y2="20"/>'
    )
    said = f"{plain_name(row.name)} at {number(row.value)} of a scale from {number(scale.low)} to {number(scale.high)}"
    return (
        f'<svg class="interval{" first" if ours else ""}" viewBox="0 0 200 20" preserveAspectRatio="none" role="img" '
        f'aria-label="{said}"><line class="track" x1="4" x2="196" y1="10" y2="10"/>{first}'
        f'<line class="whisker" x1="{scale(low):.1f}" x2="{scale(high):.1f}" y1="10" y2="10"/>'
        f'<line class="dot" x1="{scale(row.value):.1f}" x2="{scale(row.value):.1f}" y1="10" y2="10"/></svg>'
    )
