"""Whatever form the logits come in, and however the solver goes about them, the answer is one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import Tensor

from battery.processes import run_in_processes
from unlabeled.distributed import rank, world_size
from unlabeled.objectives import balanced_assignment
from unlabeled.objectives.optimal_transport import assign, passes, rows
from unlabeled.objectives.optimal_transport.mixing import Mixing

STRENGTH = 4.0


def drawn(samples: int = 200, clusters: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((samples, 5)) @ rng.standard_normal((5, clusters))


def solved(logits: Any, **options: Any) -> Any:
    return balanced_assignment(logits, STRENGTH, tolerance=1e-11, **options)


class Head:
    """Logits of a linear head, formed chunk by chunk at every pass."""

    def __init__(self, features: Tensor, weight: Tensor, size: int) -> None:
        self.features, self.weight, self.size, self.reads = features, weight, size, 0

    def __iter__(self) -> Iterator[Tensor]:
        self.reads += 1
        for chunk in self.features.split(self.size):
            yield chunk @ self.weight.T


def forms(logits: np.ndarray, folder: Path) -> dict[str, Any]:
    np.save(folder / "logits.npy", logits)
    tensor = torch.from_numpy(logits)
    left, values, right = torch.linalg.svd(tensor, full_matrices=False)
    return {
        "tensor": tensor,
        "with gradient": tensor.clone().requires_grad_(),
        "columns first": tensor.T.contiguous().T,
        "memory map": np.load(folder / "logits.npy", mmap_mode="r"),
        "other byte order": logits.astype(logits.dtype.newbyteorder()),
        "backwards in memory": logits[::-1].copy()[::-1],
        "chunks": [tensor[:7], logits[7:8], tensor[8:8], tensor[8:120], logits[120:]],
        "rows": list(tensor.split(1)),
        "features and a head": Head(left * values, right.T, 33),
    }


@pytest.fixture(scope="module")
def whole() -> Any:
    return solved(drawn())


@pytest.mark.parametrize("kernel_memory", [0, 2**13, 2**20])
def test_every_form_gives_the_same(kernel_memory: int, whole: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(rows, "PIECE", 720)  # 60 rows
    monkeypatch.setattr(passes, "BLOCK", 700)  # 7 rows
    monkeypatch.setattr(passes, "READ", 350)
    monkeypatch.setattr(passes, "LOST", 0.08)  # so that logarithms are taken too, which may write nothing into the data
    for name, logits in forms(drawn(), tmp_path).items():
        found = solved(logits, kernel_memory=kernel_memory)
        np.testing.assert_allclose(found.bias, whole.bias, atol=1e-10, err_msg=name)
        np.testing.assert_array_equal(found.labels, whole.labels, err_msg=name)


def test_a_kernel_that_is_kept_whole_is_not_read_again() -> None:
    features = torch.from_numpy(drawn(400, 6))
    read, kept = (Head(features, torch.from_numpy(drawn(9, 6, 1)), 50) for _ in range(2))
    once = solved(read)
    again = solved(kept, kernel_memory=2**20)
    np.testing.assert_allclose(again.bias, once.bias, atol=1e-9)
    assert read.reads > 10 > kept.reads  # the width, the kernel, the labels, and a few offsets


@pytest.mark.parametrize("kernel_memory", [0, 2**20])
def test_offsets_change_nothing(kernel_memory: int, monkeypatch: Any) -> None:
    logits = drawn() + 4.0 * np.arange(12)  # the bias ranges over 600 bits
    found = solved(logits.astype(np.float32).astype(np.float64), kernel_memory=kernel_memory)
    monkeypatch.setattr(passes, "RANGE", 1e-3)
    often = solved(logits.astype(np.float32).astype(np.float64), kernel_memory=kernel_memory)
    np.testing.assert_allclose(often.bias, found.bias, atol=1e-8)
    narrow = balanced_assignment(logits.astype(np.float32), STRENGTH, tolerance=1e-4, kernel_memory=kernel_memory)
    np.testing.assert_allclose(narrow.bias, found.bias, atol=0.02)


def written_out(logits: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Logarithms of the clusters' shares, (K,)."""
    scores = STRENGTH * logits + bias
    return np.asarray(logsumexp(scores - logsumexp(scores, 1, keepdims=True), 0) - np.log(len(logits)))


