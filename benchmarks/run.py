"""`make bench`: every benchmark, or those named, each written to its section of docs/performance.md.

    python benchmarks/run.py [NAME ...] [--large]

Peers that a table compares with (lightly, albumentations) are timed where they are installed; nothing depends on them.
"""

import argparse
import sys
from pathlib import Path

import contrastive
import curl
import diffpool
import dysat
import opening
import optimal_transport
import protocols
import relabelling
import startup
import training_step

import views
from unlabeled.run import environment

BENCHMARKS = {
    each.__name__: each
    for each in (
        startup,
        opening,
        views,
        contrastive,
        optimal_transport,
        training_step,
        relabelling,
        protocols,
        diffpool,
        dysat,
        curl,
    )
}

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

HEAD = """# Performance

Made by `make bench`. Every candidate of a table runs once a round in turn; the last column is the median over rounds of
its time against the limit's in the same round, which is what to compare between machines. The limit is stated above.
"""


def sections(page: str) -> dict[str, str]:
    """The sections of the page by their titles, in order."""
    parts = page.split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2].strip("\n") for part in parts}


def keep(title: str, text: str) -> None:
    """Write one section of the page, in place of the one of that title."""
    kept = sections(PAGE.read_text(encoding="utf-8")) | {title: text}
    page = "\n".join([HEAD, *(f"## {heading}\n\n{body}\n" for heading, body in kept.items())])
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--large", action="store_true", help="of dysat: sizes that take minutes and gigabytes")
    names = parser.parse_args().names or list(BENCHMARKS)
    about = environment()
    where = f"{' and '.join(about['devices'])} ({about['machine']}), {about['threads']} threads"
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        title, *lines = BENCHMARKS[name].run()
        text = "\n".join([f"Here: {where}, torch {about['packages']['torch']}.", *lines]).strip("\n")
        print(f"{title}\n\n{text}")
        keep(title.removeprefix("## "), text)


if __name__ == "__main__":
    main()
