"""Contact sheets: pictures in rows, each with two short lines below it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unlabeled.errors import Unreadable

SIDE = 128
"""Of a thumbnail, in pixels."""

_WIDEST = 8  # neighbours side by side; more go on below them, lines of equal length
_GAP, _MARGIN, _CAPTION = 10, 28, 44
_PAPER, _INK, _FAINT, _ACCENT, _RULE = "#fbfaf7", "#22242a", "#74777f", "#c2410c", "#e4e1da"


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Args:
        picture: uint8 (SIDE, SIDE, 3).
        heading: below it, for example its similarity.
        name: below that, in grey; cut in the middle where it is too long.
    """

    picture: np.ndarray
    heading: str
    name: str


@dataclass(frozen=True)
class Row:
    """A query, or none, and what was found for it, the nearest first."""

    query: Cell | None
    neighbours: list[Cell]


def contact_sheet(rows: list[Row], title: str, note: str = "") -> Image.Image:
    """Draw a sheet: the query framed at the left of its row, its neighbours after it, in lines of at most eight.

    Where no row has a query its place is left out.

    Args:
        rows: at least one.
        title: above all rows.
        note: one line in grey below the title.

    Returns:
        An RGB picture, as wide as its longest row and title.
    """
    most = max(1, max(len(row.neighbours) for row in rows))
    across = -(-most // -(-most // _WIDEST))
    title_font, note_font = _font(22), _font(14)
    framed = SIDE + 3 * _GAP if any(row.query for row in rows) else 0
    first = _MARGIN + framed  # where the neighbours begin
    width = max(
        first + across * (SIDE + _GAP) - _GAP + _MARGIN,
        2 * _MARGIN + round(max(title_font.getlength(_printable(title)), note_font.getlength(_printable(note)))),
    )
    lines = [max(1, -(-len(row.neighbours) // across)) for row in rows]
    step = SIDE + _CAPTION + _GAP
    top = _MARGIN + 30 + (24 if note else 0) + 14
    sheet = Image.new("RGB", (width, top + sum(lines) * step + (len(rows) - 1) * _GAP + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 4), _printable(title), _INK, title_font)
    draw.text((_MARGIN, _MARGIN + 28), _printable(note), _FAINT, note_font)
    for number, (row, count) in enumerate(zip(rows, lines, strict=True)):
        if number:
            draw.line((_MARGIN, top - _GAP, width - _MARGIN, top - _GAP), _RULE)
        if row.query is not None:
            _draw_cell(sheet, draw, row.query, _MARGIN, top, _ACCENT)
        for place, cell in enumerate(row.neighbours):
            line, column = divmod(place, across)
            _draw_cell(sheet, draw, cell, first + column * (SIDE + _GAP), top + line * step)
        top += count * step + _GAP
    return sheet


def cell_of(samples: Any, place: int, heading: str, thumbnail: Callable[[Any, int], np.ndarray]) -> Cell:
    """The cell of one sample; a grey square where its file has gone since its representation was kept.

    Args:
        samples: the data.
        place: of the sample.
        heading: below the picture.
        thumbnail: of the samples' modality.
    """
    try:
        picture = thumbnail(samples.read(place, SIDE), SIDE)
    except Unreadable:
        picture = np.full((SIDE, SIDE, 3), 200, np.uint8)
    return Cell(picture, heading, samples.names[place])


def shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """`text`, its middle replaced by an ellipsis where it is wider than `width` pixels; its end says most."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = kept * 2 // 5
        cut = f"{text[:head]}…{text[len(text) - (kept - head) :]}"
        if font.getlength(cut) <= width:
            return cut
    return "…"


def _draw_cell(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int, frame: str | None = None
) -> None:
    if frame:
        draw.rounded_rectangle((left - 4, top - 4, left + SIDE + 3, top + SIDE + 3), 4, frame)
    sheet.paste(Image.fromarray(cell.picture), (left, top))
    heading, name = _font(15), _font(12)
    draw.text((left, top + SIDE + 7), cell.heading, frame or _INK, heading)
    draw.text((left, top + SIDE + 26), shortened(_printable(cell.name), name, SIDE), _FAINT, name)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow, so that a sheet looks the same on every machine."""
    return ImageFont.load_default(size)


def _printable(text: str) -> str:
    """Names of files may hold bytes that are no text, and line breaks."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in whole)
