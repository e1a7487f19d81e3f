"""The sections of a page, each from its material to HTML; what is missing is said in a sentence."""

from unlabeled.reports.charts import interval_chart, line_chart
from unlabeled.reports.markup import counted, number, percent, plain_name, shown
from unlabeled.reports.material import Comparison, Facts, LabelFree, Material, Row
from unlabeled.reports.words import WORDS, shown_figures, words
from unlabeled.training.progress import duration

LISTED = 100
"""Skipped samples that are shown."""
FIRST = ("loss", "learning_rate", "samples_per_second")
"""Figures of training itself; the others of metrics.jsonl are health."""


def section(name: str, title: str, body: str) -> str:
    """A section that the page's menu can jump to."""
    return f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{body}</section>'


def note(sentence: str) -> str:
    """Why something is not here."""
    return f'<p class="note">{shown(sentence)}</p>'


def header(material: Material) -> str:
    """The run's name, what it is in one sentence, and its headline figures."""
    facts = material.facts
    took = "" if facts.seconds is None else f", {duration(facts.seconds)} of training"
    return (
        f'<header><p class="eyebrow">unlabeled · report of a run</p><h1>{shown(facts.name)}</h1>'
        f'<p class="lead"><strong>{shown(facts.method)}</strong> trained <strong>{shown(facts.encoder)}</strong> '
        f"({facts.parameters:,} parameters) on {shown(facts.data)}: "
        f"{counted(facts.steps, 'step', 'steps')}{took}.</p>"
        f'<ul class="tiles">{"".join(_tiles(material))}</ul></header>'
    )


def _tiles(material: Material) -> list[str]:
    """Up to five headline figures."""
    tiles = []
    for comparison in sorted(material.comparisons, key=lambda each: each.protocol != "knn")[:2]:
        ours, *others = comparison.rows
        beside = [f"{plain_name(row.name)} {_value(row.value, comparison)}" for row in others[:2]]
        tiles.append(
            _tile(
                f"{_protocol(comparison.protocol)} {_words(comparison.metric)}", _value(ours.value, comparison), beside
            )
        )
    for free in material.label_free[:1]:
        if "rankme" in free.figures:
            beside = [
                f"{plain_name(name)} {number(of['rankme'])}" for name, of in free.baselines.items() if "rankme" in of
            ]
            tiles.append(_tile("Effective rank", number(free.figures["rankme"]), beside))
            signs = len(free.warnings)
            tiles.append(
                _tile("Signs of collapse", str(signs) if signs else "none", ["judged without labels"], signs > 0)
            )
    losses = [line["loss"] for line in material.metrics if "loss" in line]
    if losses:
        tiles.append(_tile("Loss", number(losses[-1]), [f"{number(losses[0])} at the start"]))
    return tiles


def _tile(name: str, value: str, beside: list[str], alarm: bool = False) -> str:
    kind = ' class="alarm"' if alarm else ""
    lines = "".join(f"<small>{line}</small>" for line in beside)
    return f"<li{kind}><span>{shown(name)}</span><strong>{value}</strong>{lines}</li>"


def _protocol(name: str) -> str:
    return f"k-NN{name[3:]}" if name.startswith("knn") else name.replace("_", " ").capitalize()


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _value(value: float, comparison: Comparison) -> str:
    share = "accuracy" in comparison.metric or comparison.metric.startswith("recall")
    return percent(value) if share else number(value)


def evaluation(material: Material) -> str:
    """Protocols with an answer to compare with, beside their baselines."""
    tables = "".join(_comparison(each) for each in material.comparisons)
    how = (
        "<p>Each protocol was run alike on this encoder and on what it must beat: the same network with random "
        "weights, the raw input without a network, and whatever else is named. Lines are 95 % intervals over test "
        "samples.</p>"
    )
    return section(
        "evaluation",
        "How good it is",
        (how if tables else "") + tables + "".join(map(note, material.notes)),
    )


def _comparison(comparison: Comparison) -> str:
    head = f"{shown(_protocol(comparison.protocol))} <small>{shown(comparison.note)}</small>"
    rows = "".join(_row(row, comparison, place == 0) for place, row in enumerate(comparison.rows))
    return (
        f'<div class="scroll"><table class="comparison"><caption>{head}</caption><thead><tr>'
        f'<th scope="col">encoder</th><th scope="col" class="figure">{plain_name(comparison.metric)}</th>'
        '<th scope="col" class="range">95 % interval</th>'
        f'<th scope="col"><span class="unseen">on a scale</span></th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"{_details(comparison)}"
    )


