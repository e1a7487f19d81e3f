"""Interleaved timing: every candidate runs once a round, and ratios are taken within a round."""

import statistics
import time
from collections.abc import Callable


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


def table(title: str, seconds: dict[str, list[float]], limit: str, work: float, unit: str) -> list[str]:
    """A Markdown table: median, rate, and the median over rounds of the ratio to the limit."""
    lines = [f"### {title}", "", f"| | ms | {unit}/s | times the limit |", "| --- | --- | --- | --- |"]
    for name, times in seconds.items():
        median = statistics.median(times)
        ratio = statistics.median(one / other for one, other in zip(times, seconds[limit], strict=True))
        lines.append(f"| {name} | {1e3 * median:.1f} | {work / median:,.0f} | {ratio:.2f} |")
    return [*lines, ""]
