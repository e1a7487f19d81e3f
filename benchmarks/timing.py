"""Interleaved timing: every candidate runs once a round, and ratios are taken within a round."""

import statistics
import time
from collections.abc import Callable, Generator
from pathlib import Path


def interleaved(candidates: dict[str, Callable[[], object]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each candidate in each round, after `warmup` rounds that are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(warmup + rounds):
        for name, run in candidates.items():
            began = time.perf_counter()
            run()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def steady(
    candidates: dict[str, Callable[[], Generator[None]]], rounds: int, warmup: int, steps: int
) -> dict[str, list[float]]:
    """Seconds a step of loops in their steady state, where workers neither idle nor run ahead of what is timed.

    In each round every loop is started afresh, makes `warmup` steps that are not counted and `steps`
    that are, and is closed, so that nothing of it runs on beside the next.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, start in candidates.items():
            loop = start()
            for _ in range(warmup):
                next(loop)
            began = time.perf_counter()
            for _ in range(steps):
                next(loop)
            seconds[name].append((time.perf_counter() - began) / steps)
            loop.close()
    return seconds


def table(title: str, seconds: dict[str, list[float]], limit: str, work: float, unit: str) -> list[str]:
    """A Markdown table: median, rate, and the median over rounds of the ratio to the limit."""
    lines = [f"### {title}", "", f"| | ms | {unit}/s | times the limit |", "| --- | --- | --- | --- |"]
    for name, times in seconds.items():
        median = statistics.median(times)
        ratio = statistics.median(one / other for one, other in zip(times, seconds[limit], strict=True))
        lines.append(f"| {name} | {1e3 * median:.1f} | {work / median:,.0f} | {ratio:.2f} |")
    return [*lines, ""]


def resident(field: str) -> float:
    """Memory of this process in MB (Linux): `VmRSS` now, `VmHWM` at the peak, `RssAnon` what no file lies behind.

    A new program starts at nothing, unlike `ru_maxrss`, which is its parent's at first.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
