"""A page's material made by hand: small, whole, and with names that try to be HTML."""

import io
from typing import Any

import numpy as np
from PIL import Image

from unlabeled.reports.material import Comparison, Facts, LabelFree, Map, Material, Query, Row, Seen, Shown, Viewed
from unlabeled.reports.pictures import jpeg, sheet

HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "' onmouseover='alert(3)", "&lt;b&gt;",
    "</script><script>alert(4)</script>", "</style><b>", "]]>-->", "broken\udce9.png", "two\nlines\t\x1b[31m",
    "\u202egnp.jpg",
)  # fmt: skip
"""Names that a file may have."""


def noise(count: int, side: int = 16, seed: int = 0) -> list[np.ndarray]:
    """Random pictures, uint8 (side, side, 3) each."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def decoded(content: bytes) -> np.ndarray:
    """The pixels of a JPEG, as whole numbers that can be subtracted."""
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB")).astype(int)


def plane(names: list[str], classes: list[str], thumbnails: list[np.ndarray]) -> Map:
    """A map of random places; labels go round the classes."""
    count = len(names)
    labels = np.arange(count) % len(classes) if classes else np.full(count, -1)
    points = np.random.default_rng(1).random((count, 2))
    return Map(points, "t-SNE", 0.9, names, labels, classes, sheet(thumbnails))


def shown(name: str, label: str | None) -> Shown:
    return Shown(name, label, jpeg(noise(1)[0]))


def material(names: tuple[str, ...] = HOSTILE, **changed: Any) -> Material:
    """All sections filled, every text from `names`."""
    first, second, *_ = names
    one, other = shown(first, first), shown(second, second)
    fields: dict[str, Any] = {
        "facts": Facts(
            name=first, modality="images", method="simclr", encoder="small_resnet", parameters=1234567, width=256,
            data="10 images", place=second, steps=20, seconds=61.5,
            config={"method": "simclr", "seed": 0, "labels": first, "views": {"crop_area": [0.08, 1.0], "blur": None}},
            environment={"python": "3.11", "devices": [second], "packages": {"unlabeled": "0.1.0"}},
        ),
        "metrics": [
            {"step": step, "epoch": step / 4, "learning_rate": 0.1 / step, "loss": 5 - step / 10, "rankme": 3.0 * step}
            for step in range(1, 21)
        ],
        "comparisons": [
            Comparison(
                "knn", "accuracy",
                [Row("this run", 0.75, (0.7, 0.8)), Row("random_encoder", 0.5, (0.4, 0.6)), Row(first, 0.25, None)],
                "40 test samples", {"top5": [0.9, 0.8, None]},
            )
        ],
        "label_free": [LabelFree("health", 30, {"rankme": 12.5}, {"random_encoder": {"rankme": 3.5}}, [second])],
        "notes": [first],
        "seen": Seen(
            samples=len(names), drawn=len(names), unreadable=0,
            plane=plane(list(names), list(names), noise(len(names))),
            queries=[Query(one, [(one, 0.99), (other, 0.5)])],
            views=[Viewed(one, [jpeg(each) for each in noise(3)])],
        ),
        "skipped": [(name, name) for name in names],
    }  # fmt: skip
    return Material(**(fields | changed))
