"""What `make demo` runs: SimCLR on the built-in sample, and what that proved."""

import sys
import time
from pathlib import Path

import unlabeled

ROOT = Path(__file__).parent.parent
SETTINGS = {"epochs": 8, "temperature": 0.2, "optimizer": "adamw", "learning_rate": 0.002, "seed": 0}


def free(folder: Path) -> Path:
    """The first of runs/demo, runs/demo-2, ... that is not there yet."""
    number = 1
    while (path := folder / ("demo" if number == 1 else f"demo-{number}")).exists():
        number += 1
    return path


def main() -> None:
    """Train, evaluate with labels and without, write the page, say what to try next."""
    began = time.monotonic()
    out = free(ROOT / "runs")
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in SETTINGS.items())
    print(f"unlabeled pretrain simclr --out {out.relative_to(ROOT)} {flags}", file=sys.stderr)
    run = unlabeled.pretrain("simclr", out=out, **SETTINGS)
    print(f"{run.steps} steps on {run.samples} pictures in {run.seconds:.0f} s, loss {run.loss:.3f}\n")
    print(f"{'accuracy':<10}{'SimCLR':>8}{'95 % interval':>18}{'random encoder':>17}{'raw pixels':>13}")
    proven = True
    for protocol in ("knn", "linear"):
        result = unlabeled.evaluate(protocol, run)
        low, high = result.interval
        random, raw = result.baselines["random_encoder"], result.baselines["raw_input"]
        print(f"{protocol:<10}{result.value:>8.3f}{f'{low:.3f} to {high:.3f}':>18}{random:>17.3f}{raw:>13.3f}")
        proven &= low > random or protocol == "linear"
    health = unlabeled.evaluate("health", run)
    print("\nwithout labels   SimCLR   random encoder")
    for name in ("rankme", "alignment", "uniformity", "mean_cosine"):
        print(f"{name:<15}{health.figures[name]:>8.2f}{health.baselines['random_encoder'][name]:>17.2f}")
    page = unlabeled.report(run)
    verdict = "is above" if proven else "is NOT above"
    print(
        f"\nThe trained encoder {verdict} the random one by more than the interval (k-NN), "
        f"{time.monotonic() - began:.0f} s in all."
    )
    shown = out.relative_to(ROOT)
    print(f"""
The page, to open in a browser: {page.report} ({page.bytes / 1e6:.1f} MB, needs no network)

What to try next, with your own pictures:
  .venv/bin/unlabeled inspect PHOTOS
  .venv/bin/unlabeled pretrain simclr --data PHOTOS --out runs/photos --epochs 30
  .venv/bin/unlabeled evaluate health runs/photos
  .venv/bin/unlabeled embed {shown} --out runs/demo.parquet""")
    sys.exit(0 if proven else 1)


if __name__ == "__main__":
    main()
