"""The sections made of samples themselves: the map, neighbours, views."""

import numpy as np

from unlabeled.reports.markup import counted, percent, plain_name, script_data, shown
from unlabeled.reports.material import Map, Query, Seen, Shown, Viewed
from unlabeled.reports.pictures import data_uri
from unlabeled.reports.sections import note, section

COLOURS = 10
"""Classes with a colour of their own: the largest ones."""
LEGEND = 60
"""Classes that the legend names."""
SHORT = 12
"""Letters of a name that stands under a neighbour without a class; that of a picture file is longer, and says less."""
GRID = 4095  # places along an axis of the map: finer than any screen


def plane(seen: Seen | str) -> str:
    """The map, drawn by page.js."""
    title = "Map of the embeddings"
    if isinstance(seen, str):
        return section("map", title, note(seen))
    if seen.plane is None:
        return section("map", title, note("Fewer than two samples could be embedded, which makes no map."))
    drawn = seen.plane
    names = f"Map of {counted(len(drawn.names), 'sample', 'samples')}; arrow keys go from sample to sample"
    legend = _legend(drawn)
    return section(
        "map",
        title,
        f"{_how(seen, drawn)}"
        '<noscript><p class="note">The map is drawn by a script, and scripts are off here.</p></noscript>'
        f'<div class="map"><div class="stage"><canvas id="plane" tabindex="0" role="img" aria-label="{names}" '
        'aria-describedby="map-help"></canvas>'
        '<div class="tip" id="tip" hidden><canvas></canvas><b></b><span></span></div></div>'
        '<div class="aside"><div class="switch" role="group" aria-label="What the map shows">'
        '<button type="button" id="dots" aria-pressed="true">Dots</button>'
        '<button type="button" id="pictures" aria-pressed="false">Pictures</button></div>'
        f'{legend}<p id="map-help" class="quiet">Point at a sample or tap it to see it. '
        "With the keyboard: focus the map, then the arrow keys.</p>"
        '<p id="map-live" class="unseen" aria-live="polite"></p></div></div>'
        f'<img id="map-sheet" hidden alt="" src="{data_uri(drawn.sheet.content)}">'
        f'<script type="application/json" id="map-data">{script_data(_data(drawn))}</script>',
    )


def _how(seen: Seen, drawn: Map) -> str:
    of = f" of {seen.samples:,}, drawn by the run's seed," if seen.drawn < seen.samples else ""
    lost = f" {counted(seen.unreadable, 'sample', 'samples')} could not be embedded." if seen.unreadable else ""
    if drawn.how == "t-SNE":
        how = (
            f"arranged by t-SNE from the {percent(drawn.explained)} of their variance that the largest principal "
            "components hold. Who is whose neighbour tells something; distances between far groups, and the size of a "
            "group, mean little."
        )
    else:
        how = f"on their two largest principal components, which hold {percent(drawn.explained)} of the variance."
    colour = "Colours are classes." if drawn.classes else "Without labels all have one colour."
    return f"<p>{counted(len(drawn.names), 'sample', 'samples')}{of} {how} {colour}{lost}</p>"


def slots(drawn: Map) -> list[int]:
    """For each class the number of its colour; the largest classes have one, all others share the last."""
    sizes = np.bincount(drawn.labels[drawn.labels >= 0], minlength=len(drawn.classes))
    largest = sorted(np.argsort(-sizes, kind="stable")[:COLOURS].tolist())
    place = {label: slot for slot, label in enumerate(largest)}
    return [place.get(label, COLOURS) for label in range(len(drawn.classes))]


def _legend(drawn: Map) -> str:
    if not drawn.classes:
        return ""
    sizes = np.bincount(drawn.labels[drawn.labels >= 0], minlength=len(drawn.classes))
    colours, present = slots(drawn), np.flatnonzero(sizes)
    buttons = "".join(
        f'<button type="button" data-class="{label}" aria-pressed="false"><i class="c{colours[label]}"></i>'
        f"<span>{plain_name(drawn.classes[label])}</span><small>{sizes[label]:,}</small></button>"
        for label in present[:LEGEND].tolist()
    )
    rest = len(present) - LEGEND
    more = f'<p class="quiet">and {counted(rest, "class", "classes")} more</p>' if rest > 0 else ""
    unknown = int((drawn.labels < 0).sum())
    more += f'<p class="quiet">{counted(unknown, "sample", "samples")} without a class, in grey</p>' if unknown else ""
    return f'<div class="legend" role="group" aria-label="Show one class alone">{buttons}</div>{more}'


