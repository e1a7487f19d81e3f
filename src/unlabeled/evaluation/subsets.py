"""Which samples few-shot learns from and asks about: drawn by a seed, kept by id, so that others can take the same."""

from dataclasses import dataclass
from hashlib import blake2b
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from unlabeled import chance
from unlabeled.distributed import on_first
from unlabeled.errors import UserError, in_range
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.split import DRAWS, EPISODES, labelled_pair
from unlabeled.training.checkpoints import write_atomically

FILE = "evaluations/few-shot.npz"
"""Where a run keeps what its last few-shot drew."""


@dataclass(frozen=True)
class Sizes:
    """How much is drawn; `few_shot` describes the fields, which are its arguments."""

    ways: int = 5
    shots: tuple[int, ...] = (1, 5)
    queries: int = 15
    episodes: int = 600
    per_class: tuple[int, ...] = (1, 5)
    draws: int = 5

    def check(self) -> None:
        """Refuse numbers outside their range.

        Raises:
            UserError: the first that is.
        """
        in_range(ways=(self.ways, 2), shots=(min(self.shots, default=0), 1), queries=(self.queries, 1))
        in_range(episodes=(self.episodes, 2), per_class=(min(self.per_class, default=1), 1), draws=(self.draws, 1))


@dataclass(frozen=True)
class Subsets:
    """Samples by id, their places in their data sets.

    Args:
        learnt: for each number of shots, the training samples of every episode, int64 (episodes, ways, shots).
        asked: for each number of shots, the test samples, int64 (episodes, ways, queries).
        per_class: for each n, the training samples of every draw, class by class, int64 (draws, C, n).
        drawn_from: a digest of the ids and classes that they were drawn from.
    """

    learnt: dict[int, np.ndarray]
    asked: dict[int, np.ndarray]
    per_class: dict[int, np.ndarray]
    drawn_from: str

    def write(self, path: Path) -> None:
        """As .npz with an array for each number: learnt_5, asked_5, per_class_5."""
        parts = {"learnt": self.learnt, "asked": self.asked, "per_class": self.per_class}
        arrays: dict[str, Any] = {
            f"{name}_{number}": each for name, part in parts.items() for number, each in part.items()
        }
        with path.open("wb") as file:
            np.savez_compressed(file, drawn_from=np.array(self.drawn_from), **arrays)

    @classmethod
    def read(cls, path: str | PathLike[str], sizes: Sizes) -> "Subsets":
        """Those that a run has kept.

        Args:
            path: the run's folder, or the file that it keeps.
            sizes: what is asked for, which must have been drawn.

        Raises:
            UserError: no such file, or it holds other numbers of samples.
        """
        file = Path(path) / FILE if Path(path).is_dir() else Path(path)
        try:
            with np.load(file, allow_pickle=False) as kept:
                learnt, asked = ({n: kept[f"{name}_{n}"] for n in sizes.shots} for name in ("learnt", "asked"))
                per_class = {n: kept[f"per_class_{n}"] for n in sizes.per_class}
                found = cls(learnt, asked, per_class, str(kept["drawn_from"]))
        except KeyError as absent:
            raise UserError(f"{file} was drawn with other --shots or --per-class: it lacks {absent.args[0]}.") from None
        except (OSError, ValueError, EOFError, BadZipFile, TypeError, AttributeError):
            raise UserError(
                f"{file} holds no subsets; give a run that few-shot has been evaluated on, or its {FILE}."
            ) from None
        found._check(file, sizes)
        return found

    def _check(self, file: Path, sizes: Sizes) -> None:
        """Refuse other numbers than those that are asked for."""
        shapes: dict[str, dict[int, tuple[int | None, ...]]] = {
            "learnt": {n: (sizes.episodes, sizes.ways, n) for n in sizes.shots},
            "asked": dict.fromkeys(sizes.shots, (sizes.episodes, sizes.ways, sizes.queries)),
            "per_class": {n: (sizes.draws, None, n) for n in sizes.per_class},
        }
        for name, expected in shapes.items():
            for number, shape in expected.items():
                each = getattr(self, name)[number]
                same = each.ndim == 3 and all(want in (None, has) for want, has in zip(shape, each.shape, strict=True))
                if not same or each.dtype != np.int64:
                    raise UserError(
                        f"{file} was drawn with other --episodes, --ways, --queries or --draws: {name}_{number} is "
                        f"{each.shape}, and {shape} is asked for."
                    )


