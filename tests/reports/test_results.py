"""Results of `evaluate` as rows."""

from unlabeled.reports.material import Row
from unlabeled.reports.results import comparison, label_free, leaves


def test_a_labelled_result_becomes_rows() -> None:
    kept = {
        "protocol": "knn", "metric": "accuracy", "value": 0.75, "interval": [0.7, 0.8], "n_test": 1, "n_train": 2000,
        "split": "given", "baselines": {"raw_input": 0.25}, "details": {"k": 20, "majority": 0.125, "top5": 1.0},
        "baseline_details": {"raw_input": {"interval": [0.2, 0.3], "k": 20, "top5": 0.5}},
    }  # fmt: skip
    found = comparison(kept)
    assert found.rows == [
        Row("this run", 0.75, (0.7, 0.8)), Row("raw_input", 0.25, (0.2, 0.3)), Row("largest class", 0.125, None),
    ]  # fmt: skip
    assert found.note == "1 test sample (given), learnt from 2,000, k 20"
    assert found.details["top5"] == [1.0, 0.5, None]


def test_a_result_without_intervals_or_baselines_becomes_a_row() -> None:
    kept = {"protocol": "p", "metric": "m", "value": 2.0, "interval": None, "n_test": 3, "n_train": 4, "split": "given"}
    assert comparison(kept).rows == [Row("this run", 2.0, None)]


def test_what_sets_one_asking_apart_from_another_is_in_its_name() -> None:
    link = {"protocol": "link-prediction", "task": "new", "negatives": "uniform", "features": "scores", "past": True}
    graph = {"protocol": "graph-classification", "training": "scratch", "folding": "published", "layer": 2}
    rest = {"metric": "m", "value": 2.0, "interval": None, "n_test": 3, "n_train": 4, "split": "given"}
    names = [comparison(kept | rest).protocol for kept in (link, graph, {"protocol": "knn", "training": "frozen"})]
    assert names == [
        "link-prediction (new, scores, past)",
        "graph-classification (scratch, published), layer 2 of the projector",
        "knn",
    ]


def test_a_label_free_result() -> None:
    found = label_free({"protocol": "health", "n": 9, "figures": {"rankme": 1.5}, "warnings": ["w"]})
    assert (found.samples, found.figures, found.baselines, found.warnings) == (9, {"rankme": 1.5}, {}, ["w"])


def test_leaves_of_nested_details() -> None:
    details = {
        "top5": 0.9, "converged": True, "selected_on": "validation", "k": [1, 5],
        "agreement": [{"clusters": 10, "nmi": {"mean": 0.5, "deviation": 0.1}}, {"clusters": 20, "nmi": {"mean": 0.6}}],
    }  # fmt: skip
    assert leaves(details) == {
        "top5": 0.9, "agreement, clusters 10: nmi mean": 0.5, "agreement, clusters 10: nmi deviation": 0.1,
        "agreement, clusters 20: nmi mean": 0.6,
    }  # fmt: skip
