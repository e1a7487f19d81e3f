"""A stream's figures on a terminal: every number once, the last times, labels where they were learnt."""

from types import SimpleNamespace
from typing import Any

from rich.console import Console

from unlabeled.reports.stream_tables import LAST, stream_tables


def printed(**changed: Any) -> str:
    times = LAST + 3
    result = {
        "n_test": 2000, "split": "given", "value": 0.4321, "knn_error": {"3": 0.11, "10": 0.12}, "components": 18,
        "components_used": 7, "hungarian_accuracy": 0.3333, "bound": {"bound": -101.25}, "class_incremental": None,
        "task_incremental": None, "baselines": {"raw_input": 0.75}, "baseline_knn_error": {"raw_input": {"3": 0.07}},
        "classes": ["cat", "dog"], "steps": [100 * (time + 1) for time in range(times)],
        "components_over_time": list(range(1, times + 1)), "accuracy_over_time": [0.5] * times,
        "per_class_over_time": [[0.25, 0.75]] * times,
    }  # fmt: skip
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        for part in stream_tables(SimpleNamespace(**(result | changed))):
            console.print(part)
    return captured.get()


def test_the_value_stands_beside_its_baselines_and_what_was_forgotten_below() -> None:
    text = printed()
    for part in (
        "2,000 test samples",
        "0.432",
        "0.110",
        "raw input, k-means",
        "0.750",
        "18 components, 7 used",
        "-101.25",
    ):
        assert part in text, part
    assert "class-incremental" not in text and "cat" in text and "dog" in text
    assert "1,500" in text and "\n     300 " not in text, "the last twelve times"


def test_accuracies_of_known_components_are_told() -> None:
    text = printed(class_incremental=0.906, task_incremental=0.989)
    assert "class-incremental 0.906, task-incremental 0.989" in " ".join(text.split())


def test_without_times_there_is_no_second_table() -> None:
    assert "over time" not in printed(steps=[])
