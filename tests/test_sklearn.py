"""The scikit-learn door: what scikit-learn asks of a transformer, on real digits."""

import importlib.util
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

import unlabeled
from battery.small import digits
from unlabeled.sklearn import Encoder

PIXELS, LABELS = digits(160)
TINY: dict[str, Any] = {"max_steps": 4, "batch_size": 32, "optimizer": "adamw"}


@pytest.fixture(scope="module")
def fitted() -> Encoder:
    return Encoder(**TINY).fit(PIXELS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    unlabeled.pretrain("simclr", data=PIXELS, out=out, workers=0, **TINY)
    return out


CHECKS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_mixin_order,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
]
"""scikit-learn's checks that need no two-dimensional X. `parametrize_with_checks` itself gives none of an estimator
whose X is pictures; its other checks fit tables of a few columns, for which there is nothing to encode."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("estimator", [Encoder(), Encoder(run="somewhere"), Encoder(temperature=0.5)], ids=str)
def test_scikit_learns_own_checks(estimator: Encoder, check: Any) -> None:
    check("Encoder", estimator)


def test_fit_is_pretrain(fitted: Encoder, run: Path, tmp_path: Path) -> None:
    """The same weights as the command's function on the same pictures, from a folder that is gone."""
    expected = unlabeled.load(run).embed(PIXELS)
    found = fitted.transform(PIXELS)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert fitted.pretrained_ is not None and fitted.pretrained_.steps == 4
    assert not Path(fitted.pretrained_.run).exists()
    kept = Encoder(out=tmp_path / "kept", **TINY).fit(PIXELS, LABELS)
    np.testing.assert_array_equal(kept.transform(PIXELS), expected)
    np.testing.assert_array_equal(unlabeled.load(tmp_path / "kept").embed(PIXELS), expected)
    with pytest.raises(unlabeled.UserError, match="holds a run already"):
        kept.fit(PIXELS)


def test_every_parameter_reaches_pretrain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is set to a value of its own, and the method's own beside them."""
    from unlabeled.commands import pretrain as module

    given: dict[str, Any] = {}
    monkeypatch.setattr(module, "pretrain", lambda **options: given.update(options))
    names = [name for name in Encoder().get_params() if name not in ("run", "out", "verbose")]
    values = {name: object() for name in [*names, "temperature"]}
    with pytest.raises(unlabeled.UserError, match="no run at"):  # for nothing was trained
        Encoder(**values).fit(PIXELS)
    assert given.pop("data") is PIXELS and given.pop("out").name == "run"
    assert given == values


def test_a_run_needs_no_fit(run: Path, tmp_path: Path) -> None:
    expected = unlabeled.load(run).embed(PIXELS)
    encoder = Encoder(run)
    check_is_fitted(encoder)
    np.testing.assert_array_equal(encoder.transform(PIXELS), expected)
    np.testing.assert_array_equal(encoder.fit_transform(PIXELS[:3]), expected[:3])
    assert encoder.pretrained_ is None
    unlabeled.export(run, format="safetensors", out=tmp_path / "e.safetensors", data=PIXELS)
    np.testing.assert_array_equal(Encoder(run=tmp_path / "e.safetensors").fit(None).transform(PIXELS), expected)


def test_pictures_may_be_arrays_floats_lists_or_paths(fitted: Encoder, tmp_path: Path) -> None:
    paths = []
    for place, pixels in enumerate(PIXELS[:40]):
        paths.append(tmp_path / f"{place:03}.png")
        Image.fromarray(pixels).save(paths[-1])
    expected = fitted.transform(PIXELS[:40])
    colour = np.repeat(PIXELS[:40, :, :, None], 3, axis=3)
    names = [str(path) for path in paths]
    forms = colour, colour / 255, list(PIXELS[:40]), paths, names, np.array(paths), np.array(names)[:, None], tmp_path
    for form in forms:
        np.testing.assert_allclose(fitted.transform(form), expected, atol=1e-6 * np.abs(expected).max())
    learnt = Encoder(**TINY).fit(paths)
    assert learnt.weights_ == Encoder(**TINY).fit(PIXELS[:40]).weights_, "paths and arrays are the same pictures"
    larger = np.kron(PIXELS[:3], np.ones((1, 4, 4), np.uint8))
    assert fitted.transform(larger).shape == (3, expected.shape[1]), "pictures of another size than in fit"


def test_a_pipeline_learns(run: Path) -> None:
    whole = make_pipeline(Encoder(run), StandardScaler(), LogisticRegression()).fit(PIXELS[:120], LABELS[:120])
    assert whole.score(PIXELS[120:], LABELS[120:]) > 0.5, "chance is 0.1"
    learnt = make_pipeline(Encoder(**TINY), StandardScaler(), LogisticRegression()).fit(PIXELS[:120], LABELS[:120])
    assert learnt.score(PIXELS[120:], LABELS[120:]) > 0.5


