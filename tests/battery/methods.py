"""The checks that every method must pass, whatever it is."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from battery.small import session, world_of
from unlabeled import chance, methods
from unlabeled.commands.packed import pack
from unlabeled.distributed import average_gradients
from unlabeled.errors import UserError
from unlabeled.run import Run
from unlabeled.training.batch_norm import over_processes
from unlabeled.training.building import initialise
from unlabeled.training.loader import Steps
from unlabeled.training.method import ActsBeforeStep, Batch, LooksThrough, Penalises, Prepares, Represents, StepsItself
from unlabeled.training.pretraining import Session

MethodClass = Callable[..., Any]


class Killed(Exception):
    """What a kill looks like to the code that is killed."""


def loss_falls_on_one_batch(method: MethodClass, folder: Path) -> None:
    """Sixty steps on the same sixteen samples lower the loss on fixed views, towards a target that stands still."""
    one = session(method, folder / "one", steps=60, data=world_of(method).data(16))
    if isinstance(one.loop.method, LooksThrough):
        one.loop.method.before_step = lambda step: None  # it would set itself another target from all samples
    loaded = one_batch(one)
    before = loss_of(one, loaded)
    one.train()
    after = loss_of(one, loaded)
    assert after < before - 0.01 * abs(before), f"the loss went from {before} to {after}"


def one_batch(one: Session) -> Batch:
    """The first step's batch."""
    return Steps(one.samples, one.views, 0, one.settings.batch_size)[0].batch


def loss_of(one: Session, batch: Batch) -> float:
    """The method's loss on a batch, without learning from it."""
    state = {name: value.clone() for name, value in one.loop.module.state_dict().items()}
    chance.seed_torch(0, chance.MODEL, 0)
    with torch.no_grad():
        if isinstance(one.loop.method, StepsItself):
            loss = one.loop.method.step(batch, lambda loss, parameters=None: None)
        else:
            loss = one.loop.method.loss(batch)
    one.loop.module.load_state_dict(state)
    return float(loss)