def draw(train: Features, test: Features, sizes: Sizes, seed: int) -> Subsets:
    """Draw episodes and n samples a class; what comes out depends on the seed and on the samples' ids and labels alone.

    Args:
        train: labelled; what is learnt from.
        test: labelled with classes of `train`; what is asked about.
        sizes: how much.
        seed: of all draws.

    Raises:
        UserError: a number outside its range, or too few classes or samples; the message says how many there are.
    """
    sizes.check()
    labels, test_labels, classes = labelled_pair(train, test, "few-shot", apart=True)
    places, asked = ([ids[own == label] for label in range(classes)] for ids, own in
                     ((train.ids, labels), (test.ids, test_labels)))  # fmt: skip
    _able(places, asked, max(sizes.shots), sizes)
    least = min(map(len, places))
    if least < max(sizes.per_class, default=0):
        raise UserError(
            f"few-shot needs {max(sizes.per_class)} training samples of each class, and one class has {least}: lower "
            "--per-class."
        )
    episodes = {shots: _episodes(places, asked, shots, sizes, seed) for shots in sorted(set(sizes.shots))}
    return Subsets(
        {shots: learnt for shots, (learnt, _) in episodes.items()},
        {shots: queries for shots, (_, queries) in episodes.items()},
        {n: _per_class(places, n, sizes.draws, seed) for n in sorted(set(sizes.per_class))},
        origin(train, test),
    )


def keep(folder: Path, subsets: Subsets) -> None:
    """Keep what was drawn with a run, in place of what was kept before; of several processes the first writes."""
    file = folder / FILE
    file.parent.mkdir(exist_ok=True)
    on_first(lambda: write_atomically(file, subsets.write))


def origin(train: Features, test: Features) -> str:
    """A digest of the ids and classes of both sets."""
    labels, test_labels, _ = labelled_pair(train, test, "few-shot", apart=True)
    digest = blake2b(digest_size=16)
    for each in (train.ids, labels, test.ids, test_labels):
        digest.update(len(each).to_bytes(8, "little") + np.ascontiguousarray(each, "<i8").tobytes())
    return digest.hexdigest()


def _able(places: list[np.ndarray], asked: list[np.ndarray], shots: int, sizes: Sizes) -> np.ndarray:
    """Classes with enough training and test samples for an episode, int64; at least `sizes.ways` of them."""
    enough = [len(each) >= shots and len(own) >= sizes.queries for each, own in zip(places, asked, strict=True)]
    able = np.flatnonzero(enough)
    if len(able) < sizes.ways:
        raise UserError(
            f"few-shot needs {sizes.ways} classes with at least {shots} training and {sizes.queries} test samples "
            f"each, and {len(able)} of {len(places)} classes have so many: lower --ways, --shots or --queries."
        )
    return able


def _episodes(
    places: list[np.ndarray], asked: list[np.ndarray], shots: int, sizes: Sizes, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples to learn from and to ask about, (episodes, ways, shots) and (episodes, ways, queries)."""
    able, learnt, queries = _able(places, asked, shots, sizes), [], []
    for number in range(sizes.episodes):
        rng = chance.generator(seed, chance.SPLIT, EPISODES, shots, number)
        chosen = rng.choice(able, sizes.ways, replace=False)
        learnt.append([rng.choice(places[each], shots, replace=False) for each in chosen])
        queries.append([rng.choice(asked[each], sizes.queries, replace=False) for each in chosen])
    return np.array(learnt, np.int64), np.array(queries, np.int64)


def _per_class(places: list[np.ndarray], n: int, draws: int, seed: int) -> np.ndarray:
    """n samples of each class, (draws, C, n)."""
    generators = [chance.generator(seed, chance.SPLIT, DRAWS, n, number) for number in range(draws)]
    return np.array([[rng.choice(each, n, replace=False) for each in places] for rng in generators], np.int64)
