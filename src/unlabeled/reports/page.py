"""One self-contained page: HTML, style, script and pictures in a single file that asks for nothing else."""

import hashlib
from base64 import b64encode
from importlib.resources import files

from unlabeled.reports import components, gallery, sections
from unlabeled.reports.markup import shown
from unlabeled.reports.material import Material

MENU = {
    "evaluation": "Evaluation", "health": "Health", "training": "Training", "stream": "Components", "map": "Map",
    "neighbours": "Neighbours", "views": "Views", "inside": "Clusters", "skipped": "Skipped", "run": "The run",
}  # fmt: skip


def page(material: Material) -> str:
    """The whole file; the same material gives the same characters.

    A content security policy allows this very script and style and pictures that are in the page, and nothing that
    comes from elsewhere, so that no name of a file can do what a script does.
    """
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    seen = material.seen
    body = [
        sections.evaluation(material),
        sections.health(material),
        sections.training(material),
        components.stream(material.stream),
        gallery.plane(seen),
        gallery.neighbours(seen),
        gallery.views(seen),
        gallery.inside(seen),
        sections.skipped(material.skipped),
        sections.facts(material.facts),
    ]
    version = shown(material.facts.environment.get("packages", {}).get("unlabeled", ""))
    absent = {"inside": not gallery.inside(seen), "stream": material.stream is None}
    there = [name for name in MENU if not absent.get(name)]
    links = "".join(f'<a href="#{name}">{MENU[name]}</a>' for name in there)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{shown(material.facts.name)} · unlabeled report</title><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body>\n"
        f'{sections.header(material)}<nav aria-label="Sections">{links}</nav>'
        f"<main>{chr(10).join(filter(None, body))}</main>"
        f"<footer><p>A run of unlabeled {version}. "
        "This file holds all it shows and loads nothing.</p></footer>\n"
        f"<script>{script}</script></body></html>\n"
    )


def _part(name: str) -> str:
    return files("unlabeled.reports").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
