"""What a person sees, read back as text."""

from typing import Any

import pytest

from unlabeled.commands.evaluate import Evaluated, Healthy
from unlabeled.commands.inspect import Inspected
from unlabeled.evaluation.sanity import Sanity
from unlabeled.reports.cells import text
from unlabeled.reports.tables import show


def lines(capsys: pytest.CaptureFixture[str], result: Any) -> list[str]:
    show(result)
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()


def test_an_evaluation_has_a_row_for_each_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"value": 0.25, "interval": (0.2, 0.3), "per_class": 0.24, "top5": 0.9}
    details = {"per_class": 0.5, "top5": 1.0, "majority": 0.125, "k": 20, "converged": True}
    result = Evaluated("knn", "runs/a", "accuracy", 0.75, (0.7, 0.8), {"random_encoder": 0.25}, 30, 10, 0, "given",
                       details, {"random_encoder": row})  # fmt: skip
    shown = [line.split() for line in lines(capsys, result)]
    assert ["runs/a", "0.7500", "0.7000", "to", "0.8000", "0.5000", "1.0000"] in shown
    assert ["random", "encoder", "0.2500", "0.2000", "to", "0.3000", "0.2400", "0.9000"] in shown
    assert ["largest", "class", "0.1250"] in shown
    assert ["k", "20,", "converged", "True"] in shown
    assert ["knn", "on", "10", "test", "samples", "(given),", "learnt", "from", "30"] in shown


def test_records_of_an_evaluation_are_tables_with_a_row_for_each_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    records: list[dict[str, Any]] = [
        {"clusters": k, "nmi": {"mean": 0.5, "deviation": 0.01}, "interval": (0.4, 0.6), "costs": (0.1, 1.0)}
        for k in (10, 100)
    ]
    row = {"value": 0.25, "interval": (0.2, 0.3), "agreement": records[:1]}
    result = Evaluated("clustering", "runs/a", "matched_accuracy", 0.75, (0.7, 0.8), {"raw_input": 0.25}, 30, 10, 0,
                       "given", {"agreement": records, "seeds": 5}, {"raw_input": row})  # fmt: skip
    shown = [line.split() for line in lines(capsys, result)]
    assert ["matched", "accuracy", "95", "%", "interval"] in shown
    assert ["runs/a", "10", "0.500", "±", "0.010", "0.4000", "to", "0.6000", "0.1000,", "1.0000"] in shown
    assert ["100", "0.500", "±", "0.010", "0.4000", "to", "0.6000", "0.1000,", "1.0000"] in shown
    assert ["raw", "input", "10", "0.500", "±", "0.010", "0.4000", "to", "0.6000", "0.1000,", "1.0000"] in shown


def test_means_of_an_evaluation_are_a_table_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    ours = {"ami": {"mean": 0.5, "deviation": 0.01}, "nmi": {"mean": 0.75, "deviation": 0.0}, "heads": 3}
    row = {"value": 0.0, "interval": (0.0, 0.1), "ami": {"mean": 0.0, "deviation": 0.02}}
    row["nmi"] = {"mean": 0.3, "deviation": 0.0}
    result = Evaluated("labels", "runs/a", "adjusted_mutual_information", 0.5, (0.4, 0.6), {"random_labels": 0.0}, 30,
                       10, 0, "given", ours, {"random_labels": row})  # fmt: skip
    shown = [line.split() for line in lines(capsys, result)]
    assert ["figures"] in shown and ["ami", "nmi"] in shown and ["heads", "3"] in shown
    assert ["runs/a", "0.500", "±", "0.010", "0.750", "±", "0.000"] in shown
    assert ["random", "labels", "0.000", "±", "0.020", "0.300", "±", "0.000"] in shown


def test_embeddings_at_a_glance_are_a_line_each_and_the_layer_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    sane = Sanity(3000, 256, 0.0, 12.345, 0.6, (0.01, 0.1, 0.2, 0.3, 0.5), 0.75, 2, 0.125)
    none = Sanity(4, 256, 1.0, None, None, None, None, 0, None)
    result = Evaluated("knn", "runs/a", "accuracy", 0.75, (0.7, 0.8), {}, 30, 10, 0, "given", {}, {}, 2, sane, none)
    shown = "\n".join(lines(capsys, result))
    assert "learnt from 30, layer 2 of the projector" in shown
    assert "data: 3,000 x 256, 0.00% not finite, norm 12.3 ± 0.6, deviations 0.01 to 0.5, median 0.2" in shown
    assert "mean cosine 0.750, 2 duplicates, largest class 12.5%" in shown.replace("\n", " ").replace("  ", " ")
    assert "test samples: 4 x 256, 100.00% not finite, 0 duplicates" in shown
    healthy = Healthy("health", "runs/a", 64, {"rankme_layer": 2}, {}, [], 0, {"zipf_clusters": 100}, 1, sane)
    shown = "\n".join(lines(capsys, healthy))
    assert "no labels, layer 1 of the projector" in shown and "data: 3,000 x 256" in shown
    assert ["rankme", "layer", "2"] in [line.split() for line in shown.splitlines()]
    plain = Healthy("health", "runs/a", 64, {"rankme": 3.0, "rankme_layer": 0, "duplicates": 0}, {}, [], 0,
                    {})  # fmt: skip
    shown = "\n".join(lines(capsys, plain))
    assert "layer" not in shown and "duplicates" in shown, "of what is plain where there is one layer; a 0 is a figure"


def test_health_has_a_row_for_each_figure_and_says_its_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    result = Healthy("health", "runs/a", 64, {"rankme": 7.5}, {"random_encoder": {"rankme": 2.0}}, ["It collapsed."], 0,
                     {"zipf_clusters": 100})  # fmt: skip
    shown = lines(capsys, result)
    assert ["rankme", "7.5000", "2.0000"] in [line.split() for line in shown]
    assert shown[-2:] == ["zipf clusters 100", "It collapsed."]


def test_a_long_list_says_how_long_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [{"path": f"{place}.png", "reason": "empty"} for place in range(30)]
    shown = "\n".join(lines(capsys, Inspected("images", 1234, None, skipped)))
    assert "1,234" in shown and "the first 20 of 30" in shown and "19.png" in shown and "20.png" not in shown


def test_text_of_values() -> None:
    assert text(1e5) == "1e+05" and text(-9999.5) == "-9999.5000"
    assert text(3.2e-5) == "3.2e-05" and text(0.0) == "0.0000" and text((0.1, 1e-6)) == "0.1000, 1e-06"
    assert text({"a_b": 1.0, "c": (1, 2)}) == "a b 1.0000  c 1, 2"
    assert text(True) == "True" and text(12345) == "12,345" and text(None) == "None"