def _data(drawn: Map) -> dict[str, object]:
    """What page.js draws from."""
    places = np.rint(drawn.points * GRID).astype(int)
    return {
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "label": drawn.labels.tolist(),
        "name": [name if name.isprintable() else repr(name)[1:-1] for name in drawn.names],
        "classes": [name if name.isprintable() else repr(name)[1:-1] for name in drawn.classes],
        "slot": slots(drawn),
        "grid": GRID,
        "side": drawn.sheet.side,
        "columns": drawn.sheet.columns,
    }


def neighbours(seen: Seen | str) -> str:
    """Samples and their nearest."""
    title = "Nearest neighbours"
    if isinstance(seen, str):
        return section("neighbours", title, note(seen))
    if not seen.queries:
        return section("neighbours", title, note("Fewer than two samples could be embedded, so none has a neighbour."))
    of = f" of the {seen.drawn:,} drawn" if seen.drawn < seen.samples else ""
    known = any(query.sample.label is not None for query in seen.queries)
    marks = " A neighbour of another class is dimmed and marked with a cross." if known else ""
    how = (
        f"<p>{counted(len(seen.queries), 'sample', 'samples')} spread over the data, each with its nearest among all "
        f"others{of}, by the cosine of their embeddings.{marks}{f' {seen.shows}' if seen.shows else ''}</p>"
    )
    return section("neighbours", title, f'{how}<div class="queries">{"".join(map(_query, seen.queries))}</div>')


def _query(query: Query) -> str:
    own = query.sample.label
    judged = [one.label == own for one, _ in query.neighbours if own is not None and one.label is not None]
    told = f'<span class="score">{sum(judged)} of {len(judged)} of its class</span>' if judged else ""
    cells = "".join(_neighbour(one, cosine, own) for one, cosine in query.neighbours)
    return (
        f'<div class="query"><figure class="own">{_picture(query.sample)}<figcaption>{_name(query.sample)}{told}'
        f"</figcaption></figure><ol>{cells}</ol></div>"
    )


def _neighbour(one: Shown, cosine: float, own: str | None) -> str:
    other = own is not None and one.label is not None and one.label != own
    mark = '<span class="cross" title="another class">✕</span> ' if other else ""
    told = one.label if one.label is not None else one.name if len(one.name) <= SHORT else ""
    label = f"<span>{mark}{shown(told)}</span>" if told else ""
    return (
        f"<li{' class=other' if other else ''}><figure>{_picture(one)}<figcaption>{label}"
        f"<small>{cosine:.3f}</small></figcaption></figure></li>"
    )


def _picture(one: Shown, what: str = "") -> str:
    label = f", {one.label}" if one.label is not None and not one.name.startswith(f"{one.label}/") else ""
    return f'<img src="{data_uri(one.picture)}" alt="{shown(what + one.name + label)}" title="{shown(one.name)}">'


def _name(one: Shown) -> str:
    label = f"<b>{shown(one.label)}</b>" if one.label is not None else ""
    return f'{label}<span class="name">{shown(one.name)}</span>'


def views(seen: Seen | str) -> str:
    """What pre-training looked at."""
    title = "What the views look like"
    if isinstance(seen, str):
        return section("views", title, note(seen))
    how = (
        "<p>Samples, and beside each the views that the first epochs draw of it: what training looks at in its place. "
        "Where a method asks that views of one sample be alike, the encoder learns to ignore what sets them apart.</p>"
    )
    return section("views", title, f'{how}<div class="queries">{"".join(map(_viewed, seen.views))}</div>')


def inside(seen: Seen | str) -> str:
    """The clusters that the encoder makes of a sample; nothing where it makes none."""
    if isinstance(seen, str) or not seen.inside:
        return ""
    how = (
        "<p>Beside each sample two pictures a pool: its nodes in the colour of the cluster that holds most of each, "
        "and the clusters themselves with the heaviest links between them. One colour everywhere is collapse.</p>"
    )
    body = f'{how}<div class="queries">{"".join(map(_viewed, seen.inside))}</div>'
    return section("inside", "Clusters, level by level", body)


def _viewed(viewed: Viewed) -> str:
    cells = "".join(
        f'<li><figure><img src="{data_uri(view)}" alt="view {place} of {shown(viewed.sample.name)}"></figure></li>'
        for place, view in enumerate(viewed.views, 1)
    )
    return (
        f'<div class="query"><figure class="own">{_picture(viewed.sample)}'
        f"<figcaption>{_name(viewed.sample)}</figcaption></figure><ol>{cells}</ol></div>"
    )