@pytest.mark.parametrize("between", [10.0, 15.5, 60.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_number_stands_for_the_largest_of_rows_that_lie_near_each_other(between: float, dtype: Any) -> None:
    """To the edge: a cluster that is 65 bits below all rows' largest, and a bias that is 39 bits higher there."""
    logits, bits = drawn(), STRENGTH * passes.BITS
    logits -= logits[:, 1:].max(1, keepdims=True)
    logits[:, 0] = -65 / bits
    logits[::2] += between / bits
    logits = logits.astype(dtype)
    moved = np.zeros(12)
    moved[0] = 39 / passes.BITS
    with rows.Threads() as threads:
        shares = passes.Shares(logits, 12, STRENGTH, None, 0, threads)
        for bias in (np.zeros(12), np.zeros(12), moved, np.linspace(-5, 5, 12), 100 * moved, 101 * moved):
            found = shares.log(torch.from_numpy(bias))
            np.testing.assert_allclose(found, written_out(logits.astype(np.float64), bias), rtol=1e-5, atol=1e-5)
            assert shares.even == (between < 56)


@pytest.mark.parametrize(("between", "found_on_the_way"), [(0.0, True), (300.0, False)])
def test_the_last_pass_labels_on_the_way_where_it_can(between: float, found_on_the_way: bool) -> None:
    """The labels of a pass of their own to the last bit, copies and ties too."""
    logits = torch.from_numpy(drawn()).float().repeat(3, 1)
    logits[:, 5] = logits[:, 4]
    logits[::2] += between / (STRENGTH * passes.BITS)
    found = balanced_assignment(logits, STRENGTH, tolerance=0.0, max_passes=3)
    assert torch.equal(found.labels, assign(logits, found.bias, STRENGTH).labels)
    with rows.Threads() as threads:
        shares = passes.Shares(logits, 12, STRENGTH, None, 0, threads)
        shares.log(found.bias, label=True)
        assert (shares.labels is not None) == found_on_the_way
        if shares.labels is not None:
            assert torch.equal(shares.labels, found.labels)
        shares.log(found.bias)
        assert shares.labels is None


def test_lost_shares_are_found_in_logarithms(monkeypatch: Any, whole: Any) -> None:
    monkeypatch.setattr(passes, "LOST", 1.0)  # every share, every time
    found = solved(drawn(), weights=np.ones(200))
    np.testing.assert_allclose(found.bias, whole.bias, atol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float32, 1e-3), (torch.float16, 0.05), (torch.bfloat16, 0.4), (torch.int32, 2e-3)]
)
def test_types(dtype: torch.dtype, near: float) -> None:
    rounded = torch.from_numpy(drawn() * 3).to(dtype)
    found = balanced_assignment(rounded, STRENGTH, tolerance=1e-5, max_passes=400)
    exact = balanced_assignment(rounded.double(), STRENGTH, tolerance=1e-9)
    np.testing.assert_allclose(found.bias, exact.bias, atol=2e-3)


@pytest.mark.parametrize("options", [{"memory": 0}, {"memory": 0, "relaxation": 1.7}, {"memory": 3, "relaxation": 1.5}])
def test_steps_lead_to_the_same(options: dict[str, float], whole: Any) -> None:
    found = solved(drawn(), max_passes=5000, **options)
    np.testing.assert_allclose(found.bias, whole.bias, atol=1e-8)


def test_mixing_saves_most_passes(whole: Any) -> None:
    assert whole.passes < 0.4 * solved(drawn(), max_passes=5000, memory=0).passes


def test_over_relaxation_saves_passes() -> None:
    plain, relaxed = (balanced_assignment(drawn(), 25.0, memory=0, relaxation=a).passes for a in (1.0, 1.8))
    assert relaxed < 0.7 * plain


def test_where_the_gap_rises_the_next_step_is_a_plain_one_from_the_best() -> None:
    mixing = Mixing(memory=2, relaxation=1.5)
    one, two = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert mixing.next(one, two, 1.0).tolist() == [1.0, 3.0]
    assert mixing.next(two, one, 2.0).tolist() == (one + two).tolist()
    assert mixing.next(one + two, one, 3.0).isfinite().all()  # a plain step is taken as it is


def test_subsample_is_only_a_start(whole: Any) -> None:
    for logits in (drawn(), [drawn()[:123], drawn()[123:]]):
        found = solved(logits, subsample=0.2, weights=np.ones(200))
        np.testing.assert_allclose(found.bias, whole.bias, atol=1e-8)
    far = drawn(20000, 20, 3)
    assert balanced_assignment(far, 25.0, subsample=0.05).passes < balanced_assignment(far, 25.0).passes


def test_threads_are_left_as_they_were(whole: Any) -> None:
    torch.set_num_threads(2)
    try:
        found = solved(drawn())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    np.testing.assert_allclose(found.bias, whole.bias, atol=1e-10)
    assert torch.tensor([1e-40]).mul_(1.0).item() > 0, "numbers below the normal ones are flushed"


def test_the_page_is_as_it_says(capsys: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "balanced-assignment.md").read_text(encoding="utf-8")
    code = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    exec(compile("\n".join(code), "balanced-assignment.md", "exec"), {"__name__": "page"})
    sizes = capsys.readouterr().out.splitlines()[1]
    assert sizes.startswith("balanced") and sizes in page


def test_the_cap_is_kept() -> None:
    found = balanced_assignment(drawn(), 25.0, tolerance=1e-9, max_passes=3)
    assert found.passes == 3 and found.marginal_error > 1e-9


def of_this_process(kernel_memory: int) -> tuple[Tensor, Tensor, int, list[str]]:
    """Bias and labels of this process's rows (unequal shares, the last of three has none), and how it refuses."""
    bounds = {1: [0, 200], 2: [0, 50, 200], 3: [0, 199, 200, 200]}[world_size()]
    mine = drawn()[bounds[rank()] : bounds[rank() + 1]]
    found = solved(mine, kernel_memory=kernel_memory, weights=np.ones(len(mine)))
    broken, refused = mine.copy(), []
    if rank() == 1:
        broken[0] = np.nan
    try:
        solved(broken)
    except ValueError as problem:
        refused.append(str(problem))
    return found.bias, found.labels, found.passes, refused


@pytest.mark.parametrize("count", [2, 3])
def test_processes_equal_one(count: int, whole: Any) -> None:
    parts = run_in_processes(of_this_process, count, 2**20)
    for bias, _, number, refused in parts:
        np.testing.assert_allclose(bias, whole.bias, atol=1e-10)
        assert number == whole.passes
        assert refused == ["logits have a largest one in every row, but row 0 of process 1 is not a number"]
    np.testing.assert_array_equal(torch.cat([labels for _, labels, _, _ in parts]), whole.labels)
