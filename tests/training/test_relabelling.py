"""Times of relabelling against the official loop written out; assignments against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.training import relabelling
from unlabeled.training.relabelling import (
    RELABEL_HEADS,
    RELABEL_SCHEDULES,
    HeadLogits,
    Task,
    argmax,
    by_kmeans,
    evenly,
    quadratic,
    random_balanced,
    sizes_entropy,
    steps_of,
    transport,
)


def test_the_published_schedules() -> None:
    """ImageNet: 100 times in 401 epochs, 5 in the first, 16 in ten, the last past the end; CIFAR: one in an epoch."""
    times = np.array(quadratic(100, 401))
    np.testing.assert_allclose(times, 401.01 * (np.arange(100) / 99) ** 2, rtol=1e-12)
    assert [int((times < epochs).sum()) for epochs in (1, 10, 401)] == [5, 16, 99]
    times = np.array(evenly(400, 401))
    np.testing.assert_allclose(times, 401.0001 * np.linspace(0, 1, 400), rtol=1e-12)
    assert (np.diff(times) > 1).all() and (np.diff(times) < 1.01).all() and times[-1] > 401


def official(times: list[float], per_epoch: int, steps: int) -> dict[int, int]:
    """The official loop: before each batch, at most one time that has come is taken off the list."""
    found, waiting = {}, list(enumerate(times))
    for step in range(steps):
        if waiting and step / per_epoch >= waiting[0][1]:
            found[step] = waiting.pop(0)[0]
    return found


@given(
    name=st.sampled_from(sorted(RELABEL_SCHEDULES)),
    count=st.integers(0, 60),
    per_epoch=st.integers(1, 12),
    steps=st.integers(1, 90),
)
def test_steps_are_those_of_the_official_loop(name: str, count: int, per_epoch: int, steps: int) -> None:
    times = RELABEL_SCHEDULES[name](count, steps / per_epoch)
    found = steps_of(times, per_epoch, steps)
    assert found == official(times, per_epoch, steps)
    assert (0 in found) is (count > 0), "the first is before the first batch"
    assert list(found.values()) == list(range(len(found))), "none is passed over"


def test_whose_turn_it_is() -> None:
    assert [list(RELABEL_HEADS["all"](number, 3)) for number in (0, 7)] == [[0, 1, 2]] * 2
    assert [list(RELABEL_HEADS["round-robin"](number, 3)) for number in range(4)] == [[0], [1], [2], [0]]


@pytest.fixture
def head() -> HeadLogits:
    torch.manual_seed(0)
    return HeadLogits(torch.randn(90, 7), torch.randn(5, 7), torch.randn(5))


def task(head: HeadLogits, **others: Any) -> Task:
    """Ninety samples whose labels so far are 0, 1, ..., 4, 0, ..."""
    asked = {"strength": 3.0, "marginals": None, "tolerance": 1e-3, "start": torch.zeros(5)}
    asked |= {"places": torch.arange(90), "before": torch.arange(90) % 5, "rng": np.random.default_rng(0)}
    return Task(head, **(asked | others))


def test_logits_are_those_of_the_head_in_pieces_and_at_once(head: HeadLogits, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = head.features.double().numpy() @ head.weight.double().numpy().T + head.bias.double().numpy()
    held = head.held()
    assert isinstance(held, torch.Tensor)
    np.testing.assert_allclose(held.numpy(), expected, atol=1e-5)
    monkeypatch.setattr(relabelling, "ENTRIES", 400)
    assert head.held() is head and [len(each) for each in head] == [10] * 9
    np.testing.assert_allclose(torch.cat(list(head)).numpy(), expected, atol=1e-5)


def sinkhorn(logits: np.ndarray, strength: float) -> np.ndarray:
    """The official loop, in float64: labels from P^lambda with alternate scalings (section 3.3)."""
    shifted = logits - logits.max(1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    scaled, c = p.T**strength, np.full(len(p), 1 / len(p))
    for _ in range(5000):
        r = 1 / len(scaled) / (scaled @ c)
        c = 1 / len(p) / (r @ scaled)
    return (r[:, None] * scaled * c).argmax(0)


def test_transport_is_the_official_loop_in_pieces_too(head: HeadLogits, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sinkhorn(torch.cat(list(head)).double().numpy(), 3.0)
    found = transport(task(head, tolerance=1e-9))
    assert found.labels.tolist() == expected.tolist()
    assert found.labels.tolist() != argmax(task(head)).labels.tolist()
    monkeypatch.setattr(relabelling, "ENTRIES", 400)
    pieces = transport(task(head, tolerance=1e-9))
    assert torch.equal(pieces.labels, found.labels)
    torch.testing.assert_close(pieces.bias, found.bias, atol=1e-6, rtol=0)
    warm = transport(task(head, tolerance=1e-6, start=found.bias))
    assert warm.passes < found.passes and torch.equal(warm.labels, found.labels)


def test_argmax_is_numpys(head: HeadLogits) -> None:
    found = argmax(task(head, start=torch.ones(5)))
    assert found.labels.tolist() == torch.cat(list(head)).numpy().argmax(1).tolist()
    assert not found.bias.any(), "nothing balances"
    for marginals, shares in (
        (None, np.full(5, 0.2)),
        (torch.tensor([4.0, 1, 1, 1, 1]), np.array([4, 1, 1, 1, 1]) / 8),
    ):
        sizes = np.bincount(found.labels.numpy(), minlength=5) / 90
        error = argmax(task(head, marginals=marginals)).marginal_error
        assert error == pytest.approx(np.abs(sizes / shares - 1).max())


def test_logits_are_made_in_the_type_of_the_weights(head: HeadLogits) -> None:
    double = HeadLogits(head.features, head.weight.double(), head.bias.double())
    expected = head.features.double().numpy() @ head.weight.double().numpy().T + head.bias.double().numpy()
    (found,) = list(double)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14, atol=1e-14)


def test_kmeans_finds_the_groups_and_keeps_their_names() -> None:
    """Five groups in different directions: found whatever the head says, under the names that most of each had."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 5, 90)
    features = torch.from_numpy(np.eye(7)[group] + 0.05 * rng.standard_normal((90, 7))).float()
    names = np.array([3, 0, 4, 1, 2])
    before = torch.from_numpy(np.where(np.arange(90) % 3 > 0, names[group], rng.integers(0, 5, 90)))
    one = task(HeadLogits(features, torch.randn(5, 7), torch.randn(5)), before=before, start=torch.ones(5))
    found = by_kmeans(one)
    assert found.labels.tolist() == names[group].tolist() and found.labels.dtype == torch.int64
    assert not found.bias.any() and found.passes == 1
    sizes = np.bincount(group) / 90
    assert found.marginal_error == pytest.approx(np.abs(5 * sizes - 1).max())


@pytest.mark.parametrize(
    ("sizes", "expected"), [((3, 3, 3), (1.0, 3)), ((9, 0, 0), (0.0, 1)), ((4, 4, 0), (np.log(2) / np.log(3), 2))]
)
def test_evenness_of_sizes(sizes: tuple[int, ...], expected: tuple[float, int]) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    assert sizes_entropy(labels, len(sizes)) == (pytest.approx(expected[0]), expected[1])
    assert sizes_entropy(torch.zeros(5, dtype=torch.int64), 1) == (1.0, 1)


def test_random_labels_are_balanced_and_every_heads_own() -> None:
    torch.manual_seed(0)
    labels = random_balanced(103, 10, 4)
    assert labels.shape == (4, 103) and labels.dtype == torch.int64
    for one in labels:
        assert sorted(torch.bincount(one, minlength=10).tolist()) == [10] * 7 + [11] * 3
    assert len({tuple(one.tolist()) for one in labels}) == 4
    assert (labels[:, :-1] == labels[:, 1:]).double().mean() < 0.25, "they are not sorted"