def saves_and_loads_equal_embeddings(method: MethodClass, folder: Path) -> None:
    """The encoder written to disk embeds as the one that was trained."""
    one = session(method, folder / "run", steps=3)
    one.train()
    world = world_of(method)
    views = world.kind.plain(one.form)
    batch = views.join([[views.view(views.read(one.samples, place), None) for place in range(8)]])
    trained = one.loop.module.eval()
    if world.kind.whole is not None:
        batch = trained.encoder.graph_of(one.samples)
    fresh = world.fresh(one.form)
    if isinstance(trained, Represents):
        fresh = method(encoder=fresh, **one.settings.arguments)
    fresh.load_state_dict(Run.open(folder / "run").weights())
    fresh.eval()
    with torch.no_grad():
        if isinstance(trained, Represents):
            expected, found = trained.represent(batch), fresh.represent(batch)
        else:
            expected, found = trained.encoder(batch), fresh(batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert expected.std() > 0, "all embeddings are equal, so that the check would pass for any"


def gives_its_encoder_to_another_run(method: MethodClass, folder: Path) -> None:
    """`--init`: the encoder of a run, and of its exported file, fills one built alike, whatever else is kept."""
    one = session(method, folder / "run", steps=2)
    one.train()
    (folder / "encoder.safetensors").write_bytes(pack(Run.open(folder / "run")))
    for source in (folder / "run", folder / "encoder.safetensors"):
        fresh = world_of(method).fresh(one.form)
        initialise(fresh, source)
        same_state(one.loop.method.encoder.state_dict(), fresh.state_dict())


def resumes_to_the_same_bits(method: MethodClass, folder: Path, accumulate: int = 1) -> None:
    """Killed after two steps and resumed: all state equals that of the run that was never killed."""
    whole = session(method, folder / "whole", accumulate=accumulate)
    whole.train()
    killed = session(method, folder / "killed", accumulate=accumulate)
    kill_after(killed, 2)
    with contextlib.suppress(Killed):
        killed.train()
    resumed = session(method, folder / "killed", resume=True, accumulate=accumulate)
    assert resumed.loop.done == 2, f"resumed at step {resumed.loop.done}"
    resumed.train()
    expected, found = whole.loop.checkpoint(""), resumed.loop.checkpoint("")
    assert expected.step == found.step == 6
    same_state(expected.method, found.method)
    same_state(expected.optimizer, found.optimizer)
    same_state(expected.memory, found.memory)
    assert steps_of(whole) == steps_of(resumed), "the figures of the two runs differ in their steps"


def steps_in_parts(method: MethodClass, folder: Path) -> None:
    """A step in four parts moves down the mean of the parts' gradients, and a resumed run does so to the same bits.

    A method with steps of its own refuses in one sentence.
    """
    if hasattr(method, "step"):
        with pytest.raises(UserError, match="leave out --accumulate"):
            session(method, folder / "run", accumulate=4)
        return
    one = session(method, folder / "one", steps=1, accumulate=4)
    loaded = Steps(one.samples, one.views, 0, 16, parts=4)[0]
    assert [len(part.index) for part in loaded.parts] == [4, 4, 4, 4]
    slow, expected = session(method, folder / "slow", steps=1).loop, []
    chance.seed_torch(0, chance.MODEL, 0, 0)
    if isinstance(slow.method, ActsBeforeStep):
        slow.method.before_step(0)
    slow.module.train()
    for part in loaded.parts:
        slow.module.zero_grad()
        penalised(slow.method, slow.method.loss(part)).backward()
        expected.append([p.grad for p in slow.module.parameters() if p.grad is not None])
    one.loop.plan.clip = None  # which would change the gradients that are looked at
    one.train()
    found = [p.grad for p in one.loop.module.parameters() if p.grad is not None]
    for gradient, parts in zip(found, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(gradient, torch.stack(parts).mean(0), rtol=1e-4, atol=1e-6)
    resumes_to_the_same_bits(method, folder, accumulate=2)


def penalised(method: Any, loss: Tensor) -> Tensor:
    """The loss with what the encoder adds to it, as the loop has it."""
    return loss + method.encoder.penalty() if isinstance(method.encoder, Penalises) else loss


def kill_after(one: Session, saves: int) -> None:
    """Let the run save so many times and then die."""
    keep, done = one.run.save, []

    def save(checkpoint: Any) -> None:
        keep(checkpoint)
        done.append(checkpoint.step)
        if len(done) == saves:
            raise Killed

    one.run.save = save  # type: ignore[method-assign]


def steps_of(one: Session) -> list[float]:
    """The steps and losses in metrics.jsonl."""
    return [value for line in one.run.metrics() for value in (line["step"], line["loss"])]


def same_state(expected: Any, found: Any) -> None:
    """Equal to the bit, all the way down."""
    if isinstance(expected, dict):
        assert expected.keys() == found.keys()
        for key in expected:
            same_state(expected[key], found[key])
    elif isinstance(expected, list | tuple):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            same_state(one, other)
    elif isinstance(expected, Tensor):
        assert torch.equal(expected, found), f"tensors differ by {(expected - found).abs().max()}"
    else:
        assert expected == found


def depends_on_its_seed(method: MethodClass, folder: Path) -> None:
    """Another seed gives another run; the same seed the same."""
    runs = [session(method, folder / str(place), steps=2, seed=seed) for place, seed in enumerate((0, 0, 1))]
    for one in runs:
        one.train()
    first, again, other = (one.run.weights() for one in runs)
    same_state(first, again)
    assert any(not torch.equal(first[name], other[name]) for name in first), "the seed changes nothing"


CHECKS = (
    loss_falls_on_one_batch, saves_and_loads_equal_embeddings, gives_its_encoder_to_another_run,
    resumes_to_the_same_bits, steps_in_parts, depends_on_its_seed,
)  # fmt: skip


def gradients(method: MethodClass, process: int, processes: int, batch: int = 12) -> dict[str, Tensor]:
    """Loss, averaged gradients and batch-norm statistics of one process's share of a global batch, in float64."""
    world = world_of(method)
    samples = world.kind.open(world.data(64), None)
    form = world.kind.size(samples)
    chance.seed_torch(0, chance.INITIALISATION)
    built = method(encoder=world.fresh(form))
    if isinstance(built, Prepares):
        built.prepare(samples)
    over_processes(built.double())
    views = getattr(method, "views", {}).get(world.modality, world.kind.views)(size=form)
    loaded = Steps(samples, views, 0, batch, process, processes)[0].batch
    chance.seed_torch(0, chance.MODEL, 0, 0)
    loss = penalised(built, built.loss(Batch(loaded.views.double(), loaded.index)))
    loss.backward()
    parameters = list(built.parameters())
    if processes > 1:
        average_gradients(parameters)
    found = {name: p.grad for name, p in built.named_parameters() if p.grad is not None}
    statistics = {name: b for name, b in built.named_buffers() if "running" in name}
    return {"loss": loss.detach(), **found, **statistics}


def is_the_same_over_processes(shards: list[dict[str, Tensor]], whole: dict[str, Tensor]) -> None:
    """Two processes of batch B: the loss, every gradient and every statistic of one process of 2B."""
    assert whole.keys() == shards[0].keys()
    loss = torch.stack([shard["loss"] for shard in shards]).mean()
    torch.testing.assert_close(loss, whole["loss"], rtol=1e-10, atol=1e-10)
    for name in whole.keys() - {"loss"}:
        for shard in shards:
            torch.testing.assert_close(
                shard[name], whole[name], rtol=1e-8, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
            )


def all_methods() -> list[Any]:
    """Every file of `methods/`, as parameters of a test."""
    return [pytest.param(name, id=name) for name in methods.names()]
