"""The protocols on 50,000 x 512 training and 10,000 x 512 test features, each beside the products it cannot avoid."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from unlabeled.evaluation.clustering import clustering
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.health import PAIRS, health
from unlabeled.evaluation.knn import knn
from unlabeled.evaluation.linear import linear
from unlabeled.metrics import kmeans
from unlabeled.metrics.logistic import Problem
from unlabeled.metrics.spectrum import in_threads

TRAIN, TEST, WIDTH = 50_000, 10_000, 512


def mixture(classes: int, seed: int = 0) -> tuple[Features, Features]:
    """Rows of a Gaussian mixture whose classes overlap, with a decaying spectrum and a mean that is not zero."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, TRAIN + TEST)
    spectrum = np.arange(1, WIDTH + 1) ** -0.5
    middles = rng.standard_normal((classes, WIDTH)) * spectrum
    rows = (middles[labels] + 8.0 * rng.standard_normal((TRAIN + TEST, WIDTH)) * spectrum + 0.1).astype(np.float32)
    ids = np.arange(TRAIN + TEST)
    train, test = (Features(rows[s], ids[s], labels[s]) for s in (slice(0, TRAIN), slice(TRAIN, None)))
    return train, test


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def both_clocks(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the wall and seconds of all processors together."""
    began = time.process_time()
    return seconds(call), time.process_time() - began


@contextmanager
def counted(place: Any, name: str, work: Callable[..., Any]) -> Iterator[list[Any]]:
    """What `work` says of the arguments of each call of a function, while it lasts."""
    calls: list[Any] = []
    whole = getattr(place, name)

    def noted(*arguments: Any, **options: Any) -> Any:
        calls.append(work(*arguments, **options))
        return whole(*arguments, **options)

    setattr(place, name, noted)
    try:
        yield calls
    finally:
        setattr(place, name, whole)


def product(rows: np.ndarray, others: np.ndarray, step: int = 1000) -> float:
    """Seconds of rows times the transpose of others, some rows at a time, in as many threads as the protocols use."""
    parts = [rows[start : start + step] for start in range(0, len(rows), step)]
    return seconds(lambda: in_threads(lambda part: part @ others.T, parts))


def measured(classes: int) -> dict[str, tuple[float, float, float]]:
    """Seconds of each protocol on the wall and of its processors, and those of the products that are its limit."""
    train, test = mixture(classes)
    rows, wide = train.embeddings, train.embeddings[:8192].astype(np.float64)
    found = {"knn": (*both_clocks(lambda: knn(train, test)), product(test.embeddings, rows))}
    with counted(Problem, "mean_loss", lambda problem, *rest: len(problem.places)) as looked_at:
        linear_seconds = both_clocks(lambda: linear(train, test))
    weight = np.zeros((classes, WIDTH))
    parts = np.array_split(wide, 8)
    both = seconds(lambda: in_threads(lambda part: (part @ weight.T).T @ part, parts)) / len(wide)  # of a row
    found["linear"] = *linear_seconds, both * sum(looked_at)
    with counted(kmeans, "_assign", lambda rows, centres: (len(centres), len(rows))) as assigned:
        clustering_seconds = both_clocks(lambda: clustering(train, test))
    limit = 0.0
    for k in {k for k, _ in assigned}:
        each = product(rows, rows[:k]) / len(rows)
        limit += each * sum(count for found_k, count in assigned if found_k == k)
    found["clustering"] = *clustering_seconds, limit
    second = rows + np.float32(0.1) * np.roll(rows, 1, axis=0)
    health_seconds = both_clocks(lambda: health(rows, second))
    gram = seconds(lambda: wide.T @ wide) * len(rows) / len(wide)
    found["health"] = *health_seconds, gram + product(rows[:PAIRS], rows[:PAIRS])
    return found


def run() -> list[str]:
    lines = [
        f"## Protocols, {TRAIN:,} training and {TEST:,} test features of width {WIDTH}",
        "",
        "A Gaussian mixture of overlapping classes. Limits, measured in the same run: `knn`, the product of test and",
        "training features in float32; `linear`, scores and gradient in float64, as often as the optimiser asked for",
        "them; `clustering`, the products of rows and centres in float32 of every iteration; `health`, Z'Z in float64",
        f"and the products of {PAIRS:,} rows with each other, of which uniformity needs half for each of two views.",
        "",
    ]
    for classes in (10, 100):
        found = measured(classes)
        total = sum(taken for taken, *_ in found.values())
        lines += [f"### {classes} classes", "", "| | seconds | processor seconds | limit, seconds | times the limit |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for name, (taken, processors, limit) in found.items():
            lines.append(f"| {name} | {taken:.1f} | {processors:.1f} | {limit:.1f} | {taken / limit:.1f} |")
        lines += [f"| together | {total:.1f} | {sum(each[1] for each in found.values()):.1f} | | |", ""]
    return lines


if __name__ == "__main__":
    print("\n".join(run()))
