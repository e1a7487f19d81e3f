"""Probes of a network against a loop written out in plain torch."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from battery.processes import run_in_processes
from digits import digits
from unlabeled import chance
from unlabeled.encoders.images import ImageEncoder, Stage, image_encoder
from unlabeled.errors import UserError
from unlabeled.evaluation.fitting import Recipe
from unlabeled.evaluation.probes import Probed, fitted_probes, probes
from unlabeled.views import images

SHORT = Recipe(epochs=6, batch_size=30, weight_decay=0.01, seed=3, nesterov=False)


def encoder_of(seed: int = 0) -> ImageEncoder:
    torch.manual_seed(seed)
    return image_encoder("small_resnet", 8).eval()


def data(count: int = 90, tested: int = 60) -> tuple[tuple[Any, Any], tuple[np.ndarray, np.ndarray]]:
    train, test = digits(count)
    test = test.subset(np.arange(tested))
    return (train, test), (train.labels, test.labels)


def found(encoder: ImageEncoder, recipe: Recipe = SHORT, rate: float = 0.01, **change: Any) -> dict[str, Probed]:
    samples, labels = change.pop("data", data())
    looks = change.pop("looks", {"trained": encoder.stages, "raw_input": pixels})
    judged = change.pop("judged", [(images.plain(8), 7), (images.TenCrops(8), 3)])
    return probes(looks, samples, labels, images.crop(8), judged, recipe, rate)


def pixels(views: torch.Tensor) -> list[Stage]:
    return [Stage("pixels", views, "average")]


def look_at(encoder: ImageEncoder, stage: int, views: list[np.ndarray]) -> torch.Tensor:
    """The map of one stage, layer by layer."""
    x = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
    with torch.no_grad():
        for layer in list(encoder.network)[: 3 + stage]:
            x = layer(x)
    return x


def written_out(encoder: ImageEncoder, stage: int, rate: float) -> tuple[nn.BatchNorm2d, nn.Conv2d]:
    """One stage fitted by itself."""
    (train, _), (labels, _) = data()
    view = images.crop(8).view
    channels, side = look_at(encoder, stage, [np.zeros((8, 8, 3), np.float32)]).shape[1:3]
    norm, convolution = nn.BatchNorm2d(channels, affine=False), nn.Conv2d(channels, 10, side)
    bound = np.sqrt(6 / sum(nn.init._calculate_fan_in_and_fan_out(convolution.weight)))
    first = chance.generator(3, chance.INITIALISATION, stage).uniform(-bound, bound, (10, channels * side**2))
    with torch.no_grad():
        convolution.weight.copy_(torch.from_numpy(first).view_as(convolution.weight))
        convolution.bias.zero_()
    groups = [{"params": [convolution.weight], "weight_decay": 0.01}, {"params": [convolution.bias]}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9)
    for step in range(18):  # 6 epochs of 90 samples in batches of 30; it falls after 5, 10 and 15 of 18 steps
        epoch, start = step // 3, step % 3 * 30
        places = chance.order(3, epoch, 90)[start : start + 30]
        seen = [view(train.read(p), chance.generator(3, chance.VIEWS, epoch, int(p), 0)) for p in places]
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.1 ** sum(step >= fall for fall in (5, 10, 15))
        optimizer.zero_grad()
        scores = convolution(norm(look_at(encoder, stage, seen))).flatten(1)
        cross_entropy(scores, torch.from_numpy(labels[places])).backward()
        optimizer.step()
    return norm.eval(), convolution


def test_every_stage_is_fitted_as_the_written_out_loop_does() -> None:
    encoder, (train, _), (labels, _) = encoder_of(), *data()
    probing = fitted_probes({"trained": encoder.stages}, train, labels, images.crop(8), SHORT, 0.03)
    for number, probe in enumerate(probing.probes["trained"]):
        norm, convolution = written_out(encoder, number, 0.03)
        torch.testing.assert_close(probe.norm.running_mean, norm.running_mean, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(probe.linear.weight, convolution.weight.flatten(1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(probe.linear.bias, convolution.bias, rtol=1e-4, atol=1e-5)
        assert probe.linear.bias.abs().max() > 0.01


def test_stages_are_judged_on_the_plain_view_and_on_the_mean_over_ten_crops() -> None:
    encoder, (_, test), (_, labels), rng = encoder_of(), *data(), np.random.default_rng(0)
    stages = found(encoder, rate=0.03)["trained"].stages
    assert [each.stage for each in stages] == ["stem", "stage1", "stage2", "stage3", "stage4"]
    assert [(each.channels, each.side, each.values) for each in stages] == [
        (32, 4, 512), (32, 4, 512), (64, 2, 256), (128, 1, 128), (256, 1, 256),
    ]  # fmt: skip
    for number, each in enumerate(stages):
        norm, convolution = written_out(encoder, number, 0.03)
        for view, accuracy in ((images.plain(8).view, each.accuracy), (images.TenCrops(8).view, each.crops_accuracy)):
            seen = [view(test.read(place), rng).reshape(-1, 8, 8, 3) for place in range(len(test))]
            rows = [convolution(norm(look_at(encoder, number, list(views)))).mean(0).flatten() for views in seen]
            right = torch.stack(rows).argmax(1).numpy() == labels
            # by another order of the sums one of 60 samples may fall to the other side
            assert accuracy == pytest.approx(right.mean(), abs=1 / 60 + 1e-9)


def test_the_value_is_the_last_stage_not_the_best() -> None:
    result = found(encoder_of())["trained"]
    last = result.stages[-1]
    assert (result.value, result.interval) == (last.accuracy, last.interval)
    assert result.value < max(each.accuracy for each in result.stages), "this network's best stage is another"
    assert result.interval[0] < result.value < result.interval[1]
    assert (result.n_train, result.n_test, result.classes, result.steps, result.batch_size) == (90, 60, 10, 18, 30)


def test_networks_do_not_see_each_other_and_a_call_repeats() -> None:
    both, again = found(encoder_of()), found(encoder_of())
    assert both == again
    alone = found(encoder_of(), looks={"raw_input": pixels}, judged=[(images.plain(8), 7)])["raw_input"]
    assert (alone.value, alone.per_class) == (both["raw_input"].value, both["raw_input"].per_class)
    assert alone.stages[0].crops_accuracy is None


def test_the_network_ends_as_it_began() -> None:
    encoder = encoder_of()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found(encoder)
    after = encoder.state_dict()
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not encoder.training and all(each.grad is None for each in encoder.parameters())


def test_shuffled_labels_give_chance() -> None:
    samples, (labels, test_labels) = data(400, 300)
    shuffled = np.random.default_rng(0).permutation(labels)
    recipe, plain = Recipe(epochs=6, batch_size=20, nesterov=False), [(images.plain(8), 64)]
    real, wrong = (
        found(encoder_of(), recipe, 0.1, data=(samples, (answers, test_labels)), judged=plain)["trained"].stages
        for answers in (labels, shuffled)
    )
    assert np.mean([each.accuracy for each in wrong]) < 0.15 < 0.45 < np.mean([each.accuracy for each in real])


def in_processes() -> list[tuple[float, float | None]]:
    return [(each.accuracy, each.crops_accuracy) for each in found(encoder_of(), rate=0.03)["trained"].stages]


def test_two_processes_find_what_one_does() -> None:
    alone = in_processes()
    for there in run_in_processes(in_processes, 2):
        np.testing.assert_allclose(there, alone, atol=1 / 60 + 1e-9)


def test_a_network_without_finite_maps_is_right_about_nothing() -> None:
    looks = {"trained": lambda views: [Stage("broken", views * float("nan"), "average")], "raw_input": pixels}
    both = found(encoder_of(), looks=looks)
    assert both["trained"].value == 0 < both["raw_input"].value
    with pytest.raises(UserError, match="probes ended with weights that are not finite numbers"):
        found(encoder_of(), looks={"trained": looks["trained"]})


@pytest.mark.parametrize(
    ("recipe", "rate", "said"),
    [
        (Recipe(batch_size=1), 0.01, "at least 2 samples a process for their batch norm, got 1; raise --batch-size"),
        (SHORT, 0.0, "--learning-rate takes numbers above 0"),
    ],
)
def test_what_cannot_be_fitted_is_said(recipe: Recipe, rate: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        found(encoder_of(), recipe, rate)
