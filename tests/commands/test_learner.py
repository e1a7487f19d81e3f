"""A stream without an end: asked, killed and resumed to the same bits; followed folders; `evaluate stream`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import unlabeled
from battery.methods import same_state
from battery.small import digits
from finished import call, refused
from unlabeled.data.arrivals import ArrivalJournal
from unlabeled.errors import UserError
from unlabeled.run import Run

QUICK: dict[str, Any] = {
    "network": {"widths": (16, 10)}, "latent": 3, "decoder_widths": (12,), "components": 6, "wait": 2, "burn_in": 3,
    "buffer": 16, "passes": 2, "threshold": -18.0, "batch_size": 8,
}  # fmt: skip
FLAGS = [
    *("--network.widths", "16", "10", "--latent", "3", "--decoder-widths", "12", "--components", "6", "--wait", "2"),
    *("--burn-in", "3", "--buffer", "16", "--passes", "2", "--threshold", "-18", "--batch-size", "8"),
]


def batches(count: int) -> list[np.ndarray]:
    """Digits class after class, eight at a time."""
    pixels, labels = digits(400)
    ordered = pixels[np.argsort(labels, kind="stable")]
    return [ordered[8 * number : 8 * number + 8] for number in range(count)]


def test_a_learner_says_when_and_why_it_grew_and_can_be_asked(tmp_path: Path) -> None:
    with unlabeled.learner("curl", out=tmp_path / "run", image_size=8, **QUICK) as learner:
        seen = [learner.observe(batch) for batch in batches(30)]
        added = [each.added for each in seen if each.added is not None]
        assert len(added) >= 2 and added[0].component == 1 and added[0].pictures.shape == (16, 1, 8, 8)
        assert all(each.bound < -18 for each in added)
        assert sum(each.rehearsals for each in seen) == learner.loop.done - 30 > 10
        told = learner.components()
        assert [each["component"] for each in told] == list(range(len(added) + 1))
        assert sum(each["share"] for each in told) == pytest.approx(1.0)
        assert told[0]["birth"] is None and told[1]["birth"]["step"] == added[0].step
        numbers, shares = learner.which(batches(1)[0])
        assert numbers.tolist() == shares.argmax(1).tolist() and shares.shape == (8, len(told))
        assert learner.embed(batches(1)[0]).shape == (8, 3) and learner.sample(1, 5).shape == (5, 1, 8, 8)
        with pytest.raises(UserError, match="a component is from 0 to"):
            learner.sample(6, 1)
    assert [line["step"] for line in Run(tmp_path / "run").metrics()] == [learner.loop.done]  # few batches are told too
    found = unlabeled.load(tmp_path / "run").embed(batches(1)[0])
    np.testing.assert_allclose(found, learner.embed(batches(1)[0]), rtol=1e-5, atol=1e-6)


def test_asking_changes_nothing_and_a_resumed_learner_has_the_same_future(tmp_path: Path) -> None:
    whole = unlabeled.learner("curl", out=tmp_path / "whole", image_size=8, **QUICK)
    for batch in batches(24):
        whole.observe(batch)
        whole.which(batch)
    part = unlabeled.learner("curl", out=tmp_path / "part", image_size=8, **QUICK)
    for batch in batches(13):
        part.observe(batch)
    part.checkpoint()
    part.observe(batches(14)[13])  # what is lost in a kill
    again = unlabeled.learner("curl", out=tmp_path / "part", resume=True)
    assert again.batches == 13
    for batch in batches(24)[again.batches :]:
        again.observe(batch)
    expected, found = whole.loop.checkpoint(""), again.loop.checkpoint("")
    assert expected.step == found.step
    for name in ("method", "optimizer", "memory"):
        same_state(getattr(expected, name), getattr(found, name))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "needs image_size"),
        ({"image_size": 8, "method": "simclr"}, "these do: curl"),
        ({"image_size": 8, "supervised": True}, "needs a label for every sample"),
        ({"image_size": 8, "colour_": 1}, "there is no --colour-"),
    ],
)
def test_what_a_learner_cannot_do_is_one_sentence(arguments: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        unlabeled.learner(**({"method": "curl"} | arguments), out=tmp_path / "run")


PIXELS = digits(400)[0]


def put(folder: Path, number: int) -> None:
    """A digit as a file, written beside and renamed, as a camera would."""
    part = folder / f".{number:05}.part"
    Image.fromarray(PIXELS[number % len(PIXELS)]).save(part, "PNG")
    os.utime(part, ns=(10**18 + number, 10**18 + number))
    part.rename(folder / f"{number:05}.png")


def follow(folder: Path, out: Path, *more: str) -> list[str]:
    words = ["pretrain", "curl", "--data", str(folder), "--follow", "--out", str(out), "--checkpoint-seconds", "0.2"]
    return [sys.executable, "-m", "unlabeled", *words, *FLAGS, *more]


def test_a_followed_folder_is_learnt_once_and_the_rest_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    for number in range(43):
        put(folder, number)
    (folder / "bad.png").write_bytes(b"no picture")
    found = unlabeled.pretrain("curl", data=folder, out=tmp_path / "run", follow=True, follow_idle=3.0, **QUICK)
    assert (found.samples, found.skipped) == (43, 1)
    lines = [json.loads(line) for line in (tmp_path / "run" / "arrivals.jsonl").read_text().splitlines()]
    assert [len(line["batch"]) for line in lines if "batch" in line] == [8, 8, 8, 8, 8, 3]
    assert [line for line in lines if "unreadable" in line] == [{"unreadable": "bad.png"}]
    learner = unlabeled.learner("curl", out=tmp_path / "by hand", image_size=8, **QUICK)
    for start in range(0, 43, 8):
        learner.observe(digits(43)[0][start : start + 8])
    same_state(learner.loop.module.state_dict(), Run(tmp_path / "run").weights())


def test_the_command_resumes_a_run_by_its_folder_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its own flags are in config.yaml; one that says otherwise is refused."""
    np.savez(tmp_path / "digits.npz", images=digits(64)[0], labels=digits(64)[1])
    words = ["pretrain", "curl", "--data", tmp_path / "digits.npz", *FLAGS, "--max-steps", 20, "--workers", 0]
    assert call(capfd, *words, "--out", tmp_path / "whole")[0] == 0
    assert call(capfd, *words, "--out", tmp_path / "part", "--max-time", 0)[0] == 0
    assert "made with latent 3, not 4" in refused(
        capfd, "pretrain", "curl", "--resume", "--out", tmp_path / "part", "--latent", 4
    )
    code, found = call(capfd, "pretrain", "curl", "--resume", "--out", tmp_path / "part")
    assert code == 0 and found["finished"] and found["steps"] == 20
    same_state(Run(tmp_path / "whole").weights(), Run(tmp_path / "part").weights())


