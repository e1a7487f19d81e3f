import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.errors import UserError
from unlabeled.evaluation import health as module
from unlabeled.evaluation.health import Projected, health, views_rank
from unlabeled.metrics.health import batch_health
from unlabeled.metrics.lidar import lidar
from unlabeled.metrics.zipf import zipf_kl


def two_views(count: int = 200, width: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = (rng.standard_normal((count, width)) * np.arange(1, width + 1) ** -0.5 + 0.1).astype(np.float32)
    return first, first + 0.1 * rng.standard_normal((count, width)).astype(np.float32)


def written_out(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Each figure from its definition, in float64 and with all pairs at once."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    units = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in (first, second)]
    above = np.triu_indices(len(first), 1)
    kernels = [np.exp(-2 * ((u[:, None] - u[None]) ** 2).sum(-1))[above].mean() for u in units]
    singular = np.linalg.svd(first, compute_uv=False)
    share = singular / singular.sum() + 1e-7
    values = np.linalg.eigvalsh(np.cov(first.T))[::-1]
    deviation = first.std(axis=0)
    return {
        "rankme": np.exp(-(share * np.log(share)).sum()),
        "alignment": ((units[0] - units[1]) ** 2).sum(axis=1).mean(),
        "uniformity": np.mean(np.log(kernels)),
        "mean_cosine": (units[0] @ units[0].T)[above].mean(),
        "spread": units[0].std(axis=0).mean() * first.shape[1] ** 0.5,
        "dead_dimensions": (deviation < 1e-4 * np.median(deviation)).mean(),
        "participation_ratio": values.sum() ** 2 / (values**2).sum(),
        "top_variance_share": values[0] / values.sum(),
        "nonfinite": 0.0,
        "duplicates": 0.0,
        "rankme_layer": 0,
    }  # without those of clusters, which need more rows: they have a test of their own


@pytest.mark.parametrize("count", [30, 200])
def test_every_figure_is_its_definition(count):
    first, second = two_views(count)
    figures = health(first, second).figures()
    alpha = {name: figures.pop(name) for name in ("alpha", "alpha_r2") if name in figures}
    assert figures == pytest.approx(written_out(first, second), abs=2e-6, rel=2e-6)
    assert bool(alpha) == (count > 32)


def test_one_view_has_no_alignment_and_a_healthy_one_no_warning():
    found = health(two_views()[0])
    assert found.alignment is None
    assert "alignment" not in found.figures()
    assert found.warnings() == []


def test_rows_that_are_not_finite_are_counted_and_left_out():
    first, second = two_views()
    broken = first.copy()
    broken[3, 5], second[7] = np.nan, np.inf
    found = health(broken, second)
    kept = np.delete(first, [3, 7], axis=0), np.delete(second, [3, 7], axis=0)
    assert found.nonfinite == pytest.approx((1 + 48) / (2 * 200 * 48))
    figures = found.figures() | {"nonfinite": 0.0}
    assert figures == pytest.approx(health(*kept).figures(), rel=1e-12)
    assert len(found.warnings()) == 1
    assert "0.26% of the values" in found.warnings()[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.ones((50, 1)) * np.arange(1.0, 9.0), ["equal", "same way", "hardly differ", "100% of the dimensions"]),
        (
            np.arange(-25.0, 25.0)[:, None] * np.arange(1.0, 9.0),
            ["participation ratio 1.00", "One direction holds 100%"],
        ),
        (two_views()[0] + 1.0, ["same way"]),
        (two_views()[0] * np.r_[np.ones(20), np.full(28, 1e-9)], ["58% of the dimensions"]),
        (two_views()[0] + 50.0, ["same way", "hardly differ"]),
    ],
)
def test_each_collapse_has_its_sentence(rows, said):
    warnings = health(rows.astype(np.float32)).warnings()
    assert len(warnings) == len(said)
    for sentence, part in zip(warnings, said, strict=True):
        assert part in sentence


