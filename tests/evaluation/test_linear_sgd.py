"""The linear-sgd protocol on real digits: selection, chance, and the encoder left alone."""

from typing import Any

import numpy as np
import pytest
import torch

from digits import digits
from unlabeled.encoders.images import image_encoder
from unlabeled.errors import UserError
from unlabeled.evaluation.classified import classified
from unlabeled.evaluation.extraction import encode_with, extract
from unlabeled.evaluation.features import Features
from unlabeled.evaluation.fitting import Recipe, fit_heads, scores_of
from unlabeled.evaluation.linear_sgd import linear_sgd
from unlabeled.evaluation.raw import RawViews, raw_features
from unlabeled.evaluation.split import held_out
from unlabeled.modalities import raw_pixels
from unlabeled.views import images


def identity(rows: torch.Tensor) -> torch.Tensor:
    return rows


def asked(train: int = 400, shuffled: bool = False) -> tuple[Any, Any, Features, Features]:
    """Digits by their pixels, which SGD learns in seconds: samples, raw views, and the plain features of both sets."""
    samples, tested = digits(train)
    tested = tested.subset(np.arange(300))
    features, test = (raw_features(each, raw_pixels) for each in (samples, tested))
    if shuffled:
        features = Features(features.embeddings, features.ids, np.random.default_rng(0).permutation(features.labels))
    return samples, RawViews(images.crop(8), raw_pixels), features, test


def test_the_last_head_is_judged_on_plain_views():
    samples, views, train, test = asked()
    recipe = Recipe(epochs=6, batch_size=50, seed=2)
    found = linear_sgd(identity, samples, views, train, test, recipe, [0.2])
    width = train.embeddings.shape[1]
    head = fit_heads(lambda v: [v], [width], [0.2], samples, train.labels, 10, views, recipe, "alone")[0][0]
    expected = classified(scores_of(head, test.embeddings), train.labels, test.labels)
    assert (found.value, found.top5, found.per_class) == (expected.value, expected.top5, expected.per_class)
    assert found.value > 0.4, "ten times chance"
    assert (found.selected_on, found.learning_rates, found.n_fitted) == ("nothing", [], 400)
    assert (found.steps, found.batch_size, found.epochs) == (48, 50, 6)


def test_the_learning_rate_is_chosen_on_validation_samples_only():
    samples, views, train, test = asked()
    recipe, rates = Recipe(epochs=5, batch_size=60, seed=1), [1e-6, 0.3, 1e6]
    found = linear_sgd(identity, samples, views, train, test, recipe, rates)
    assert found.learning_rate == 0.3 and found.selected_on == "validation"
    kept_back = held_out(train.labels, 0.1, 1)
    assert found.n_fitted == 400 - kept_back.sum()
    fitted = samples.subset(np.flatnonzero(~kept_back))
    labels = train.labels[~kept_back]
    head = fit_heads(lambda v: [v], [768], [0.3], fitted, labels, 10, views, recipe, "alone")[0][0]
    held = scores_of(head, train.embeddings[kept_back]).argmax(1) == train.labels[kept_back]
    assert found.learning_rates[1].validation_accuracy == held.mean()
    assert found.value == (scores_of(head, test.embeddings).argmax(1) == test.labels).mean()
    wrong = Features(test.embeddings, test.ids, np.random.default_rng(0).permutation(test.labels))
    other = linear_sgd(identity, samples, views, train, wrong, recipe, rates)
    assert other.learning_rates == found.learning_rates and other.value < 0.2


def test_shuffled_labels_are_at_chance():
    samples, views, train, test = asked(shuffled=True)
    found = linear_sgd(identity, samples, views, train, test, Recipe(epochs=6, batch_size=50), [0.2])
    assert found.interval[0] < 0.13


def test_the_encoder_and_its_batch_norm_are_untouched_to_the_bit():
    samples, tested = digits(80)
    torch.manual_seed(0)
    network = image_encoder("small_resnet", 8)
    encode = encode_with(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    train, test = (extract(encode, each, images.plain(8)).features().of(each) for each in (samples, tested))
    linear_sgd(encode, samples, images.crop(8), train, test, Recipe(epochs=3, batch_size=20), [0.1, 1.0])
    after = network.state_dict()
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_it_repeats_itself_and_the_workers_change_nothing():
    samples, views, train, test = asked(100)
    first, second, other = (
        linear_sgd(identity, samples, views, train, test, Recipe(epochs=4, batch_size=30, seed=seed, workers=workers))
        for seed, workers in ((0, 0), (0, 1), (1, 0))
    )
    assert first == second != other


def test_classes_of_one_sample_cannot_choose():
    samples, views, train, test = asked(40)
    first = np.unique(train.labels, return_index=True)[1]
    with pytest.raises(UserError, match="no class has two: give one --learning-rate"):
        linear_sgd(identity, samples, views, train.rows(first), test, Recipe(), [0.1, 0.2])
