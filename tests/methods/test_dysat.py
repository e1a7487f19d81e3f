"""DySAT's loss against the equation on its own draws, its draws over processes, and the official cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unlabeled import chance
from unlabeled.data.temporal_graphs import open_snapshots, southern_women
from unlabeled.encoders.temporal_graphs import Attention, NodeTable, SelfAttention
from unlabeled.methods import dysat as module
from unlabeled.methods.dysat import DySAT
from unlabeled.training.method import Batch


def prepared(encoder: Any = None, **options: Any) -> DySAT:
    samples = southern_women()
    chance.seed_torch(0, chance.INITIALISATION)
    small = {"structural_widths": (8,), "structural_heads": (2,), "temporal_widths": (8,), "temporal_heads": (2,)}
    encoder = encoder or SelfAttention(18, 14, Attention(structural_dropout=0.0, temporal_dropout=0.0, **small))  # type: ignore[arg-type]
    method = DySAT(encoder, **{"num_walks": 3, "walk_length": 8, "context_size": 3} | options)
    method.prepare(samples)
    return method


def batch(nodes: list[int]) -> Batch:
    return Batch(torch.tensor(nodes), torch.tensor(nodes))


@pytest.mark.parametrize("layers", [0, 2])
def test_the_loss_is_the_equation_on_its_draws(layers: int) -> None:
    """With a head, of what the head makes of every embedding."""
    options = {"num_positives": 3, "num_negatives": 5, "negative_weight": 0.1, "weight_decay": 0.01}
    method = prepared(projection_layers=layers, **options).double()
    nodes = [4, 0, 17, 9]
    method.before_step(2)
    found, valid, negatives = method._drawn(np.array(nodes))
    assert found.shape == valid.shape == (14, 4, 3) and negatives.shape == (14, 5)
    with torch.no_grad():
        e = method.encoder(method.graph).numpy()
    if layers:
        first, last = method.projector[0][0], method.projector[1]
        w, b, v, c = (each.detach().numpy() for each in (first.weight, first.bias, last.weight, last.bias))
        e = np.maximum(e @ w.T + b, 0) @ v.T + c
    expected = 0.0
    for t in range(14):
        agree, apart = [], []
        for place, v in enumerate(nodes):
            for u, ok in zip(found[t, place], valid[t, place], strict=True):
                if ok:
                    agree.append(np.log1p(np.exp(-e[u, t] @ e[v, t])))
                    apart += [np.log1p(np.exp(e[n, t] @ e[v, t])) for n in negatives[t]]
        expected += np.mean(agree) + 0.1 * np.mean(apart) if agree else 0.0
    layer = method.encoder.structural[0]
    expected += 0.005 * sum(part.square().sum().item() for part in (layer.weight, layer.to_query, layer.to_key))
    assert method.loss(batch(nodes)).item() == pytest.approx(expected, rel=1e-9)


def test_positives_and_negatives_are_numbers_of_their_own() -> None:
    few, many = prepared(num_positives=2), prepared(num_positives=7)
    assert (few._drawn(np.arange(4))[2] == many._drawn(np.arange(4))[2]).all()
    assert few._drawn(np.arange(4))[0].shape[2] == 2 and many._drawn(np.arange(4))[0].shape[2] == 7


@pytest.mark.parametrize("idle", [False, True])
def test_idle_nodes_are_pushed_away_where_it_is_asked_for(idle: bool) -> None:
    method = prepared(num_negatives=400, smoothing=0.0, idle_negatives=idle)
    seen, busy = set(range(18)), set(np.unique(np.concatenate(southern_women().links(13)[:2])))
    assert busy < seen
    assert set(method._drawn(np.arange(4))[2][13]) == (seen if idle else busy)


def test_processes_share_negatives_and_split_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    method = prepared()
    nodes = np.random.default_rng(0).permutation(18)[:12]
    whole = method._drawn(nodes)
    monkeypatch.setattr(module, "world_size", lambda: 2)
    parts = []
    for number in range(2):
        monkeypatch.setattr(module, "rank", lambda number=number: number)
        parts.append(method._drawn(nodes[number * 6 :][:6]))
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts], 1), whole[0])
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts], 1), whole[1])
    assert all((part[2] == whole[2]).all() for part in parts)


def test_a_step_decides_its_draws() -> None:
    method = prepared()
    drawn = []
    for step in (0, 1, 0):
        method.before_step(step)
        drawn.append(method._drawn(np.arange(18)))
    assert (drawn[0][0] == drawn[2][0]).all() and (drawn[0][0] != drawn[1][0]).any()
    assert (drawn[0][2] != drawn[1][2]).any()


def test_contexts_are_neighbours_that_walks_can_reach() -> None:
    method = prepared(num_positives=40)
    found, valid, _ = method._drawn(np.arange(18))
    together = southern_women().links(3)
    there = set(together[0].tolist()) | set(together[1].tolist())
    for node in range(18):
        met = set(found[3, node][valid[3, node]].tolist())
        assert met <= there - {node} and bool(met) == (node in there)


def test_a_table_learns_what_walks_say() -> None:
    """DeepWalk: after training, a node is nearer to those it met than to those it did not."""
    samples = southern_women().aggregate()
    table = NodeTable(18, 1, 8)
    method = DySAT(table, num_walks=5, walk_length=10, weight_decay=0.0, learning_rate=0.05)
    method.prepare(samples)
    plan, nodes = method.optimizer(18, 60), batch(list(range(18)))
    losses = []
    for step in range(60):
        method.before_step(step)
        plan.optimizer.zero_grad()
        loss = method.loss(nodes)
        loss.backward()
        plan.optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(2 * np.log(2), rel=1e-2) and losses[-1] < losses[0]


@pytest.mark.parametrize(
    "options",
    [{"walk_length": 1}, {"num_negatives": 0}, {"learning_rate": 0.0}, {"smoothing": -1.0}, {"projection_layers": -1}],
)
def test_numbers_outside_their_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="take"):
        prepared(**options)


def notebook_slices(rows: list[tuple[str, str, int]]) -> list[set[tuple[str, str]]]:
    """The official notebook's rule for Enron, event by event: halves of whole thirties of whole days, ends merged."""
    day = 24 * 60 * 60
    start = min(time for *_, time in rows) + 200 * day
    end = max(time for *_, time in rows) - 200 * day
    slices: dict[int, set[tuple[str, str]]] = {}
    for one, other, time in rows:
        days = (min(time, end) - start) // day
        slices.setdefault(max(0, days // 30 // 2), set()).add((min(one, other), max(one, other)))
    return [slices.get(number, set()) for number in range(max(slices) + 1)]


def test_snapshots_are_cut_as_the_official_notebook_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = (10**9 + np.sort(rng.integers(0, 1300 * 86400, 600))).tolist()
    rows = [(f"p{a}", f"p{b}", time) for (a, b), time in zip(rng.integers(0, 30, (600, 2)), times, strict=True)]
    path = tmp_path / "mails.csv"
    path.write_text("source,target,time\n" + "".join(f"{a},{b},{time}\n" for a, b, time in rows))
    found = open_snapshots(path, None, "60d", "200d", "200d", "merge", held_out=0)
    expected = notebook_slices(rows)
    assert found.count == len(expected) == 15
    for number, pairs in enumerate(expected):
        source, target, _ = found.links(number)
        names = [(found.names[a], found.names[b]) for a, b in zip(source, target, strict=True)]
        assert {(min(pair), max(pair)) for pair in names} == pairs and len(names) == len(pairs)
    met = [{end for pairs in expected[: number + 1] for pair in pairs for end in pair} for number in range(15)]
    assert found.nodes.tolist() == [len(each) for each in met]
    assert found.weight.sum() == 600
