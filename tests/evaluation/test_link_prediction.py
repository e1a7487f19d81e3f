"""Link prediction: examples, simple scores against networkx, choice of the epoch, figures, and steps that are kept."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from scipy.stats import chisquare, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from unlabeled.data.temporal_graphs import southern_women
from unlabeled.evaluation.link_prediction import examples as module
from unlabeled.evaluation.link_prediction.classifier import fitted_scores, pair_features, products
from unlabeled.evaluation.link_prediction.examples import Examples, candidates, examples, splits, unlinked
from unlabeled.evaluation.link_prediction.kept import kept_or_made
from unlabeled.evaluation.link_prediction.question import Asked, Queries, Question
from unlabeled.evaluation.link_prediction.scores import degree_features, simple_scores
from unlabeled.evaluation.link_prediction.step import Answer, answers, asked_before, chosen, questions
from unlabeled.evaluation.link_prediction.summary import answers_to, figures, figures_of
from unlabeled.evaluation.link_prediction.training import Epoch


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def with_self_links() -> Any:
    """The gatherings, with the first link of each turned into a link of a node to itself."""
    whole = southern_women()
    target = whole.target.copy()
    for first in whole.offsets[:-1]:
        target[first] = whole.source[first]
    return replace(whole, target=target)


def linked(snapshots: Any, t: int) -> set[tuple[int, int]]:
    source, target, _ = snapshots.links(t)
    return set(zip(source.tolist(), target.tolist(), strict=True))


@pytest.mark.parametrize("self_pairs", [False, True])
@pytest.mark.parametrize(("task", "count"), [("next", 5), ("next", 8), ("new", 5), ("new-nodes", 5)])
def test_examples_are_what_the_protocol_says(task: Any, count: int, self_pairs: bool) -> None:
    whole = with_self_links()
    given = examples(whole, count, task, generator(), 1, self_pairs)
    known, newest = whole.nodes[count - 1], whole.nodes[count - 2]
    future, before = linked(whole, count), linked(whole, count - 1)
    expected = {
        (a, b) for a, b in future
        if b < known and (self_pairs or a != b)
        and (task != "new" or (a, b) not in before) and (task != "new-nodes" or max(a, b) >= newest)
    }  # fmt: skip
    if len(expected) < 10:
        assert given is None
        return
    assert given is not None
    pairs = [tuple(pair) for pair in given.pairs.tolist()]
    assert {pair for pair, yes in zip(pairs, given.linked, strict=True) if yes} == expected
    negatives = [pair for pair, yes in zip(pairs, given.linked, strict=True) if not yes]
    possible = {(a, b) for b in range(known) for a in range(b)} - future
    if task == "new-nodes":
        possible = {(a, b) for a, b in possible if b >= newest}
    assert len(set(negatives)) == len(negatives) == min(len(expected), len(possible))
    assert set(negatives) <= possible


def test_several_snapshots_ahead() -> None:
    given = examples(southern_women(), 8, "multi-step", generator(), 4)
    assert given is not None and {tuple(pair) for pair in given.pairs[given.linked].tolist()} == linked(
        southern_women(), 11
    )


@pytest.mark.parametrize("most", [0, 10**6])
@pytest.mark.parametrize("lowest", [0, 4])
def test_negatives_are_alike_likely(monkeypatch: pytest.MonkeyPatch, most: int, lowest: int) -> None:
    """Listed and drawn: both give every pair that is not linked as often."""
    monkeypatch.setattr(module, "PAIRS", most)
    rng, counts = generator(), Counter[tuple[int, int]]()
    for _ in range(3000):
        counts.update(tuple(pair) for pair in unlinked(7, lowest, np.array([0 * 7 + 5, 2 * 7 + 6]), 2, rng).tolist())
    possible = {(a, b) for b in range(max(1, lowest), 7) for a in range(b)} - {(0, 5), (2, 6)}
    assert set(counts) == possible and chisquare(list(counts.values())).pvalue > 1e-3


def test_negatives_that_were_linked_before() -> None:
    whole = southern_women()
    given = examples(whole, 7, "next", generator(), negatives="historical")
    assert given is not None
    past = set().union(*(linked(whole, t) for t in range(7))) - linked(whole, 7)
    negatives = {tuple(pair) for pair in given.pairs[~given.linked].tolist()}
    assert len(negatives) == given.linked.sum() and not negatives & linked(whole, 7)
    assert len(negatives & past) == min(len(past), len(negatives)) > 0
    scores = simple_scores(whole.prefix(7), given.pairs)["linked_before"]
    assert scores[~given.linked].sum() == len(negatives & past)  # memory alone cannot tell them


@pytest.mark.parametrize("most", [0, 10**6])
def test_fewer_negatives_where_there_are_no_more(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(module, "PAIRS", most)
    assert len(unlinked(4, 0, np.array([0 * 4 + 1]), 50, generator())) == 5
    hub = np.arange(600) * 1001 + 1000  # a new node, linked with most of the others
    assert len(unlinked(1001, 1000, hub, 600, generator())) == 400


def test_links_to_self_are_asked_about_where_there_are_any() -> None:
    """Trap 3: the official code keeps them; both figures are told, and a step without any answers for both."""
    tasks: list[Any] = [("next", 1)]
    assert [each.name for each in questions(with_self_links(), 7, tasks, 2, 0)] == ["next", "next self"]
    assert [each.name for each in questions(southern_women(), 8, tasks, 2, 0)] == ["next"]
    one, two = (Answer({}, []) for _ in range(2))
    found = {7: {"next": one, "next self": two}, 8: {"next": one}}
    assert answers_to(found, "next", [1], False) == {(7, 1): one, (8, 1): one}
    assert [answers_to(found, "next", [1], True)[count, 1] is other for count, other in ((7, two), (8, one))] == [
        True
    ] * 2
    assert answers_to(found, "new", [1], True) == {}


def test_splits_share_out_everything() -> None:
    given = examples(southern_women(), 7, "next", generator())
    assert given is not None
    validation, parts = splits(given, 3, generator())
    for part in parts:
        together = np.concatenate([validation, part.train, part.test])
        assert sorted(together) == list(range(len(given.pairs)))
        for places, share in ((validation, 0.2), (part.train, 0.2), (part.test, 0.6)):
            assert given.linked[places].mean() == pytest.approx(0.5, abs=0.05)
            assert len(places) / len(given.pairs) == pytest.approx(share, abs=0.05)
    assert not np.array_equal(parts[0].test, parts[1].test)


@pytest.mark.parametrize(("learnt", "width", "scale"), [(40, 60, 1.0), (60, 40, 4.0), (300, 5, 0.01), (30, 60, 20.0)])
def test_the_classifier_is_liblinear(learnt: int, width: int, scale: float) -> None:
    rng = np.random.default_rng(0)
    linked = rng.random(learnt + 50) < 0.3
    features = scale * (rng.normal(size=(learnt + 50, width)) + 0.5 * linked[:, None]).astype(np.float32)
    train, places = np.arange(learnt), learnt + np.arange(50)
    model = LogisticRegression(solver="liblinear", tol=1e-10, max_iter=100_000)
    expected = model.fit(features[train].astype(np.float64), linked[train]).decision_function(features[places])
    found = fitted_scores(features, linked, train, places)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_what_the_classifier_sees_of_a_pair() -> None:
    rows, pairs = generator().standard_normal((18, 4)), np.array([[0, 3], [5, 5]])
    simple = np.array([[0.0, 2.0], [1.0, 0.5]])
    product = rows[pairs[:, 0]] * rows[pairs[:, 1]]
    dot = [[rows[0] @ rows[3]], [rows[5] @ rows[5]]]
    seen = {"product": [product], "dot": [product, dot], "scores": [product, dot, np.log(1 + simple)]}
    seen |= {"l1": [[[abs(rows[a, k] - rows[b, k]) for k in range(4)] for a, b in pairs]], "sigmoid": [dot]}
    for kind, expected in seen.items():
        found = pair_features(kind, rows, pairs, simple)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, np.concatenate(expected, 1))


def test_simple_scores_are_those_of_networkx() -> None:
    known = with_self_links().prefix(9)
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(known)))
    weight: Counter[tuple[int, int]] = Counter()
    for a, b, w in zip(known.source.tolist(), known.target.tolist(), known.weight, strict=True):
        weight[a, b] += w
        if a != b:
            graph.add_edge(a, b)
    pairs = np.array([(a, b) for b in range(len(known)) for a in range(b + 1)])
    found = simple_scores(known, pairs)
    last = linked(known, 8)
    for row, (a, b) in enumerate(pairs.tolist()):
        assert found["interactions"][row] == weight[a, b] and found["linked_before"][row] == ((a, b) in weight)
        assert found["last_interactions"][row] == ((a, b) in last)
        assert found["degree_product"][row] == graph.degree(a) * graph.degree(b)
        if a != b:
            ((_, _, shared),) = networkx.adamic_adar_index(graph, [(a, b)])
            assert found["adamic_adar"][row] == pytest.approx(shared)
    order = np.lexsort((found["adamic_adar"], found["interactions"]))
    assert (np.diff(found["interactions_adamic_adar"][order]) >= 0).all()
    hot = degree_features(known, pairs)
    assert (hot.sum(1) == 2).all()
    a, b = pairs[40]
    expected = np.zeros(hot.shape[1])
    for node in (a, b):
        expected[int(np.log2(1 + graph.degree(node)))] += 1
    assert (hot[40] == expected).all()


def epoch(number: int, rows: np.ndarray, loss: float = 0.0) -> Epoch:
    return Epoch(number, loss, np.stack([rows, rows, rows, rows]))


def one_question() -> Question:
    (question,) = [each for each in questions(southern_women(), 7, [("next", 1)], 2, 0) if each.name == "next"]
    return question


def informed(question: Question) -> np.ndarray:
    """Embeddings whose products say who is linked: the eigenvectors of the links that are asked for."""
    matrix = np.zeros((18, 18))
    for a, b in question.now.examples.pairs[question.now.examples.linked]:
        matrix[a, b] = matrix[b, a] = 1
    values, vectors = np.linalg.eigh(matrix)
    kept = np.argsort(values)[-6:]
    return vectors[:, kept] * np.sqrt(np.abs(values[kept])) * 5


def test_the_best_epoch_on_the_validation_links_is_kept() -> None:
    question, rng = one_question(), generator()
    noise = [rng.standard_normal((18, 6)) for _ in range(3)]
    told = [
        epoch(0, informed(question)),
        epoch(1, noise[0], 3.0),
        epoch(2, informed(question), 2.0),
        epoch(3, noise[1], 1.0),
    ]
    picked = {
        select: chosen([question], told, select)[0]["next", "product"].number
        for select in ("validation", "loss", "last")
    }
    assert picked == {"validation": 2, "loss": 3, "last": 3}  # epoch 0 is untrained and never chosen
    assert chosen([question], told, "last")[1].number == 0


def test_a_step_tells_every_way_to_score_the_same_pairs() -> None:
    question, known = one_question(), southern_women().prefix(7)
    told = [epoch(0, generator().standard_normal((18, 6))), epoch(1, informed(question))]
    found, going_on = answers(known, [question], told, told, "validation")
    answer = found["next"]
    assert going_on.number == 1
    assert {"trained", "deepwalk", "random_encoder", "adamic_adar", "degree_regression", "scores_regression"} <= set(
        answer.scores
    )
    split = question.splits[0]
    np.testing.assert_array_equal(answer.linked[0], question.now.examples.linked[split.test])
    np.testing.assert_array_equal(
        answer.scores["interactions"][0], simple_scores(known, question.now.examples.pairs)["interactions"][split.test]
    )
    for kind in ("", "+dot", "+scores", "+past", "+scores+past"):
        trained, random = (figures([answer], way + kind).macro_auc for way in ("trained", "random_encoder"))
        assert trained > 0.8 > random and answer.epoch["trained" + kind] == 1
        assert 0 <= answer.validation["trained" + kind] <= 1
    l1, sigmoid = (figures([answer], f"trained+{kind}").macro_auc for kind in ("l1", "sigmoid"))
    assert l1 > 0.6 and sigmoid > 0.8 and "trained+sigmoid+past" not in answer.scores
    rows, pairs = told[1].recent[-1], question.now.examples.pairs[split.test]
    logits = np.array([rows[a] @ rows[b] for a, b in pairs])
    expected = roc_auc_score(question.linked[split.test], 1 / (1 + np.exp(-logits)))
    assert roc_auc_score(answer.linked[0], answer.scores["trained+sigmoid"][0]) == pytest.approx(expected)
    features = products(rows, question.now.examples.pairs)
    assert (features[3] == rows[question.now.examples.pairs[3, 0]] * rows[question.now.examples.pairs[3, 1]]).all()


@pytest.mark.parametrize(("task", "ahead", "known"), [("next", 1, 3), ("new", 1, 3), ("multi-step", 2, 2)])
def test_the_past_is_what_is_known(task: Any, ahead: int, known: int) -> None:
    """Of snapshots that are trained on, seen from embeddings of those before; what comes later changes none of it."""
    whole, count = southern_women(), 8
    past = list(asked_before(whole, count, task, ahead, False, 0, "uniform"))
    assert [each.back for each in past] == [*range(ahead, ahead + known)]
    for each in past:
        source, target, _ = whole.links(count - 1 - each.back + ahead)
        assert count - 1 - each.back + ahead < count
        links = set(zip(source.tolist(), target.tolist(), strict=True))
        pairs, linked = each.examples.pairs, each.examples.linked
        assert {(a, b) in links for a, b in pairs[linked].tolist()} == {True}
        assert {(a, b) in links for a, b in pairs[~linked].tolist()} == {False}
        assert pairs.max() < whole.nodes[count - 1 - each.back]
        expected = simple_scores(whole.prefix(count - each.back), pairs)
        assert all((each.simple[name] == values).all() for name, values in expected.items())
    weight = whole.weight.copy()
    weight[whole.offsets[count] :] *= 7
    later = replace(whole, weight=weight, target=np.where(weight > 1, whole.source, whole.target))
    for one, other in zip(past, asked_before(later, count, task, ahead, False, 0, "uniform"), strict=True):
        assert (one.examples.pairs == other.examples.pairs).all() and (one.counts == other.counts).all()


def test_a_classifier_that_learns_from_the_past() -> None:
    """It sees each past example by the embeddings of its own snapshot, and fits what scikit-learn fits."""
    (question,) = [each for each in questions(southern_women(), 8, [("next", 1)], 2, 0) if each.name == "next"]
    recent = generator().standard_normal((4, 18, 6))
    told = [Epoch(0, 0.0, recent[::-1]), Epoch(1, 1.0, recent)]
    answer = answers(southern_women().prefix(8), [question], told, None, "last")[0]["next"]
    pairs, linked = question.now.examples.pairs, question.linked
    split = question.splits[1]
    rows = [products(recent[-1], pairs)[split.train]]
    truth = [linked[split.train]]
    for each in question.past:
        rows.append(products(recent[3 - each.back], each.examples.pairs))
        truth.append(each.examples.linked)
    model = LogisticRegression(solver="liblinear", tol=1e-10, max_iter=10_000)
    expected = model.fit(np.concatenate(rows), np.concatenate(truth)).decision_function(products(recent[-1], pairs))
    assert len(question.past) == 3
    np.testing.assert_allclose(answer.scores["trained+past"][1], expected[split.test], atol=1e-4)
    assert np.abs(answer.scores["trained"][1] - expected[split.test]).max() > 1e-2


def test_a_first_step_without_a_past_counts_among_those_with_one() -> None:
    steps = []
    (question,) = [each for each in questions(southern_women(), 8, [("next", 1)], 2, 0) if each.name == "next"]
    for snapshots, asked in ((1, replace(question, past=[])), (4, question)):
        told = [Epoch(number, 0.0, generator().standard_normal((snapshots, 18, 6))) for number in range(2)]
        table = [Epoch(number, 0.0, generator().standard_normal((1, 18, 6))) for number in range(2)]
        steps.append(answers(southern_women().prefix(8), [asked], told, table, "last")[0]["next"])
    plain, past = (figures_of(steps, "scores", learns) for learns in (False, True))
    assert plain.keys() == past.keys()
    assert past["trained"].auc[0] == plain["trained"].auc[0] and past["trained"].auc[1] != plain["trained"].auc[1]
    assert past["scores_regression"].auc[1] != plain["scores_regression"].auc[1]
    assert past["deepwalk"].auc == plain["deepwalk"].auc == figures(steps, "deepwalk+scores").auc


@pytest.mark.parametrize("most", [5, 1000])
def test_candidates_are_nodes_that_an_end_is_not_linked_to(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(module, "CANDIDATES", most)
    whole, count = southern_women(), 5
    links = np.array(sorted((a, b) for a, b in linked(whole, count + 1) if b < whole.nodes[count - 1]))
    found, valid = candidates(whole, count, 2, links, generator())
    both = linked(whole, count + 1) | {(b, a) for a, b in linked(whole, count + 1)}
    for (first, _), row, counts in zip(links.tolist(), found, valid, strict=True):
        possible = {node for node in range(whole.nodes[count - 1]) if node != first and (first, node) not in both}
        chosen = row[counts].tolist()
        assert len(set(chosen)) == len(chosen) and set(chosen) <= possible
        assert (len(chosen) <= 5) if most == 5 else (set(chosen) == possible)


def test_ranks_are_those_of_scipy() -> None:
    scores = generator().integers(0, 6, (7, 13)).astype(float)  # with ties
    valid = generator().random((7, 12)) < 0.7
    parts = [scores[:4], scores[4:]]
    blocks = [
        Asked(Examples(np.zeros((part.size, 2), np.int64), np.zeros(part.size, bool)), {"it": part.ravel()})
        for part in parts
    ]
    found = Queries(blocks, valid).ranks(lambda asked: asked.simple["it"])
    expected = [rankdata(-np.append(row[0], row[1:][kept]))[0] for row, kept in zip(scores, valid, strict=True)]
    assert found.tolist() == expected


def test_a_link_is_ranked_by_what_the_first_split_learnt() -> None:
    question, known = one_question(), southern_women().prefix(7)
    noise = generator().standard_normal((18, 6))
    told = [epoch(0, noise), epoch(1, informed(question) + 2 * noise)]
    answer = answers(known, [question], told, told, "validation")[0]["next"]
    split, rows, pairs = question.splits[0], told[1].recent[-1], question.now.examples.pairs
    model = LogisticRegression(solver="liblinear", tol=1e-10, max_iter=10_000)
    model.fit(products(rows, pairs)[split.train], question.linked[split.train])
    future = linked(southern_women(), 7)
    expected, counted = [], []
    for a, b in pairs[split.test][question.linked[split.test]].tolist():
        others = [c for c in range(len(known)) if c != a and (a, c) not in future and (c, a) not in future]
        asked = np.array([(a, b), *((a, c) for c in others)])
        expected.append(rankdata(-model.decision_function(products(rows, asked)))[0])
        counted.append(rankdata(-simple_scores(known, asked)["interactions"])[0])
    assert answer.ranks["trained"].tolist() == expected and answer.ranks["interactions"].tolist() == counted
    assert answer.ranks.keys() == answer.scores.keys()
    told_of = figures([answer], "trained")
    assert told_of.mean_reciprocal_rank == pytest.approx(np.mean(1 / np.array(expected)))
    assert told_of.hits["1"] == np.mean(np.array(expected) <= 1) and told_of.hits["50"] == 1
    assert told_of.interval[0] < told_of.macro_auc < told_of.interval[1]  # of one step too


def test_figures_are_means_over_steps_and_pooled_pairs() -> None:
    rng = generator()
    steps = []
    for shift in (0.2, 3.0):
        truth = [rng.random(40) < 0.5 for _ in range(2)]
        scores = [rng.standard_normal(40) + shift * yes + shift for yes in truth]
        steps.append(Answer({"trained": scores}, truth, ranks={"trained": np.array([1.0, 2.0])}))
    found = figures(steps, "trained")
    auc = [
        np.mean([roc_auc_score(t, s) for t, s in zip(step.linked, step.scores["trained"], strict=True)])
        for step in steps
    ]
    pooled = [
        roc_auc_score(np.concatenate([step.linked[n] for step in steps]),
                      np.concatenate([step.scores["trained"][n] for step in steps]))
        for n in range(2)
    ]  # fmt: skip
    assert found.auc == pytest.approx(auc) and found.macro_auc == pytest.approx(np.mean(auc))
    assert found.micro_auc == pytest.approx(np.mean(pooled)) and found.micro_auc != pytest.approx(found.macro_auc)
    assert found.interval[0] < found.macro_auc < found.interval[1]


def test_a_finished_step_is_read_and_a_damaged_one_made_again(tmp_path: Path) -> None:
    truth, ranks = [np.array([True, False])], {"trained": np.array([1.5])}
    answer = Answer({"trained": [np.array([0.5, 1.0])]}, truth, {"trained": 3}, {"trained": 0.75}, 7, ranks)
    made = []

    def make() -> dict[str, Answer]:
        made.append(1)
        return {"next": answer}

    file = tmp_path / "steps" / "step-0001.npz"
    for _ in range(2):
        found = kept_or_made(file, make)["next"]
        np.testing.assert_array_equal(found.scores["trained"][0], answer.scores["trained"][0])
        np.testing.assert_array_equal(found.linked[0], answer.linked[0])
        assert found.epoch == {"trained": 3} and found.validation == {"trained": 0.75} and found.learnt == 7
        assert found.ranks["trained"].tolist() == [1.5]
    assert made == [1]
    for damaged in (file.read_bytes()[:40], b""):
        file.write_bytes(damaged)
        kept_or_made(file, make)
    assert made == [1, 1, 1]
    assert kept_or_made(tmp_path / "empty.npz", dict) == {} == kept_or_made(tmp_path / "empty.npz", make)
