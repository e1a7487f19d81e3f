"""Shares of the labels: which samples a draw holds, and what was found from it, kept so that it is not made again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from unlabeled import chance
from unlabeled.distributed import collect, rank
from unlabeled.errors import UserError
from unlabeled.evaluation.clustering import Repeated
from unlabeled.evaluation.split import SHARES
from unlabeled.training.checkpoints import write_atomically


@dataclass(frozen=True)
class Draw:
    """Labelled samples that are learnt from.

    Args:
        share: of the training samples, as asked for.
        number: of the draw, from 0.
        places: int64 (n,), rising, among the training samples.
        seed: of the order, the views and the held-out part.
    """

    share: float
    number: int
    places: np.ndarray
    seed: int


@dataclass(frozen=True)
class Part:
    """One finished figure: one draw, learnt from one start.

    Args:
        accuracy: top-1.
        per_class: the mean of the classes' accuracies.
        top5: top-min(5, C) accuracy.
        surprise: mean cross-entropy.
    """

    accuracy: float
    per_class: float
    top5: float
    surprise: float


@dataclass(frozen=True)
class Share:
    """What one share of the labels gave, over draws.

    Args:
        share: of the training samples.
        samples: of a draw.
        draws: how many.
        accuracy: top-1.
        per_class: the mean of the classes' accuracies.
        top5: top-min(5, C) accuracy.
        learning_rate: for a batch of 256; None where nothing was fitted by SGD.
        selected_on: where the learning rate, or a frozen encoder's penalty, was chosen: "validation", or "nothing"
            where it is fixed.
    """

    share: float
    samples: int
    draws: int
    accuracy: Repeated
    per_class: Repeated
    top5: Repeated
    learning_rate: float | None
    selected_on: str


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """What `finetune` found from one start.

    Args:
        value: mean accuracy of the smallest share.
        interval: of `value`, Wilson, 95 %, over test samples.
        shares: each share, the smallest first.
        n_train: samples of a draw of the smallest share.
        n_test: test samples.
        classes: C.
        seed: of the draws.
    """

    value: float
    interval: tuple[float, float]
    shares: list[Share]
    n_train: int
    n_test: int
    classes: int
    seed: int


def draw(labels: np.ndarray, share: float, seed: int, number: int) -> Draw:
    """A share of the samples, from all classes alike: class-balanced as in SimCLR's appendix B.5.

    n = max(C, round(share N)) samples are dealt one a class in turn, the classes of a last round drawn too, until a
    class has no more. Of one seed and number, what a smaller share holds a larger one holds too.

    Args:
        labels: int64 (N,), 0 to C - 1, each class with at least one.
        share: within (0, 1].
        seed: of the draw.
        number: of the draw, from 0.

    Raises:
        UserError: a share outside its range.
    """
    if not 0 < share <= 1:
        raise UserError(f"--share takes shares above 0 and up to 1 (0.01 is 1 %), got {share}.")
    rng = chance.generator(seed, chance.SPLIT, SHARES, number, 0)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    turn = np.concatenate([np.arange(size) for size in sizes])  # of each of `by_class`, within its class
    order = by_class[np.lexsort((rng.random(len(labels)), turn))]
    count = max(len(sizes), round(share * len(labels)))
    trained = int(chance.generator(seed, chance.SPLIT, SHARES, number, 1).integers(2**31))
    return Draw(share, number, np.sort(order[:count]), trained)


def keep_draw(path: Path, drawn: Draw, names: Sequence[str]) -> None:
    """Write down which samples a draw holds, once, so that other programs can learn from the very same.

    Args:
        path: of the file, JSON.
        drawn: the draw.
        names: of all samples that it was drawn from.
    """
    if rank() == 0 and not path.is_file():
        samples = [names[place] for place in drawn.places.tolist()]
        _write(path, {"share": drawn.share, "number": drawn.number, "samples": samples})


def kept_part(path: Path, what: str, make: Callable[[], Part]) -> Part:
    """A part that an earlier call finished and kept at `path`, or else `make()`, which is kept there.

    Args:
        path: one file a part; what cannot be read there is made again.
        what: the part in words, kept beside its figures.
        make: called on all processes; the first one writes.
    """
    kept = None
    if rank() == 0 and path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["part"]
            kept = Part(**{field.name: float(found[field.name]) for field in fields(Part)})
        except (ValueError, TypeError, KeyError):
            kept = None
    found_there: Part | None = collect(kept)[0]
    if found_there is not None:
        return found_there
    part = make()
    if rank() == 0:
        _write(path, {"what": what, "part": asdict(part)})
    return part


def repeated(values: Sequence[float]) -> Repeated:
    """Mean and deviation over draws."""
    return Repeated(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)


def _write(path: Path, content: object) -> None:
    def write(beside: Path) -> None:
        beside.write_text(json.dumps(content, indent=1), encoding="utf-8")

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)
