"""One pass over the data: what each cluster gets under a bias, and which cluster a row falls to."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from unlabeled.distributed import collect, rank, total, world_size
from unlabeled.objectives.optimal_transport.rows import Logits, Threads, pieces

BITS = math.log2(math.e)
"""Exponentials are powers of two here, which torch forms in a third of the time."""
BLOCK = 2**22
"""Bytes of the block on which one thread makes all its steps: in its cache, and few enough calls of Python."""
READ = 2**21
"""The same where a block is only read, twice: the second time from a nearer cache."""
FEW = 8
"""Blocks whose sums are added up before they are in float64."""
RANGE = 40.0
"""Bits by which the bias may differ from that in the kernel: float32 has 126 below 1, so that 86 are left."""
LEAST, MOST = 2.0**-56, 2.0**100
"""Between which the rows' sums lie where one number stands for the largest of all rows: of the 126, 70 are left."""
LOST = 1e-20
"""A share below this may have lost digits to entries that are 0 in float32, and is computed in logarithms."""


def working(dtype: torch.dtype) -> torch.dtype:
    """The type of the arithmetic on logits of some type."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def blocks(run: slice, piece: Tensor, bytes: int | None = None) -> Iterator[slice]:
    """A run of rows by blocks of so many bytes, by default `BLOCK`; whole where it is not on the CPU."""
    fitting = (bytes or BLOCK) // (piece.shape[1] * working(piece.dtype).itemsize)
    size = max(1, fitting) if piece.device.type == "cpu" else len(piece)
    for start in range(run.start, run.stop, size):
        yield slice(start, min(start + size, run.stop))


def buffer(run: slice, piece: Tensor) -> Tensor:
    """Room for the largest block of a run."""
    longest = max(part.stop - part.start for part in blocks(run, piece))
    return torch.empty(longest, piece.shape[1], dtype=working(piece.dtype), device=piece.device)


def certain(block: Tensor) -> Tensor:
    """Rows with infinite logits as their limit: those clusters equal, all others out of the question."""
    block = block.to(working(block.dtype))
    infinite = block.isposinf()
    limit = torch.zeros_like(block).masked_fill_(~infinite, -math.inf)
    return torch.where(infinite.any(1, keepdim=True), limit, block)


def same_type(block: Tensor, out: Tensor) -> Tensor:
    """The block in the type of `out`, copied there where it has another."""
    return block if block.dtype == out.dtype else out.copy_(block)


def form(block: Tensor, offset: Tensor | None, scale: float, out: Tensor) -> Tensor:
    """2^(scale x + offset - the row's largest of it), (n, K), in `out`; those largest, (n, 1)."""
    block = same_type(block, out)
    if offset is None:  # the largest is known before the product: one step less
        top = block.amax(1, keepdim=True).mul_(scale)
        torch.add(-top, block, alpha=scale, out=out)
    else:
        torch.add(offset, block, alpha=scale, out=out)
        top = out.amax(1, keepdim=True)
        out.sub_(top)
    out.exp2_()
    return top


def level_of(rows: Tensor, offset: Tensor | None, scale: float) -> Tensor:
    """The largest of scale x + offset in the first of the rows, which may stand for that of all of them."""
    first = rows[:1] * scale
    return (first if offset is None else first + offset).amax()


def form_evenly(block: Tensor, shift: Tensor, scale: float, out: Tensor, labels: list[Tensor] | None) -> None:
    """2^(scale x + shift), (n, K), in `out`; where there are `labels`, the columns of the largest to them."""
    torch.add(shift, same_type(block, out), alpha=scale, out=out)
    if labels is not None:
        labels.append(_largest(out))
    out.exp2_()


def within(sums: Tensor, kept: bool) -> bool:
    """Whether no row's sum is lost, nor will be, where the kernel is kept, under any bias before it is formed anew."""
    least, most = (float(end) for end in sums.aminmax())
    slack = 2**RANGE if kept else 1.0
    return LEAST * slack < least and most < MOST / slack


class Shares:
    """The clusters' shares of the data under any bias b, by a kernel E that one bias o, its offset, is part of.

        E_iy = 2^(scale x_iy + o_y - t_i), t_i about the row's largest      u = 2^(b - o)
        s = E u,      m = u E'(w / s)

    For every block of rows that fits into a core's cache E is formed and multiplied twice, at first with one number
    for the largest of all rows; where s shows that it cannot stand for some of them, each has its own from then on.
    Where memory for E is given it is kept, and later passes are the two products alone. Where b has moved too far
    from o, the offset becomes b and E is formed anew.

    Args:
        logits: as of `balanced_assignment`.
        width: K.
        strength: of `balanced_assignment`.
        weights: of rows, (N,) or None.
        kernel_memory: bytes.
        threads: that do the work.
    """

    def __init__(
        self, logits: Logits, width: int, strength: float, weights: Tensor | None, kernel_memory: int, threads: Threads
    ) -> None:
        self.logits, self.width, self.strength, self.weights = logits, width, strength, weights
        self.memory, self.threads = kernel_memory, threads
        self.offset: Tensor | None = None  # in bits; None is 0
        self.kept: list[Tensor] = []  # the kernel of the first pieces,
        self.formed = False  # whether it is that of the offset,
        self.whole = False  # and whether there are no other pieces
        self.infinite = False
        self.even = True  # whether one number has stood for the largest of every row so far
        self.labels: Tensor | None = None  # those of the last pass, where it was asked for them

    def log(self, bias: Tensor, label: bool = False) -> Tensor:
        """The logarithm of each cluster's share: a bias (K,) float64 to (K,) float64.

        With `label` the rows' clusters are found on the way, those of `labelled`, and are in `labels`; where that
        would cost more than a pass of their own, `labels` stays None.

        Raises:
            ValueError: a row without a largest logit, a cluster that no row can be in, or no weight at all.
        """
        found = self._sums(bias * BITS, label)
        if not found.isfinite().all():
            self._refuse_undefined()
            self.infinite, self.formed = True, False
            found = self._sums(bias * BITS)
            if not found.isfinite().all():
                raise ValueError(f"logits times the strength, {self.strength:g}, are beyond the largest number")
        if not found[-1] > 0:
            raise ValueError("weights have a sum above 0, got 0")
        shares = found[:-1] / found[-1]
        lost = shares < LOST
        return self._in_logarithms(bias, lost, shares.log(), found[-1]) if lost.any() else shares.log()

    def _sums(self, bias: Tensor, label: bool = False) -> Tensor:
        """Sums over all rows of all processes, the sum of weights last: a bias in bits to (K + 1,)."""
        label = label and self.even and not self.infinite and not self.kept
        moved = bias if self.offset is None else bias - self.offset
        if label or moved.max() - moved.min() > RANGE:
            self.offset, moved, self.formed = bias.clone(), torch.zeros_like(bias), False
        factor = (moved - moved.max()).exp2()
        found = torch.zeros(self.width + 1, dtype=torch.float64)
        first, missing = 0, 0
        labels: list[Tensor] = []
        for number, piece in enumerate(self.kept if self.formed and self.whole else pieces(self.logits)):
            kernel, weight = self._place(number, piece), self._weight(first, piece)
            missing += kernel is None
            work = partial(self._run, piece, kernel, weight, factor.to(piece.device, working(piece.dtype)), label)
            for part, some in self.threads.runs(work, piece):
                found[:-1] += part.cpu()
                labels += some
            found[-1] += len(piece) if weight is None else weight.sum(dtype=torch.float64).cpu()
            first += len(piece)
        if self.weights is not None and first != len(self.weights):
            raise ValueError(f"weights are one a sample, got {len(self.weights)} for {first}")
        self.formed, self.whole = True, missing == 0
        self.labels = torch.cat([each.cpu() for each in labels]) if label and self.even and labels else None
        found[:-1] *= factor
        return total(found)

    def _run(
        self, piece: Tensor, kernel: Tensor | None, weight: Tensor | None, factor: Tensor, label: bool, run: slice
    ) -> tuple[Tensor, list[Tensor]]:
        """E'(w / E u) of a run of a piece's rows, (K,) float64, and with `label` the rows' clusters, block by block."""
        sums = torch.zeros(self.width, dtype=torch.float64, device=factor.device)
        few = torch.zeros_like(factor)  # the sums of some blocks, in the type of the arithmetic
        offset = None if self.offset is None else self.offset.to(factor)
        room = buffer(run, piece) if kernel is None else kernel
        labels: list[Tensor] = []
        level = None
        for number, part in enumerate(blocks(run, piece, READ if kernel is not None and self.formed else None), 1):
            block = room[: part.stop - part.start] if kernel is None else kernel[part]
            if kernel is not None and self.formed:
                share = torch.mv(block, factor)
            else:
                rows = certain(piece[part]) if self.infinite else piece[part]
                if level is None:  # that of the run; none where labels are wanted, which are those of `fall` to the bit
                    level = factor.new_zeros(()) if label else level_of(rows, offset, self.strength * BITS)
                share = self._form(rows, offset, level, factor, kernel is not None, labels if label else None, block)
            share.reciprocal_()
            if weight is not None:
                share.mul_(weight[part])
            few.addmv_(block.T, share)
            if number % FEW == 0:
                sums += few
                few.zero_()
        return sums + few, labels

    def _form(
        self,
        rows: Tensor,
        offset: Tensor | None,
        level: Tensor,
        factor: Tensor,
        kept: bool,
        labels: list[Tensor] | None,
        out: Tensor,
    ) -> Tensor:
        """The kernel of some rows in `out`, and their sums E u, (n,)."""
        scale = self.strength * BITS
        if self.even:
            form_evenly(rows, (0 if offset is None else offset) - level, scale, out, labels)
            sums = torch.mv(out, factor)
            if within(sums, kept):
                return sums
            self.even = False
        form(rows, offset, scale, out)
        return torch.mv(out, factor)

    def _place(self, number: int, piece: Tensor) -> Tensor | None:
        """Where the kernel of a piece is kept, None where memory for it is not left."""
        if number >= len(self.kept) and not self.formed:
            size = piece.numel() * working(piece.dtype).itemsize
            self.memory = self.memory - size if size <= self.memory else 0  # those kept are the first ones
            if self.memory > 0 or size == 0:
                self.kept.append(_room(piece))
        return self.kept[number] if number < len(self.kept) else None

    def _weight(self, first: int, piece: Tensor) -> Tensor | None:
        """The weights of a piece whose first row is row `first`."""
        if self.weights is None:
            return None
        weight = self.weights[first : first + len(piece)]
        if len(weight) < len(piece):
            raise ValueError(f"weights are one a sample, got {len(self.weights)} for more")
        return weight.to(piece.device, working(piece.dtype))

    def _refuse_undefined(self) -> None:
        """Raise on every process what the first of them with a row that has no largest logit says of it."""
        first, problem = 0, None
        for piece in pieces(self.logits):
            undefined = ~(piece.amax(1) > -math.inf)
            if undefined.any():
                row = int(undefined.int().argmax())
                where = f"row {first + row}" + (f" of process {rank()}" if world_size() > 1 else "")
                problem = f"logits have a largest one in every row, but {where} is {_said(piece[row])}"
                break
            first += len(piece)
        problems = [each for each in collect(problem) if each]
        if problems:
            raise ValueError(problems[0])

    def _in_logarithms(self, bias: Tensor, lost: Tensor, logs: Tensor, weight: Tensor) -> Tensor:
        """`logs` with those of the clusters that are lost computed anew, by logarithms of sums in float64."""
        here = torch.full((int(lost.sum()),), -math.inf, dtype=torch.float64)
        first = 0
        for piece in pieces(self.logits):
            weights = self._weight(first, piece)
            for part in blocks(slice(0, len(piece)), piece):
                rows = (certain(piece[part]) if self.infinite else piece[part]).cpu().double()
                posterior = (rows * self.strength + bias).log_softmax(1)[:, lost]
                if weights is not None:
                    posterior += weights[part].cpu().double().log()[:, None]
                here = torch.logaddexp(here, posterior.logsumexp(0))
            first += len(piece)
        found = torch.stack(collect(here)).logsumexp(0) - weight.log()
        if found.isinf().any():
            cluster = int(lost.nonzero()[found.isinf()][0])
            raise ValueError(f"each cluster needs a sample that it can have, but cluster {cluster} has none: all -inf")
        return logs.masked_scatter(lost, found)


def _room(piece: Tensor) -> Tensor:
    """Memory for a piece's kernel; NumPy's, which asks for large pages: the first touch of small ones is slow."""
    dtype = working(piece.dtype)
    if piece.device.type != "cpu":
        return torch.empty(piece.shape, dtype=dtype, device=piece.device)
    return torch.from_numpy(np.empty(piece.shape, np.float64 if dtype == torch.float64 else np.float32))


def _said(row: Tensor) -> str:
    return "not a number" if row.isnan().any() else "-inf in all"


def fall(piece: Tensor, offset: Tensor, scale: float, first: int, confident: bool, run: slice) -> tuple[Tensor, Tensor]:
    """The cluster of each row of a run, (n,) int64, and its posterior, (n,), or nothing where not asked for."""
    room = buffer(run, piece)
    labels, confidences = [], []
    for part in blocks(run, piece):
        block = room[: part.stop - part.start]
        label = _largest(torch.add(offset, same_type(piece[part], block), alpha=scale, out=block))
        top = block.gather(1, label[:, None])  # (n, 1)
        if not top.isfinite().all():
            rows = certain(piece[part])
            label = _largest(torch.add(offset, rows, alpha=scale, out=block))
            top = block.gather(1, label[:, None])
            if not top.isfinite().all():
                row = int((~top.isfinite()).int().argmax())
                at = first + part.start + row
                raise ValueError(f"logits have a largest one in every row, but row {at} is {_said(rows[row])}")
        labels.append(label)
        if confident:
            confidences.append(block.sub_(top).exp2_().sum(1).reciprocal_())
    return torch.cat(labels), torch.cat(confidences) if confident else room.new_empty(0)


def _largest(block: Tensor) -> Tensor:
    """The column of each row's largest, the first of equal ones; on the CPU by NumPy, ten times as fast as torch."""
    return torch.from_numpy(block.numpy().argmax(1)) if block.device.type == "cpu" else block.argmax(1)


def labelled(logits: Logits, bias: Tensor, strength: float, threads: Threads, confident: bool) -> tuple[Tensor, Tensor]:
    """Clusters of all rows of this process, (N,) int64, and their posteriors, (N,) float32, on the CPU."""
    found, first = [(torch.empty(0, dtype=torch.int64), torch.empty(0))], 0
    for piece in pieces(logits):
        if piece.shape[1] != len(bias):
            raise ValueError(f"logits have one column a cluster, got {piece.shape[1]} for a bias of {len(bias)}")
        offset = (bias * BITS).to(piece.device, working(piece.dtype))
        found += threads.runs(partial(fall, piece, offset, strength * BITS, first, confident), piece)
        first += len(piece)
    labels, confidences = zip(*found, strict=True)
    return torch.cat([each.cpu() for each in labels]), torch.cat([each.cpu().float() for each in confidences])