def test_uniformity_of_many_rows_is_that_of_some(monkeypatch):
    first, _ = two_views(400)
    monkeypatch.setattr(module, "PAIRS", 200)
    some = first[np.linspace(0, 399, 200).astype(int)]
    assert health(first).uniformity == pytest.approx(health(some).uniformity, abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (np.ones(3), None, r"got \(3,\)"),
        (np.ones((3, 2)), np.ones((3, 4)), r"\(3, 2\) and \(3, 4\)"),
        (np.ones((1, 2)), None, "1 of 1"),
        (np.full((3, 2), np.nan), None, "0 of 3"),
        (np.empty((0, 2)), None, "0 of 0"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(first, second, said):
    with pytest.raises(UserError, match=said):
        health(first, second)


def test_zipf_is_that_of_the_sizes_of_clusters():
    """Nine parts along one ray with sizes of Zipf's law, found as clusters: divergence 0; of equal sizes it is not."""
    rng = np.random.default_rng(0)
    middles = 60 * np.arange(1, 10)[:, None] * rng.standard_normal(20)
    for sizes in (2520 // np.arange(1, 10), np.full(9, 300)):
        rows = middles[np.repeat(np.arange(9), sizes)] + 0.1 * rng.standard_normal((sizes.sum(), 20))
        found = health(rng.permutation(rows).astype(np.float32), zipf_clusters=9)
        assert found.zipf_kl == pytest.approx(zipf_kl(sizes), abs=1e-6)
        assert found.zipf_kl_hard == pytest.approx(zipf_kl(sizes), abs=1e-9)
        assert found.zipf_certainty == pytest.approx(1, abs=1e-6)
    softer = health(rows.astype(np.float32), zipf_clusters=9, zipf_temperature=1e6)
    assert softer.zipf_certainty < 0.2
    assert health(rows.astype(np.float32)[::4], zipf_clusters=100).zipf_kl is None  # below ten rows a cluster


def test_rankme_and_lidar_are_of_the_projector_s_output_where_there_is_one():
    first, second = two_views(60, 12)
    projected = np.tanh(first[:, :5]) + 1
    ranks = views_rank([projected, projected + np.float32(0.1) * first[:, :5]], 0.1, relative=True)
    beside = views_rank([first, second], 0.1, relative=True)
    plain = health(first, second, discriminant=beside).figures()
    found = health(first, second, Projected(projected, 2, ranks), beside).figures()
    assert found.pop("rankme") == pytest.approx(written_out(projected, projected)["rankme"], rel=1e-6)
    assert found.pop("rankme_encoder") == plain.pop("rankme")
    assert (found.pop("rankme_layer"), plain.pop("rankme_layer")) == (2, 0)
    assert (found.pop("lidar"), found.pop("lidar_delta")) == (ranks.value, ranks.delta)
    assert (found.pop("lidar_encoder"), found.pop("lidar_encoder_delta")) == (beside.value, beside.delta)
    assert (plain.pop("lidar"), plain.pop("lidar_delta")) == (beside.value, beside.delta)
    assert (found.pop("lidar_layer"), plain.pop("lidar_layer")) == (2, 0)
    assert found == plain, "all other figures are of the encoder's output"
    assert health(first, layer=1).figures()["rankme_layer"] == 1
    broken = projected.copy()
    broken[4, 1] = np.inf
    whole = np.delete(projected, 4, axis=0)
    found = health(first, second, Projected(broken, 2))
    assert found.rankme == pytest.approx(written_out(whole, whole)["rankme"], rel=1e-6)
    assert health(first, None, Projected(np.full_like(broken, np.nan), 2)).rankme is None


def test_lidar_is_left_out_unless_views_are_given():
    first, second = two_views(60, 12)
    third = first + np.float32(0.3)
    discriminant = views_rank([first, second, third])
    found = health(first, second, discriminant=discriminant).figures()
    assert found["lidar"] == discriminant.value == lidar(np.stack([first, second, third], axis=1)).value
    assert found["lidar_delta"] == 1e-4
    assert "lidar" not in health(first, second).figures()
    broken = first.copy()
    broken[5, 2] = np.inf
    kept = [np.delete(view, 5, axis=0) for view in (first, second)]
    assert views_rank([broken, second]) == views_rank(kept)
    relative = views_rank([first, second], delta=0.1, relative=True).delta
    assert relative == pytest.approx(0.1 * ((first - second) ** 2).sum() / 2 / 60 / 12, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"zipf_clusters": 1}, "--zipf-clusters 1"), ({"zipf_temperature": 0.0}, "--zipf-temperature 0.0")],
)
def test_zipf_out_of_range_is_one_sentence(options, said):
    with pytest.raises(UserError, match=said):
        health(two_views()[0], **options)


def test_a_lidar_that_is_not_defined_is_one_sentence():
    first, second = two_views(10, 48)
    with pytest.raises(UserError, match=r"no full rank in 48 dimensions; give a delta above 0 .see --lidar"):
        views_rank([first, second], delta=0.0)
    with pytest.raises(UserError, match="at least 2 views"):
        views_rank([first])


@settings(deadline=None, max_examples=20)
@given(count=st.integers(2, 40), width=st.integers(2, 40), seed=st.integers(0, 99))
def test_batch_health_is_health(count, width, seed):
    first, second = two_views(count, width, seed)
    quick = batch_health(torch.from_numpy(np.concatenate([first, second])))
    whole = written_out(first, second)
    other = written_out(second, first)
    both = written_out(np.concatenate([first, second]), np.concatenate([second, first]))
    assert quick["rankme"] == pytest.approx(both["rankme"], rel=1e-5)
    assert quick["alignment"] == pytest.approx(whole["alignment"], rel=1e-6)
    assert quick["uniformity"] == pytest.approx(whole["uniformity"], abs=2e-6)
    for name in ("mean_cosine", "spread"):
        assert quick[name] == pytest.approx((whole[name] + other[name]) / 2, abs=1e-6)


def test_batch_health_leaves_out_what_is_not_defined():
    rows = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    assert set(batch_health(rows, views=1)) == {"rankme", "spread", "uniformity", "mean_cosine"}
    assert set(batch_health(rows[:2])) == {"rankme", "spread", "alignment"}
    assert batch_health(rows / 0) == {}
    three = batch_health(rows, views=3)
    pairs = [
        batch_health(torch.cat([rows[a : a + 2], rows[b : b + 2]]))["alignment"] for a, b in ((0, 2), (0, 4), (2, 4))
    ]
    assert three["alignment"] == pytest.approx(np.mean(pairs), rel=1e-6)
