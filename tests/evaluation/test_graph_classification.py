"""Ten-fold protocols: what may be seen by whom, and the numbers themselves against a second computation."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from unlabeled.errors import UserError
from unlabeled.evaluation import fold_classifiers
from unlabeled.evaluation.fold_classifiers import CLASSIFIERS, fold_accuracy
from unlabeled.evaluation.fold_training import Training, train
from unlabeled.evaluation.folds import Fold, fair_folds, published_folds, with_validation
from unlabeled.evaluation.graph_classification import Labelled, fair, folded, frozen, published
from unlabeled.evaluation.kept_numbers import kept_numbers

LABELS = np.repeat([0, 1, 2], [50, 30, 40])
NAMES = [str(place) for place in range(120)]


def test_fair_folds_are_a_partition_and_hold_every_class_alike() -> None:
    folds = fair_folds(LABELS, 0, None, NAMES)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(120))
    for fold in folds:
        parts = [set(part.tolist()) for part in (fold.train, fold.validation, fold.test)]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        assert set().union(*parts) == set(range(120)) and len(fold.learnt) == 108
        for part, size in ((fold.test, 12), (fold.validation, 11)):
            shares = np.bincount(LABELS[part], minlength=3) / np.array([50, 30, 40]) * 120 / size
            assert abs(len(part) - size) <= 1 and (abs(shares - 1) < 0.45).all()
    again, other = fair_folds(LABELS, 0, None, NAMES), fair_folds(LABELS, 1, None, NAMES)
    assert all((a.test == b.test).all() for a, b in zip(folds, again, strict=True))
    assert any(len(a.test) != len(b.test) or (a.test != b.test).any() for a, b in zip(folds, other, strict=True))


def test_given_folds_are_taken_as_they_are_without_what_was_skipped() -> None:
    given = [
        ([n for n in NAMES if int(n) % 10 != k] + ["skipped"], [n for n in NAMES if int(n) % 10 == k])
        for k in range(10)
    ]
    folds = fair_folds(LABELS, 0, given, NAMES)
    assert all((fold.test % 10 == k).all() and len(fold.test) == 12 for k, fold in enumerate(folds))
    with pytest.raises(UserError, match="test a sample twice"):
        fair_folds(LABELS, 0, [*given[:9], given[0]], NAMES)
    with pytest.raises(UserError, match="learn from one that they test"):
        fair_folds(LABELS, 0, [(NAMES, given[0][1]), *given[1:]], NAMES)
    with pytest.raises(UserError, match="has no samples"):
        fair_folds(LABELS, 0, [(given[0][0], []), *given[1:]], NAMES)
    with pytest.raises(UserError, match="at least 20"):
        fair_folds(LABELS[:12], 0, None, NAMES[:12])


def test_published_folds_are_no_partition() -> None:
    """Trap 12: the official loop shuffles before each fold, so that about 65 % are ever validated on."""
    folds = published_folds(600, 0)
    assert all(len(held) == 60 and not set(learnt) & set(held) for learnt, held in folds)
    seen = len(np.unique(np.concatenate([held for _, held in folds])))
    assert 360 < seen < 420
    labels = np.arange(600) % 3
    for fold, (learnt, held) in zip(with_validation(folds, labels, 0), folds, strict=True):
        assert fold.learnt.tolist() == sorted(learnt.tolist()) and fold.test is held
        assert np.bincount(labels[fold.validation]).tolist() == pytest.approx([18] * 3, abs=2)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classifiers_find_what_is_there_and_nothing_where_nothing_is(classifier: str) -> None:
    rng = np.random.default_rng(0)
    told = np.eye(3)[LABELS] + 0.1 * rng.standard_normal((120, 3))
    folds = fair_folds(LABELS, 0, None, NAMES)[:3]
    assert np.mean([fold_accuracy(1e3 * told + 7, LABELS, fold, classifier).accuracy for fold in folds]) > 0.95
    noise = rng.standard_normal((120, 3))
    assert np.mean([fold_accuracy(noise, LABELS, fold, classifier).accuracy for fold in folds]) < 0.65


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_class_too_rare_to_be_learnt_is_told(classifier: str) -> None:
    labels = np.r_[1, np.zeros(59, np.int64)]
    fold = Fold(np.arange(10, 50), np.arange(50, 60), np.arange(10))
    with pytest.raises(UserError, match="of one class, as the other is too rare"):
        fold_accuracy(np.random.default_rng(0).standard_normal((60, 3)), labels, fold, classifier)


def test_fits_that_end_too_early_are_counted_and_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that nearly lie on each other take L-BFGS thousands of steps where the penalty is weak."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((120, 3)) @ rng.standard_normal((3, 12)) + 0.01 * rng.standard_normal((120, 12))
    fold = fair_folds(LABELS, 0, None, NAMES)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fold_accuracy(rows, LABELS, fold, "logistic").unconverged == 0
        monkeypatch.setattr(fold_classifiers, "STEPS", 1)
        assert fold_accuracy(rows, LABELS, fold, "logistic").unconverged == 8, "seven candidates and the chosen one"
        assert frozen(rows, LABELS, [fold, fold], "logistic").details == {"unconverged_fits": 16}
        assert frozen(rows, LABELS, [fold, fold], "svm").details == {"unconverged_fits": 0}


def test_the_test_part_chooses_nothing() -> None:
    """Other test labels may change the accuracy on them and nothing else: the answers stay."""
    rng = np.random.default_rng(0)
    rows = np.eye(3)[LABELS] + rng.standard_normal((120, 3))
    fold = fair_folds(LABELS, 0, None, NAMES)[0]
    right = fold_accuracy(rows, LABELS, fold).accuracy
    shuffled = LABELS.copy()
    found = []
    for label in range(3):
        shuffled[fold.test] = label
        found.append(fold_accuracy(rows, shuffled, fold).accuracy)
    assert sum(found) == pytest.approx(1.0), "the answers depend on the labels that they are judged by"
    assert 0 <= right <= 1


def test_mean_deviation_and_interval() -> None:
    scores = np.linspace(0.5, 0.7, 10)
    found = folded(scores.tolist())
    assert found.value == pytest.approx(0.6) and found.deviation == pytest.approx(scores.std(ddof=1))
    half = 2.2621571628 * scores.std(ddof=1) / np.sqrt(10)
    assert found.interval == pytest.approx((0.6 - half, 0.6 + half), abs=1e-5)
    rows = np.eye(3)[LABELS].astype(np.float32)
    assert frozen(rows, LABELS, fair_folds(LABELS, 0, None, NAMES), "logistic").value == 1.0


# --- training in folds ----------------------------------------------------------------------------------------------


class Rows:
    """Vectors as samples."""

    labels = LABELS

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows.astype(np.float32)

    def __len__(self) -> int:
        return len(self.rows)


class AsTheyAre:
    """Views of vectors."""

    count = 1

    def view(self, sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return sample

    def read(self, samples: Rows, place: int) -> np.ndarray:
        return samples.rows[place]

    def join(self, views: list[list[np.ndarray]]) -> torch.Tensor:
        return torch.from_numpy(np.stack([each for one in views for each in one]))


class Penalised(nn.Linear):
    """A network with a penalty, which pulls its weights to 0."""

    weighs = 0.0

    def penalty(self) -> torch.Tensor:
        return self.weighs * self.weight.square().sum()


def world(folder: Path, weighs: float = 0.0, told: bool = True) -> Labelled:
    rng = np.random.default_rng(0)
    rows = (2 * np.eye(3)[LABELS] if told else 0) + 0.3 * rng.standard_normal((120, 3))

    def fresh(number: int) -> nn.Module:
        torch.manual_seed(number)
        made = Penalised(3, 3)
        made.weighs = weighs
        return made

    return Labelled(Rows(rows), LABELS, AsTheyAre(), 3, fresh, "key", folder, 0)


def test_training_learns_and_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    what, folds = world(tmp_path), fair_folds(LABELS, 0, None, NAMES)
    how = Training(epochs=60, patience=5, learning_rate=0.02)
    curves = what.curves(folds[0].train, [folds[0].validation, folds[0].test], how, 0, "a fold")
    assert curves.accuracies.shape == (len(curves.loss), 2)
    assert (
        curves.accuracies[curves.best(), 1] > 0.9
        and curves.accuracies[curves.best(), 0] == curves.accuracies[:, 0].max()
    )
    noise = world(tmp_path / "noise", told=False)
    curves = noise.curves(folds[0].train, [folds[0].validation, folds[0].test], how, 0, "noise")
    assert len(curves.loss) < 60 and len(curves.loss) - 1 - curves.best() == 5


def test_the_epoch_is_chosen_by_accuracy_or_by_loss(tmp_path: Path) -> None:
    what, fold = world(tmp_path), fair_folds(LABELS, 0, None, NAMES)[0]
    watched = [fold.validation, fold.test]
    for stop_on in ("accuracy", "loss"):
        how = Training(epochs=80, patience=4, learning_rate=0.05, stop_on=stop_on)  # type: ignore[arg-type]
        curves = what.curves(fold.train, watched, how, 0, stop_on)
        figure = curves.accuracies[:, 0] if stop_on == "accuracy" else -curves.cross_entropy
        last = int(np.flatnonzero(figure == figure.max())[-1])
        assert curves.best(how.stop_on) == last
        assert len(figure) == 80 or len(figure) - 1 - last == 4
    torch.manual_seed(0)
    network, rows = Penalised(3, 3), Rows(np.zeros((120, 3)))  # no sample says more than another
    how = Training(epochs=1, patience=None)
    found = train(network, 3, rows, LABELS, np.arange(120), [np.arange(50)], AsTheyAre(), how, (0,), "")
    assert found.cross_entropy[0] == pytest.approx(np.log(3), abs=0.5) and found.accuracies[0, 0] in (0.0, 1.0)


def test_the_penalty_of_the_network_is_trained_too() -> None:
    def length(weighs: float) -> float:
        torch.manual_seed(0)
        network = Penalised(3, 3)
        network.weighs = weighs
        rows = Rows(np.random.default_rng(0).standard_normal((120, 3)))
        how = Training(epochs=10, learning_rate=0.01, patience=None)
        train(network, 3, rows, LABELS, np.arange(120), [np.arange(5)], AsTheyAre(), how, (0,), "")
        return network.weight.norm().item()

    assert length(10.0) < 0.2 * length(0.0)


@pytest.mark.parametrize(("samples", "batch_size"), [(5, 2), (2, 2), (3, 2), (21, 20), (120, 20), (1, 2)])
def test_no_step_of_an_epoch_has_a_single_sample(samples: int, batch_size: int) -> None:
    """Batch norm has nothing to say of one row."""
    network, sizes = Penalised(3, 3), []
    rows = Rows(np.random.default_rng(0).standard_normal((120, 3)))
    network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])) if network.training else None)
    how = Training(epochs=1, patience=None, batch_size=batch_size)
    train(network, 3, rows, LABELS, np.arange(samples), [np.arange(5)], AsTheyAre(), how, (0,), "")
    assert sum(sizes) == samples and min(sizes) >= min(2, samples) and max(sizes) <= max(batch_size, 3)


def test_fair_and_published_on_what_can_and_cannot_be_learnt(tmp_path: Path) -> None:
    """Trap 12: on noise the published protocol reads above chance, since it picks the epoch on what it reports."""
    folds = fair_folds(LABELS, 0, None, NAMES)
    how = Training(epochs=12, patience=12, learning_rate=0.05)
    told = fair(world(tmp_path / "told"), folds, how, [0.05], 1)
    assert told.value > 0.9 and len(told.folds) == 10 and told.details["repeats"] == 1
    noise = world(tmp_path / "noise", told=False)
    as_published = published(noise, published_folds(120, 0), how)
    assert as_published.value >= as_published.details["last_epoch"]
    assert len(as_published.folds) == 10
    chosen = fair(world(tmp_path / "rates"), folds, how, [1e-7, 0.05], 1)
    assert chosen.details["learning_rates"].count(0.05) >= 9


def test_finished_trainings_are_taken_up_again(tmp_path: Path) -> None:
    what, folds, how = world(tmp_path), fair_folds(LABELS, 0, None, NAMES), Training(epochs=2)
    first = fair(what, folds, how, [1e-3], 1)
    kept = sorted(tmp_path.glob("*.json"))
    assert len(kept) == 10
    kept[0].write_text("cut short")

    def never(number: int) -> nn.Module:
        made.append(number)
        return what.fresh(number)

    made: list[int] = []
    again = fair(Labelled(**(vars(what) | {"fresh": never})), folds, how, [1e-3], 1)
    assert again == first and len(made) == 1


def test_another_seed_trains_other_networks_in_the_same_folds(tmp_path: Path) -> None:
    folds, how = fair_folds(LABELS, 0, None, NAMES), Training(epochs=2)
    ours = world(tmp_path)
    for each in (ours, Labelled(**(vars(ours) | {"seed": 1}))):
        each.curves(folds[0].train, [folds[0].validation], how, 0, "a fold")
    first, second = (json.loads(file.read_text(encoding="utf-8")) for file in tmp_path.glob("*.json"))
    assert first != second


def test_numbers_outside_their_range_are_refused() -> None:
    for wrong in ({"epochs": 0}, {"patience": 0}, {"batch_size": 1}, {"learning_rate": 0.0}):
        with pytest.raises(UserError, match="takes"):
            Training(**wrong)


def test_a_loss_that_is_no_number_is_told() -> None:
    network = Penalised(3, 3)
    network.weighs = float("nan")
    rows = Rows(np.ones((120, 3)))
    with pytest.raises(UserError, match="no finite number after epoch 1"):
        train(network, 3, rows, LABELS, np.arange(9), [np.arange(3)], AsTheyAre(), Training(epochs=1), (0,), "it")


def test_numbers_are_kept_as_they_are(tmp_path: Path) -> None:
    table = [[0.1, 1 / 3], [2.0, 5e-324]]
    assert kept_numbers(tmp_path / "a" / "b.json", "a table", lambda: table) == table
    assert kept_numbers(tmp_path / "a" / "b.json", "a table", lambda: [[0.0]]) == table


def test_a_fold_is_what_it_says() -> None:
    assert Fold(np.array([3, 1]), np.array([2]), np.array([0])).learnt.tolist() == [1, 2, 3]
