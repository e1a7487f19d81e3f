"""The section of a stream: what caused each component, what it generates, and what was forgotten."""

import math
from collections.abc import Sequence

import numpy as np

from unlabeled.reports.heat_map import cell
from unlabeled.reports.markup import counted, number, percent, shown
from unlabeled.reports.material import Component, Stream
from unlabeled.reports.pictures import data_uri, jpeg
from unlabeled.reports.sections import note, section

SIDE = 40
"""Of a picture in a strip, in pixels, at least."""
ABREAST, PAPER = 8, 225
"""Pictures in a line of a strip, and the grey between them."""
CELL, LINE, LEFT, TOP = 46, 26, 76, 30
"""Sizes of the map of accuracies."""
SHORT, LONG, ASLANT = 6, 20, 100
"""Letters of a name that stand upright, and that are shown at most; the height that names need aslant."""
TURN = 0.6
"""How full a cell is from which on its number is in the other ink."""


def strip(pictures: np.ndarray) -> bytes:
    """Pictures in lines of eight, enlarged to be seen: uint8 (n, C, S, S), C of 1 or 3, to a JPEG."""
    factor = max(1, -(-SIDE // pictures.shape[3]))
    large = pictures.repeat(factor, 2).repeat(factor, 3).transpose(0, 2, 3, 1)  # (n, H, W, C)
    framed = np.pad(large, ((0, -len(large) % ABREAST), (0, 2), (0, 2), (0, 0)), constant_values=PAPER)
    _, height, width, channels = framed.shape
    lines = framed.reshape(-1, ABREAST, height, width, channels).swapaxes(1, 2).reshape(-1, ABREAST * width, channels)
    return jpeg(np.ascontiguousarray(np.broadcast_to(lines, (*lines.shape[:2], 3))))


def stream(material: Stream | None) -> str:
    """Components with their causes and samples, and accuracy per class over time; nothing where there are none."""
    if material is None:
        return ""
    how = (
        f"<p>The mixture has {counted(len(material.components), 'component', 'components')}. Beside each that was "
        "added the samples that no component explained, the last of them, and what it generates now.</p>"
    )
    rows = "".join(map(_row, material.components))
    table = (
        '<div class="scroll"><table class="components"><thead><tr><th scope="col">component</th>'
        '<th scope="col">added because of</th><th scope="col">generates</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    return section("stream", "Components and what they remember", how + table + _over_time(material))


def _row(component: Component) -> str:
    birth = component.birth
    if birth is None:
        told, causes = "there from the start", ""
    else:
        told = (
            f"step {birth['step']:,.0f}, from {birth['source']:.0f} ({percent(birth['share'])} of them); "
            f"{counted(int(birth['poor']), 'poor sample', 'poor samples')} of {number(birth['bound'])} nats"
        )
        causes = "" if component.causes is None else _image(component.causes, f"causes of component {component.number}")
    return (
        f'<tr><th scope="row">{component.number}<small>{told}</small></th><td>{causes}</td>'
        f"<td>{_image(component.generated, f'samples of component {component.number}')}</td></tr>"
    )


def _image(content: bytes, about: str) -> str:
    return f'<img class="strip" src="{data_uri(content)}" alt="{shown(about)}">'


def _over_time(material: Stream) -> str:
    if not material.per_class:
        return note("How each class fared over time is not known yet; find out with: unlabeled evaluate stream RUN.")
    how = (
        "<h3>Accuracy of each class over time</h3><p>Of its test samples, the share in components that are named after "
        "it. A row is a time, the first at the top; a column that turns pale is forgotten.</p>"
    )
    return f'{how}<div class="scroll">{accuracies(material.steps, material.classes, material.per_class)}</div>'


def accuracies(steps: Sequence[int], classes: Sequence[str], values: Sequence[Sequence[float | None]]) -> str:
    """Shares as a map that page.css colours: the fuller a cell, the larger its share, in percent.

    Args:
        steps: of the rows, the first at the top.
        classes: of the columns; their names stand aslant where one is long.
        values: within [0, 1]; None or nan where a class has no sample.
    """
    aslant = any(len(name) > SHORT for name in classes)
    top = TOP + ASLANT * aslant
    wide, tall = LEFT + CELL * len(classes) + ASLANT * aslant + 4, top + LINE * len(steps) + 4
    parts = [f'<text class="side" x="{LEFT - 10}" y="{top - 10}">step</text>']
    for place, name in enumerate(classes):
        x, y = LEFT + CELL * (place + 0.5), top - 10
        turned = f' class="aslant" transform="rotate(-40 {x:.0f} {y})"' if aslant else ""
        said = name if len(name) <= LONG else f"{name[: LONG - 9]}…{name[-8:]}"
        parts.append(f'<text{turned} x="{x:.0f}" y="{y}">{shown(said)}<title>{shown(name)}</title></text>')
    for line, (step, row) in enumerate(zip(steps, values, strict=True)):
        y = top + LINE * line
        parts.append(f'<text class="side" x="{LEFT - 10}" y="{y + 18}">{step:,}</text>')
        parts += [_cell(value, LEFT + CELL * place, y) for place, value in enumerate(row)]
    last = ", ".join(f"{name} {_percent(value)}" for name, value in zip(classes, values[-1], strict=True))
    about = f"Accuracy per class over {len(steps)} times; at the end: {last}"
    return (
        f'<svg class="accuracies" viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}" role="img" '
        f'aria-label="{shown(about)}">{"".join(parts)}</svg>'
    )


def _cell(value: float | None, x: int, y: int) -> str:
    if value is None or math.isnan(value):
        return cell(None, "", x, y, (CELL, LINE), TURN)
    return cell(0.05 + 0.95 * value, f"{100 * value:.0f}", x, y, (CELL, LINE), TURN)


def _percent(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{100 * value:.0f} %"