def test_a_followed_folder_is_gone_on_with_by_the_runs_folder_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "camera", tmp_path / "run"
    folder.mkdir()
    for number in range(20):
        put(folder, number)
    assert call(capfd, *follow(folder, out, "--follow-idle", "0.1")[3:])[0] == 0
    for number in range(20, 30):
        put(folder, number)
    resume = ["pretrain", "curl", "--out", out, "--resume"]
    assert "add --follow" in refused(capfd, *resume)
    code, found = call(capfd, *resume, "--follow", "--follow-idle", "0.1")
    assert code == 0 and found["samples"] == 30 and found["loss"] > 0
    code, again = call(capfd, *resume, "--follow", "--follow-idle", "0.1")  # nothing new: the loss is that of before
    assert code == 0 and again["loss"] == found["loss"]
    for flags in (
        ["--order", "by-class"],
        ["--epochs", 3],
        ["--labels", "none.csv"],
        ["--tensorboard"],
        ["--keep", 2],
        ["--workers", 1],
    ):
        assert f"no use for {flags[0]}" in refused(capfd, *resume, "--follow", *flags)


def test_a_file_is_listed_before_it_is_never_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two, a run would lose it."""
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no picture")
    os.utime(folder / "bad.png", ns=(10**18, 10**18))

    def killed(journal: ArrivalJournal, name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ArrivalJournal, "unreadable", killed)
    with contextlib.suppress(KeyboardInterrupt):
        unlabeled.pretrain(
            "curl", data=folder, out=tmp_path / "run", follow=True, follow_idle=4.0, image_size=8, **QUICK
        )
    assert [name for name, _ in Run(tmp_path / "run").skipped()] == ["bad.png"]


def test_a_resumed_learner_does_not_ask_for_the_weights_it_started_from(tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    for number in range(16):
        put(folder, number)
    flags: dict[str, Any] = {"follow": True, "follow_idle": 0.1, **QUICK}
    first = unlabeled.pretrain("curl", data=digits(16)[0], out=tmp_path / "first", max_steps=2, workers=0, **QUICK)
    weights = tmp_path / "encoder.safetensors"
    save_file(unlabeled.load(first).module.encoder.state_dict(), weights)
    unlabeled.pretrain("curl", data=folder, out=tmp_path / "run", init=weights, **flags)
    weights.unlink()
    assert unlabeled.pretrain("curl", out=tmp_path / "run", resume=True, follow=True, follow_idle=0.1).samples == 16


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.slow
def test_a_followed_folder_survives_kills_with_nothing_lost_or_twice(tmp_path: Path) -> None:
    """20,000 pictures and ten kills at random moments."""
    folder, rng, count, every = tmp_path / "camera", np.random.default_rng(0), 20_000, 1_800
    folder.mkdir()
    for number in range(2_000):
        put(folder, number)
    kills = 0
    for number in range(2_000, count):  # while some are killed, others arrive
        if number % every == 200:
            resume = ["--resume"] if (tmp_path / "run" / "config.yaml").exists() else []
            one = subprocess.Popen(follow(folder, tmp_path / "run", *resume), stderr=subprocess.DEVNULL)
            before = size_of(tmp_path / "run" / "arrivals.jsonl")
            while size_of(tmp_path / "run" / "arrivals.jsonl") == before and one.poll() is None:
                time.sleep(0.01)
            assert one.poll() is None
            time.sleep(2 * rng.random())
            one.send_signal(signal.SIGKILL)
            one.wait()
            kills += 1
        put(folder, number)
    assert kills == 10
    subprocess.run(follow(folder, tmp_path / "run", "--resume", "--follow-idle", "1"), check=True, capture_output=True)
    subprocess.run(follow(folder, tmp_path / "whole", "--follow-idle", "1"), check=True, capture_output=True)
    names = [json.loads(line)["batch"] for line in (tmp_path / "run" / "arrivals.jsonl").read_text().splitlines()]
    assert sorted(name for batch in names for name in batch) == [f"{number:05}.png" for number in range(count)]
    same_state(Run(tmp_path / "run").weights(), Run(tmp_path / "whole").weights())


def test_a_stream_is_evaluated_and_shown(tmp_path: Path) -> None:
    data = digits(400)
    unlabeled.pretrain(
        "curl", data=data, out=tmp_path / "run", order="by-class", max_steps=60, keep=3, workers=0, **QUICK
    )
    found = unlabeled.evaluate("stream", tmp_path / "run", data=data)
    assert 0.1 <= found.value <= 1 and found.hungarian_accuracy <= found.value
    assert found.interval[0] <= found.value <= found.interval[1]
    assert found.components == found.components_over_time[-1] == len(found.births) + 1 >= 2
    assert found.steps == [20, 40, 60] and found.accuracy_over_time[-1] == found.value
    confusion = np.array(found.confusion)
    assert confusion.shape == (10, found.components) and confusion.sum() == found.n_test
    assert confusion.max(0).sum() / found.n_test == pytest.approx(found.value)
    weights = confusion.sum(1) / found.n_test
    assert np.dot(weights, found.per_class) == pytest.approx(found.value)
    assert set(found.knn_error) == {"3", "5", "10"} and set(found.baselines) == {"random_encoder", "raw_input"}
    parts = found.bound
    assert parts["bound"] == pytest.approx(
        parts["log_likelihood"] - parts["latent_kl"] - parts["component_kl"], rel=1e-5
    )
    again = unlabeled.evaluate("stream", tmp_path / "run", data=data)
    assert again == found, "the same run gives the same figures"
    page = Path(unlabeled.report(tmp_path / "run", data=data).report).read_text(encoding="utf-8")
    assert page.count('class="strip"') == 2 * found.components - 1 and 'class="accuracies"' in page


def test_classes_are_known_by_their_names_and_tasks_by_how_they_were_shown(tmp_path: Path) -> None:
    """Folders of some of the classes number them anew."""
    pixels, labels = digits(400)
    for place, label in enumerate(labels.tolist()):
        path = tmp_path / ("few" if label in (3, 4, 7) else "others") / str(label) / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[place]).save(path)
        (tmp_path / "all" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[place]).save(tmp_path / "all" / str(label) / f"{place}.png")
    flags = QUICK | {"components": 10, "supervised": True, "classes_at_once": 5, "snapshot_every": 20, "workers": 0}
    for order in ("by-class", "shuffled"):
        out = tmp_path / order
        unlabeled.pretrain("curl", data=tmp_path / "all", out=out, order=order, epochs=6, max_steps=200, **flags)
        whole = unlabeled.evaluate("stream", out, data=tmp_path / "all", test=tmp_path / "all")
        few = unlabeled.evaluate("stream", out, data=tmp_path / "few", test=tmp_path / "few")
        right = np.diag(np.array(whole.confusion))[[3, 4, 7]].sum()
        assert few.class_incremental == pytest.approx(right / few.n_test) and right
        assert whole.class_incremental < whole.task_incremental, "five are told apart more easily than ten"
        assert whole.order == ([] if order == "shuffled" else [list("01234"), list("56789")])


def test_draws_are_kept_beside_means(tmp_path: Path) -> None:
    data = digits(200)
    unlabeled.pretrain("curl", data=data, out=tmp_path / "run", max_steps=10, keep=1, workers=0, **QUICK)
    plain, sampled, again = (
        unlabeled.evaluate("stream", tmp_path / "run", data=data, sampled=each) for each in (False, True, True)
    )
    assert sampled == again and sampled.knn_error != plain.knn_error and sampled.value == plain.value
    assert len(Run(tmp_path / "run").evaluations()) == 2


def test_a_method_without_components_has_no_stream(tmp_path: Path) -> None:
    unlabeled.pretrain("simclr", data=digits(32), out=tmp_path / "run", max_steps=1, batch_size=16, workers=0)
    with pytest.raises(UserError, match="finds no components"):
        unlabeled.evaluate("stream", tmp_path / "run", data=digits(32))
