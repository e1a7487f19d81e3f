"""RotNet: both cross-entropies written out, and the labels of another run."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from battery.small import session
from unlabeled.errors import UserError
from unlabeled.methods.rotnet import RotNet
from unlabeled.methods.sela import SeLa
from unlabeled.training.loader import Steps
from unlabeled.training.method import Batch
from unlabeled.training.pretraining import Session


def surprise(logits: np.ndarray, label: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[label])


def parts(one: Session) -> tuple[float, Batch, np.ndarray]:
    """The loss on the first batch, the batch, and its features in float64."""
    batch, method = Steps(one.samples, one.views, 0, 16)[0].batch, one.loop.method
    with torch.no_grad():
        return float(method.loss(batch)), batch, method.encoder(batch.views).double().numpy()


def turning(one: Session, features: np.ndarray) -> float:
    """Row v B + i is view v of sample i, and its way is v."""
    weight, bias = (p.detach().double().numpy() for p in one.loop.method.turn.parameters())
    return float(np.mean([surprise(weight @ x + bias, row // 16) for row, x in enumerate(features)]))


def test_alone_it_says_which_way_each_view_was_turned(tmp_path: Path) -> None:
    one = session(RotNet, tmp_path / "run")
    loss, batch, features = parts(one)
    assert len(features) == 64 and torch.equal(torch.rot90(batch.views[:16], 2, (2, 3)), batch.views[32:48])
    assert loss == pytest.approx(turning(one, features), rel=1e-5)
    assert loss == pytest.approx(math.log(4), rel=0.15)


def test_with_labels_the_unrotated_view_alone_has_them(tmp_path: Path) -> None:
    labelled = session(SeLa, tmp_path / "labelled", steps=2, clusters=6, heads=3)
    labelled.train()
    one = session(RotNet, tmp_path / "run", steps=4, labels_from=str(tmp_path / "labelled"))
    loss, batch, features = parts(one)
    weight, bias = (p.detach().double().numpy() for p in one.loop.method.classifiers.parameters())
    table = labelled.loop.method.labels
    labels = [
        surprise(weight[6 * t : 6 * t + 6] @ features[row] + bias[6 * t : 6 * t + 6], int(table[t, place]))
        for t in range(3)
        for row, place in enumerate(batch.index.tolist())
    ]
    assert loss == pytest.approx(turning(one, features) + np.mean(labels), rel=1e-5)
    one.train()
    assert torch.equal(one.loop.method.labels, table), "they never change"
    resumed = session(RotNet, tmp_path / "run", steps=4, labels_from=str(tmp_path / "labelled"), resume=True)
    assert torch.equal(resumed.loop.method.labels, table)


def test_mistakes(tmp_path: Path) -> None:
    for arguments, sentence in (
        ({"warmup": 2.0}, "within 0 and 1"),
        ({"weight_decay": -1.0}, "no less than 0"),
        ({"labels_from": str(tmp_path / "gone")}, "no run at"),
    ):
        with pytest.raises(UserError, match=sentence):
            session(RotNet, tmp_path / "run", **arguments)
    method = session(RotNet, tmp_path / "run").loop.method
    with pytest.raises(UserError, match="needs 4 views a sample and got 2"):
        method.loss(Batch(torch.rand(8, 3, 8, 8), torch.arange(4)))
