"""SeLa: labels of another run, arguments that are refused, and what balance is for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unlabeled
from battery.small import digits, session
from unlabeled.errors import UserError
from unlabeled.methods.sela import SeLa
from unlabeled.run import Run


def test_another_runs_labels_are_learnt_as_they_are(tmp_path: Path) -> None:
    first = session(SeLa, tmp_path / "first", steps=2, clusters=6, heads=2)
    first.train()
    labels = first.loop.method.labels
    second = session(SeLa, tmp_path / "second", labels_from=str(tmp_path / "first"), steps=5, seed=1)
    assert second.loop.method.classifiers.out_features == 12
    second.train()
    assert torch.equal(second.loop.method.labels, labels) and second.loop.method.when == {}
    weights = [one.loop.method.encoder.state_dict() for one in (first, second)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_number_of_clusters_that_the_labels_do_not_have_is_refused(tmp_path: Path) -> None:
    session(SeLa, tmp_path / "first", steps=1, clusters=6).train()
    with pytest.raises(UserError, match="has 6 clusters; leave --clusters 5 out"):
        session(SeLa, tmp_path / "run", labels_from=str(tmp_path / "first"), clusters=5)


def test_labels_of_other_data_or_of_none_are_refused(tmp_path: Path) -> None:
    from battery.hooks import Plain

    session(SeLa, tmp_path / "other", steps=1, data=digits(48)).train()
    session(Plain, tmp_path / "plain", steps=1).train()
    for name, sentence in {"other": "other data", "plain": "no labels", "gone": "no run at"}.items():
        with pytest.raises(UserError, match=sentence):
            session(SeLa, tmp_path / "run", labels_from=str(tmp_path / name))


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"clusters": 65}, "more than the 64 samples"),
        ({"clusters": 0}, "at least 1"),
        ({"heads": 0}, "at least 1"),
        ({"strength": 0.0}, "above 0"),
        ({"tolerance": 0.0}, "above 0"),
        ({"relabellings": -1}, "at least 0"),
        ({"marginals": (1.0, 1.0)}, "each of the 10 clusters"),
        ({"marginals": (0.0,) * 10}, "above 0"),
        ({"marginals": (0.5, 0.3), "clusters": 2}, "of sum 1 or whole numbers, got 2 of sum 0.8"),
        ({"warmup": 2.0}, "within 0 and 1"),
        ({"weight_decay": -1.0}, "no less than 0"),
    ],
)
def test_mistakes(arguments: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        session(SeLa, tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_as_many_clusters_as_samples(tmp_path: Path) -> None:
    method = session(SeLa, tmp_path / "run", clusters=64, strength=50.0).loop.method
    method.relabel(0)
    assert len(set(method.labels[0].tolist())) > 55


# --- what the constraint is for -------------------------------------------------------------------------------------


def trained(folder: Path, assignment: str, **settings: Any) -> dict[str, float]:
    """The figures after forty steps on digits, relabelled before every fourth."""
    data = digits(256)
    options = {"clusters": 16, "relabellings": 11, "relabel_schedule": "linear", "optimizer": "adamw"}
    options |= {"learning_rate": 0.02, "decay": "cosine", "steps": 40, "batch_size": 32, "strength": 10.0}
    one = session(SeLa, folder, data=data, assignment=assignment, **(options | settings))
    one.train()
    return one.loop.method.figures()


def test_without_the_constraint_clusters_collapse_and_with_it_all_are_used(tmp_path: Path) -> None:
    free, balanced = (trained(tmp_path / name, name) for name in ("argmax", "transport"))
    assert free["relabellings"] == balanced["relabellings"] == 10
    assert balanced["clusters_used"] == 16 and balanced["size_entropy"] > 0.95
    assert free["clusters_used"] <= 4 and free["size_entropy"] < 0.4


@pytest.mark.slow
def test_learnt_labels_tell_photographs_apart_better_than_the_transport_alone(tmp_path: Path) -> None:
    """A minute on the built-in sample, judged on the other sides of the photographs (section 9, on 2 CPU cores)."""
    run = unlabeled.pretrain(
        "sela", out=tmp_path / "run", max_steps=92, batch_size=128, clusters=32, strength=10.0, relabellings=9,
        relabel_schedule="linear", optimizer="adamw", learning_rate=0.002, decay="cosine", views={"level": 4},
    )  # fmt: skip
    found = unlabeled.evaluate("labels", run)
    assert found.interval[0] > found.baselines["random_encoder"] + 0.1
    assert abs(found.baselines["random_labels"]) < 0.05 and found.details["used"] >= 28
    figures = Run.open(tmp_path / "run").metrics()
    assert all(line["clusters_used"] == 32 for line in figures)
    assert [line["labels_changed"] for line in figures][-1] < figures[0]["labels_changed"]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "imbalanced"), [(0, False), (1, False), (2, False), (0, True)])
def test_learnt_labels_tell_digits_apart(seed: int, imbalanced: bool, tmp_path: Path) -> None:
    """Above the transport on a random encoder by every seed, and where half of one class is missing (section 9).

    k-means on the pixels of digits is better still: they hardly move, and a network of so few steps is no match.
    """
    pictures, answers = digits(1797)
    kept = np.ones(len(answers), bool)
    kept[np.flatnonzero(answers == 3)[::2]] = not imbalanced
    data = pictures[kept], answers[kept]
    run = unlabeled.pretrain(
        "sela", data=data, out=tmp_path / "run", max_steps=300, batch_size=64, clusters=32, strength=10.0, seed=seed,
        relabellings=12, relabel_schedule="linear", optimizer="adamw", learning_rate=0.004, decay="cosine", workers=0,
        views={"level": 2, "crop_area": (0.5, 1.0)},
    )  # fmt: skip
    found = unlabeled.evaluate("labels", run, data=data)
    assert found.interval[0] > found.baselines["random_encoder"] + 0.1
    assert abs(found.baselines["random_labels"]) < 0.05 and found.details["used"] == 32
