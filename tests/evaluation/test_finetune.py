"""Fine-tuning against a plain torch loop, scikit-learn on frozen rows, and calls that were stopped."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn.functional import cross_entropy

from battery.processes import run_in_processes
from digits import digits
from unlabeled import chance
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError
from unlabeled.evaluation import finetune as module
from unlabeled.evaluation.extraction import encode_with
from unlabeled.evaluation.finetune import Pool, Start, Study
from unlabeled.evaluation.fitting import Recipe
from unlabeled.evaluation.raw import raw_features
from unlabeled.evaluation.shares import draw
from unlabeled.evaluation.split import held_out
from unlabeled.modalities import raw_pixels
from unlabeled.views import images


def longer(share: float) -> Recipe:
    """Enough steps for batch norm to forget how it began."""
    return Recipe(epochs=14, batch_size=20)


def network() -> nn.Module:
    torch.manual_seed(7)
    return image_encoder("small_resnet", 8)


def start(name: str = "trained", base: nn.Module | None = None) -> Start:
    base = network() if base is None else base

    def fresh() -> Any:
        copied = deepcopy(base)
        return copied, encode_with(copied)

    return Start(name, 256, fresh)


def study(folder: Path, **change: Any) -> Study:
    samples, tested = digits(150)
    tested = tested.subset(np.arange(100))
    pool = Pool(samples, samples.labels, tested, tested.labels, 10, images.crop(8), images.plain(8), 8)
    defaults: dict[str, Any] = {
        "pool": pool,
        "shares": (0.3,),
        "draws": 1,
        "learning_rates": (0.5,),
        "recipe": lambda share: Recipe(epochs=4, batch_size=20),
        "folder": folder,
        "seed": 3,
    }
    return Study(**(defaults | change))


def written_out(asked: Study, drawn: Any, rate: float) -> np.ndarray:
    """The scores that a plain loop of torch gives the test digits."""
    places, count = drawn.places, len(drawn.places)
    encoder, head = network().train(), nn.Linear(256, 10)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    both = nn.Sequential(encoder, head)
    optimizer = torch.optim.SGD(both.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    steps = round(4 * count / 20)
    for step in range(steps):
        epoch, begin = step // (count // 20), step % (count // 20) * 20
        chosen = chance.order(drawn.seed, epoch, count)[begin : begin + 20]
        rows = [
            images.crop(8).view(
                asked.pool.samples.read(places[each]),
                chance.generator(drawn.seed, chance.VIEWS, epoch, int(each), 0),
            )
            for each in chosen
        ]
        views = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)
        optimizer.param_groups[0]["lr"] = rate * 20 / 256 * (1 + np.cos(np.pi * step / steps)) / 2
        optimizer.zero_grad()
        cross_entropy(both(views), torch.from_numpy(asked.pool.labels[places][chosen])).backward()
        optimizer.step()
    both.eval()
    pictures = np.stack([asked.pool.tested.read(each) for each in range(100)]).astype(np.float32) / 255
    with torch.no_grad():
        return both(torch.from_numpy(pictures).permute(0, 3, 1, 2)).numpy()


def test_it_is_a_plain_loop_of_torch(tmp_path: Path):
    asked = study(tmp_path)
    (drawn,) = asked.drawn(0.3)
    recipe = replace(asked.recipe(0.3), seed=drawn.seed)
    scores, rows = module._scores(asked.pool, start(), drawn.places, asked.pool.tested, 0.5, recipe, "a test")
    expected = written_out(asked, drawn, 0.5)
    assert (rows == np.arange(100)).all() and np.abs(expected).max() > 0.1
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
    right = expected.argmax(1) == asked.pool.test_labels
    assert asked.tuned(start()).value == pytest.approx(right.mean(), abs=0.011)


def test_it_learns_and_leaves_what_it_started_from_alone(tmp_path: Path):
    base = network()
    before = deepcopy(base.state_dict())
    found = study(tmp_path, shares=(0.4,), draws=2, recipe=longer).tuned(start(base=base))
    assert found.value > 0.35, "chance is 0.1"
    assert found.n_train == found.shares[0].samples == 60 and found.shares[0].draws == 2
    assert found.interval[0] < found.value < found.interval[1]
    assert (found.shares[0].learning_rate, found.shares[0].selected_on) == (0.5, "nothing")
    assert all(torch.equal(base.state_dict()[name], value) for name, value in before.items())


def test_a_stopped_study_goes_on_and_makes_no_part_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = study(tmp_path / "whole", shares=(0.2, 0.1), draws=2)
    whole = asked.tuned(start())
    assert [each.share for each in whole.shares] == [0.1, 0.2]
    done, descend = [], module.descend

    def counted(*arguments: Any) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        descend(*arguments)
        done.append(arguments[-1])

    monkeypatch.setattr(module, "descend", counted)
    stopped = study(tmp_path / "stopped", shares=(0.1, 0.2), draws=2)
    with pytest.raises(KeyboardInterrupt):
        stopped.tuned(start())
    first, _ = done.copy(), done.clear()
    assert stopped.tuned(start()) == whole
    assert len(first) == 3 and len(done) == 1 and done[0] not in first
    done.clear()
    assert stopped.tuned(start()) == whole and not done
    other = replace(stopped, recipe=lambda share: Recipe(epochs=4, batch_size=20, workers=1))
    assert other.tuned(start()) == whole and not done, "workers change nothing"
    changed = network()
    with torch.no_grad():
        next(changed.parameters()).add_(1e-3)
    for other, base in ((stopped, changed), (replace(stopped, seed=4), network())):
        done.clear()
        with pytest.raises(KeyboardInterrupt):
            other.tuned(start(base=base))


def test_the_learning_rate_is_chosen_on_held_out_parts_of_the_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen, scores = [], module._scores

    def watched(pool: Pool, start: Start, places: np.ndarray, tested: Any, *rest: Any) -> Any:
        seen.append((places.tolist(), tested.names, rest[0]))
        return scores(pool, start, places, tested, *rest)

    monkeypatch.setattr(module, "_scores", watched)
    asked = study(tmp_path, shares=(0.4,), learning_rates=(1e-5, 0.5), draws=2, recipe=longer)
    found = asked.tuned(start())
    assert (found.shares[0].learning_rate, found.shares[0].selected_on) == (0.5, "validation")
    names = asked.pool.samples.names
    expected = []
    for rate in (1e-5, 0.5):
        for drawn in asked.drawn(0.4):
            back = held_out(asked.pool.labels[drawn.places], 0.2, drawn.seed)
            expected.append((drawn.places[~back].tolist(), [names[place] for place in drawn.places[back]], rate))
    assert seen[:4] == expected
    assert [each[0] for each in seen[4:]] == [each.places.tolist() for each in asked.drawn(0.4)]
    assert all(each[1] == asked.pool.tested.names and each[2] == 0.5 for each in seen[4:]), "test digits once a draw"


def test_shuffled_labels_are_at_chance(tmp_path: Path):
    asked = study(tmp_path)
    wrong = np.random.default_rng(0).permutation(asked.pool.labels)
    found = study(tmp_path, pool=replace(asked.pool, labels=wrong), shares=(0.4,), recipe=longer).tuned(start())
    assert found.value < 0.2


def test_all_samples_are_drawn_once(tmp_path: Path):
    asked = study(tmp_path, shares=(1.0, 0.1), draws=3)
    assert [len(asked.drawn(share)) for share in (1.0, 0.1)] == [1, 3]
    assert len(list((tmp_path / "draws").iterdir())) == 4


def test_frozen_rows_are_classified_as_scikit_learn_does(tmp_path: Path):
    asked = study(tmp_path, shares=(0.1, 0.6), draws=2)
    train, test = (raw_features(each, raw_pixels) for each in (asked.pool.samples, asked.pool.tested))
    found = asked.frozen(train, test)
    assert [each.selected_on for each in found.shares] == ["nothing", "validation"]
    expected = []
    for drawn in asked.drawn(0.1):
        rows, labels = train.embeddings[drawn.places], train.labels[drawn.places]
        centred, tested = rows - rows.mean(0), test.embeddings - rows.mean(0)
        centred, tested = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (centred, tested))
        theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(centred, labels)
        expected.append((theirs.predict(tested) == test.labels).mean())
    assert found.value == pytest.approx(np.mean(expected), abs=1e-9)
    assert found.shares[1].accuracy.mean > found.value, "more labels, and a chosen penalty"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"draws": 0}, "--draws takes a number of at least 1"),
        ({"shares": ()}, "--share at least one"),
        ({"shares": (0.1, 2.0)}, "--share takes shares above 0"),
        ({"learning_rates": ()}, "--learning-rate takes numbers above 0"),
        ({"recipe": lambda share: Recipe(epochs=0)}, "--epochs"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(change: dict[str, Any], said: str, tmp_path: Path):
    with pytest.raises(UserError, match=said):
        study(tmp_path, **change)


def test_too_few_samples_cannot_choose_a_learning_rate(tmp_path: Path):
    asked = study(tmp_path, shares=(0.01,), learning_rates=(0.1, 0.2))
    assert len(draw(asked.pool.labels, 0.01, 3, 0).places) == 10
    with pytest.raises(UserError, match=r"no class has two samples in 0\.01 of the data"):
        asked.tuned(start())


def test_a_learning_rate_that_is_too_high_is_said(tmp_path: Path):
    with pytest.raises(UserError, match=r"30 %, draw 1, trained, rate 1e\+06 ended with weights that are not finite"):
        study(tmp_path, learning_rates=(1e6,)).tuned(start())


def in_processes(folder: str) -> Any:
    return study(Path(folder), draws=2).tuned(start())


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path: Path):
    alone = in_processes(str(tmp_path / "one"))
    first, second = run_in_processes(in_processes, 2, str(tmp_path / "two"))
    assert first == second
    assert first.value == pytest.approx(alone.value, abs=0.021)
