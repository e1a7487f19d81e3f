"""A matrix of numbers as a picture of its own: SVG that follows the light or dark scheme of whoever looks."""

from collections.abc import Sequence

from unlabeled.reports.markup import shown

CELL, LINE = 58, 34
"""Width and height of a cell in pixels."""
LETTER = 7.2
"""Width that is kept for a letter of a label."""

TURN = 0.66
"""How full a cell is from which on its number is in the other ink; with these colours no contrast is below 4.4."""

STYLE = """
svg{--surface:#fff;--ink:#000;--quiet:#59636e;--full:#0f3170;--over:#fff;font:13px system-ui,sans-serif}
@media(prefers-color-scheme:dark){svg{--surface:#15181d;--ink:#fff;--quiet:#a0a8b3;--full:#7ea6ea;--over:#000}}
.back{fill:var(--surface)} text{fill:var(--ink);text-anchor:middle} .row{text-anchor:end} .axis{fill:var(--quiet)}
.cell{fill:var(--full)} .over{fill:var(--over)} .none{fill:none;stroke:var(--quiet);stroke-dasharray:2 3}
"""


def heat_map(
    about: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    axes: Sequence[str] = ("", ""),
) -> str:
    """The fuller a cell, the larger its number, which stands in it; the mean of each row beside it.

    Args:
        about: what a reader who cannot see is told.
        rows: names, from the top.
        columns: names, from the left.
        values: a number for each row and column, None where there is none.
        axes: what rows and columns are.

    Returns:
        A whole SVG document.
    """
    known = [value for row in values for value in row if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    left = 24 + LETTER * max([len(name) for name in (*rows, axes[0])], default=0)
    top, wide = 60, left + CELL * (len(columns) + 1) + 16
    parts = [f'<text class="axis row" x="{left - 10:.0f}" y="{top - 12}">{shown(axes[0])}</text>']
    parts.append(f'<text class="axis" x="{left + CELL * len(columns) / 2:.0f}" y="22">{shown(axes[1])}</text>')
    for place, name in enumerate((*columns, "mean")):
        kind = ' class="axis"' if place == len(columns) else ""
        parts.append(f'<text{kind} x="{left + CELL * (place + 0.5):.0f}" y="{top - 12}">{shown(name)}</text>')
    for line, (name, row) in enumerate(zip(rows, values, strict=True)):
        y = top + LINE * line
        parts.append(f'<text class="row" x="{left - 10:.0f}" y="{y + 22}">{shown(name)}</text>')
        parts += [_cell(value, low, high, left + CELL * place, y) for place, value in enumerate(row)]
        there = [value for value in row if value is not None]
        mean = f"{sum(there) / len(there):.1f}" if there else ""
        parts.append(f'<text class="axis" x="{left + CELL * (len(columns) + 0.5):.0f}" y="{y + 22}">{mean}</text>')
    tall = top + LINE * len(rows) + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {tall}" width="{wide:.0f}" height="{tall}" '
        f'role="img" aria-label="{shown(about)}"><style>{STYLE}</style>'
        f'<rect class="back" width="100%" height="100%" rx="8"/>{"".join(parts)}</svg>\n'
    )


def _cell(value: float | None, low: float, high: float, x: float, y: float) -> str:
    """A cell as full as its value."""
    if value is None:
        return cell(None, "", x, y, (CELL, LINE), TURN)
    share = (value - low) / (high - low) if high > low else 0.5
    return cell(0.06 + 0.94 * share, f"{value:.1f}", x, y, (CELL, LINE), TURN)


def cell(full: float | None, text: str, x: float, y: float, size: tuple[int, int], turn: float) -> str:
    """A rectangle, and what stands in it in ink that can be read on it: SVG.

    Args:
        full: its opacity, 0 to 1; None where nothing is known.
        text: in its middle.
        x: of its left side.
        y: of its top.
        size: width and height.
        turn: opacity from which on the ink is the other one.
    """
    wide, tall = size
    place = f'x="{x + 1:.0f}" y="{y + 1}" width="{wide - 2}" height="{tall - 2}" rx="3"'
    if full is None:
        return f'<rect class="none" {place}/>'
    ink = ' class="over"' if full > turn else ""
    return (
        f'<rect class="cell" {place} fill-opacity="{full:.2f}"/>'
        f'<text{ink} x="{x + wide / 2:.0f}" y="{y + tall / 2 + 5:.0f}">{text}</text>'
    )