def _details(comparison: Comparison) -> str:
    """All further figures of a protocol, folded."""
    if not comparison.details:
        return ""
    head = "".join(f'<th scope="col" class="figure">{plain_name(row.name)}</th>' for row in comparison.rows)
    rows = "".join(
        f'<tr><th scope="row">{shown(name)}</th>'
        + "".join(f'<td class="figure">{number(value)}</td>' for value in values)
        + "</tr>"
        for name, values in comparison.details.items()
    )
    return (
        f"<details><summary>All figures of {shown(_protocol(comparison.protocol))}</summary>"
        f'<div class="scroll"><table class="small"><thead><tr><th scope="col">figure</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _row(row: Row, comparison: Comparison, ours: bool) -> str:
    between = " to ".join(_value(end, comparison) for end in row.interval) if row.interval else "–"
    return (
        f'<tr{" class=ours" if ours else ""}><th scope="row">{plain_name(row.name)}</th>'
        f'<td class="figure">{_value(row.value, comparison)}</td><td class="range">{between}</td>'
        f"<td>{interval_chart(row, comparison.rows, ours)}</td></tr>"
    )


def health(material: Material) -> str:
    """Label-free protocols: warnings first, then figures with what they mean."""
    if not material.label_free:
        return section("health", "How healthy it is, without labels", note("No label-free figures are there."))
    return section("health", "How healthy it is, without labels", "".join(map(_label_free, material.label_free)))


def _label_free(free: LabelFree) -> str:
    if free.warnings:
        said = "".join(f"<li>{shown(warning)}</li>" for warning in free.warnings)
        said = f'<ul class="warnings">{said}</ul>'
    else:
        said = '<p class="fine">No sign of collapse in these figures.</p>' if "rankme" in free.figures else ""
    others = "".join(f'<th scope="col" class="figure">{plain_name(name)}</th>' for name in free.baselines)
    rows = []
    for name, value in shown_figures(free.figures).items():
        about = words(name)
        beside = "".join(f'<td class="figure">{number(of.get(name))}</td>' for of in free.baselines.values())
        rows.append(
            f'<tr><th scope="row">{shown(about.title)}<small>{shown(about.meaning)}</small></th>'
            f'<td class="figure ours">{number(value)}</td>{beside}</tr>'
        )
    return (
        f'{said}<div class="scroll"><table class="figures"><caption>{shown(_protocol(free.protocol))} '
        f"<small>{counted(free.samples, 'sample', 'samples')}, no labels used</small></caption><thead><tr>"
        f'<th scope="col">figure</th><th scope="col" class="figure">this run</th>{others}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def training(material: Material) -> str:
    """A chart for every figure that was logged, and all of them as a table."""
    lines = material.metrics
    logged = dict.fromkeys(name for line in lines for name in line if name not in ("step", "epoch"))
    names = sorted(logged, key=lambda name: list(WORDS).index(name) if name in WORDS else len(WORDS))
    if not names:
        return section("training", "Training", note("No figures were logged."))
    charts = {name: line_chart(name, [(line["step"], line[name]) for line in lines if name in line]) for name in names}
    groups = (("", [n for n in FIRST if n in charts]), ("Health over time", [n for n in names if n not in FIRST]))
    body = ""
    for title, members in groups:
        if members:
            body += f"<h3>{title}</h3>" if title else ""
            body += _HOW if title else ""
            body += f'<div class="charts">{"".join(charts[name] for name in members)}</div>'
    head = "".join(f'<th scope="col">{plain_name(name)}</th>' for name in ("step", *names))
    rows = "".join(
        "<tr>" + "".join(f"<td>{number(line.get(name))}</td>" for name in ("step", *names)) + "</tr>" for line in lines
    )
    table = (
        f"<details><summary>The same as a table ({counted(len(lines), 'line', 'lines')})</summary>"
        f'<div class="scroll tall" tabindex="0"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )
    return section("training", "Training", body + table)


_HOW = (
    "<p>Figures of the last batch's representations as they passed by: no labels, and no extra work. They are rougher "
    "than those above, and what counts is where they go.</p>"
)


def facts(about: Facts) -> str:
    """What was trained on what, and with which settings and versions."""
    took = "unknown" if about.seconds is None else duration(about.seconds)
    main = {
        "method": about.method, "encoder": about.encoder, "parameters": f"{about.parameters:,}",
        "representation": f"{about.width:,} numbers a sample", "data": about.data, "place": about.place,
        "modality": about.modality,
        "steps": f"{about.steps:,}", "training time": took, "seed": str(about.config.get("seed", "–")),
    }  # fmt: skip
    machine = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in about.environment.items()
        if name != "packages"
    }
    body = (
        _pairs("The run", main)
        + _pairs("Settings", flat(about.config))
        + _pairs("Machine and versions", machine | about.environment.get("packages", {}))
    )
    return section("run", "What was trained on what", f'<div class="facts">{body}</div>')


def _pairs(title: str, pairs: dict[str, str]) -> str:
    rows = "".join(f"<div><dt>{plain_name(name)}</dt><dd>{shown(value)}</dd></div>" for name, value in pairs.items())
    return f"<div><h3>{title}</h3><dl>{rows}</dl></div>"


def flat(config: dict[str, object], prefix: str = "") -> dict[str, str]:
    """`{"views": {"crop_area": [0.1, 1.0]}}` to `{"views.crop-area": "0.1, 1.0"}`, as the flags are called."""
    pairs: dict[str, str] = {}
    for key, value in config.items():
        name = str(key).replace("_", "-")
        if isinstance(value, dict) and value:
            pairs |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            pairs[prefix + name] = ", ".join(map(str, value))
        elif isinstance(value, bool):
            pairs[prefix + name] = "yes" if value else "no"
        elif isinstance(value, float):
            pairs[prefix + name] = f"{value:g}"
        else:
            pairs[prefix + name] = "–" if value in (None, {}) else str(value)
    return pairs


def skipped(left_out: list[tuple[str, str]]) -> str:
    """What training did not see, and why."""
    title = "What was skipped, and why"
    if not left_out:
        return section("skipped", title, "<p>Nothing: every sample could be read.</p>")
    rows = "".join(
        f'<tr><th scope="row">{shown(name)}</th><td>{shown(why)}</td></tr>' for name, why in left_out[:LISTED]
    )
    rest = len(left_out) - LISTED
    more = f" The first {LISTED} are shown; {rest:,} more are in skipped.txt of the run." if rest > 0 else ""
    return section(
        "skipped",
        title,
        f"<p>{counted(len(left_out), 'sample was', 'samples were')} left out.{more}</p>"
        '<div class="scroll"><table class="skipped"><thead><tr><th scope="col">sample</th><th scope="col">why</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>",
    )