def test_a_grid_over_the_methods_own_and_over_ours() -> None:
    pipeline = Pipeline([("encoder", Encoder(epochs=1, batch_size=32)), ("answer", LogisticRegression(max_iter=200))])
    grid = {"encoder__temperature": [0.1, 5.0], "encoder__epochs": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(PIXELS[:96], LABELS[:96])
    assert len(search.cv_results_["mean_test_score"]) == 4
    best = search.best_estimator_["encoder"]
    assert best.get_params()["temperature"] == search.best_params_["encoder__temperature"]
    again = Encoder(batch_size=32, epochs=best.epochs, temperature=best.get_params()["temperature"]).fit(PIXELS[:96])
    assert again.weights_ == best.weights_, "the grid's values reached the training"
    other = clone(again).set_params(temperature=1.0).fit(PIXELS[:96])
    assert other.weights_ != again.weights_


def test_parameters(run: Path) -> None:
    encoder = Encoder(epochs=3, temperature=0.2, views={"blur": True})
    params = encoder.get_params()
    assert params["epochs"] == 3 and params["temperature"] == 0.2 and params["views"] == {"blur": True}
    twin = clone(encoder)
    assert twin is not encoder and twin.get_params() == params
    assert twin.set_params(temperature=0.3, epochs=4) is twin
    assert encoder.get_params() == params, "a clone's parameters are its own"
    assert repr(twin) == "Encoder(epochs=4, temperature=0.3, views={'blur': True})"
    assert clone(Encoder(run)).run == run
    assert not hasattr(clone(Encoder(run).fit(PIXELS)), "weights_")


def test_a_pickle_carries_the_weights(fitted: Encoder, run: Path, tmp_path: Path) -> None:
    expected = fitted.transform(PIXELS)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(PIXELS), expected)
    assert len(pickle.dumps(fitted)) < 1.01 * len(fitted.weights_) + 10_000, "the weights, and not twice"
    shutil.copytree(run, tmp_path / "run")
    taken, untaken = Encoder(tmp_path / "run").fit(PIXELS), Encoder(tmp_path / "run")
    untaken.transform(PIXELS[:2])
    kept, pointing = pickle.dumps(taken), pickle.dumps(untaken)
    shutil.rmtree(tmp_path / "run")
    np.testing.assert_array_equal(pickle.loads(kept).transform(PIXELS), expected)
    assert len(pointing) < 10_000
    with pytest.raises(unlabeled.UserError, match="no run at"):
        pickle.loads(pointing).transform(PIXELS)


def test_columns_have_names(fitted: Encoder, run: Path) -> None:
    width = fitted.transform(PIXELS[:1]).shape[1]
    assert fitted.get_feature_names_out().tolist() == [f"encoder{place}" for place in range(width)]
    assert len(Encoder(run).get_feature_names_out()) == width
    with pytest.raises(NotFittedError):
        Encoder().get_feature_names_out()


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_output_as_a_data_frame(run: Path) -> None:
    import pandas as pd

    frame = Encoder(run).set_output(transform="pandas").transform(PIXELS[:5])
    assert isinstance(frame, pd.DataFrame) and frame.columns[1] == "encoder1"
    np.testing.assert_array_equal(frame.to_numpy(), Encoder(run).transform(PIXELS[:5]))
    with sklearn.config_context(transform_output="pandas"):
        pipeline = make_pipeline(Encoder(run), LogisticRegression(max_iter=200)).fit(PIXELS, LABELS)
    assert pipeline[-1].feature_names_in_[0] == "encoder0"


def test_it_is_quiet_unless_asked(capfd: Any) -> None:
    Encoder(**TINY).fit(PIXELS)
    shown = capfd.readouterr()
    assert shown.out == shown.err == ""
    Encoder(**TINY, verbose=True).fit(PIXELS)
    shown = capfd.readouterr()
    assert shown.out == "" and "simclr: small_resnet" in shown.err


def test_tags_say_that_x_is_pictures(run: Path) -> None:
    tags = get_tags(Encoder())
    assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array, tags.input_tags.string) == (False, True, True)
    assert tags.requires_fit and not get_tags(Encoder(run)).requires_fit and not tags.target_tags.required


def test_mistakes(fitted: Encoder, run: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="call fit, or give it a run"):
        Encoder().transform(PIXELS)
    with pytest.raises(unlabeled.UserError, match="no --temprature here"):
        Encoder(temprature=0.1, batch_size=32).fit(PIXELS)
    with pytest.raises(unlabeled.UserError, match="more than the 160 samples"):
        Encoder().fit(PIXELS)
    with pytest.raises(unlabeled.UserError, match="no method is called"):
        Encoder(method="simcrl").fit(PIXELS)
    with pytest.raises(unlabeled.UserError, match="not a run folder"):
        Encoder(run=tmp_path).fit(PIXELS)
    with pytest.raises(unlabeled.UserError, match="no run at"):
        Encoder(run=tmp_path / "gone").transform(PIXELS)
    with pytest.raises(unlabeled.UserError, match="shape"):
        fitted.transform(PIXELS.reshape(160, 64))
    with pytest.raises(unlabeled.UserError, match=r"scale them to \[0, 1\]"):
        fitted.transform(PIXELS * 2.0)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(unlabeled.UserError, match="can be read"):
        fitted.transform([tmp_path / "broken.png"])
    assert fitted.transform(PIXELS[:1]).shape[0] == 1, "still fitted"
