"""`make bench`: every benchmark, written to docs/performance.md."""

import sys
from pathlib import Path

import contrastive
import opening
import startup
import training_step

import views
from unlabeled.run import environment

HEAD = """# Performance

Made by `make bench`. Every candidate of a table runs once a round in turn; the last column is the median over rounds of
its time against the limit's in the same round, which is what to compare between machines. The limit is stated above.
"""


def main() -> None:
    about = environment()
    where = f"{' and '.join(about['devices'])} ({about['machine']}), {about['threads']} threads"
    lines = [HEAD, f"Here: {where}, torch {about['packages']['torch']}.", ""]
    for benchmark in (startup, opening, views, contrastive, training_step):
        print(f"{benchmark.__name__} ...", file=sys.stderr)
        lines += benchmark.run()
    page = Path(__file__).parent.parent / "docs" / "performance.md"
    page.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
