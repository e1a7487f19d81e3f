"""The progress line: what it says, and that one process says it."""

import io
import sys

import pytest

from unlabeled.training import progress
from unlabeled.training.progress import Progress, duration, pace


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error as a terminal, and a clock that moves a second at every look."""
    shown, seconds = Terminal(), iter(range(100))
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    return shown


def test_the_line_says_steps_rate_time_left_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 units 40 were done before; 10 in the first second leave 50, at 4 samples a unit."""
    terminal = on_a_terminal(monkeypatch)
    with Progress("training", 100, "samples", start=40, weight=4.0) as line:
        line.update(50, "loss 1.000")
    assert terminal.getvalue() == "\r\033[Ktraining 50/100  40 samples/s  0:05 left  loss 1.000\r\033[K"


@pytest.mark.parametrize(("rank", "shown"), [(0, True), (1, False)])
def test_one_of_several_processes_says_it(rank: int, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setattr(progress, "rank", lambda: rank)
    with Progress("training", 100, "samples") as line:
        line.update(50)
        line.say("something")
    assert bool(terminal.getvalue()) is shown


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 75, 4000)] == ["0:00", "1:15", "1:06:40"]


def test_slow_work_is_counted_by_the_minute_or_the_hour() -> None:
    shown = [pace(rate, "steps") for rate in (1200.0, 12.0, 2.5, 1 / 30, 1 / 2000, 0.0)]
    assert shown == ["1,200 steps/s", "12 steps/s", "2.5 steps/s", "2.0 steps/min", "1.8 steps/h", "0.0 steps/s"]


def test_what_is_soon_over_leaves_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock says 0 at the start and a second more at every look: at 4 s nothing, at 5 s the line."""
    terminal = on_a_terminal(monkeypatch)
    with Progress("labelling", 9, "samples", patience=5.0) as line:
        for done in range(1, 5):
            line.update(done)
        assert terminal.getvalue() == ""
        line.update(5)
    assert terminal.getvalue().startswith("\r\033[Klabelling 5/9") and terminal.getvalue().endswith("\r\033[K")
    quiet = on_a_terminal(monkeypatch)
    with Progress("labelling", 9, "samples", patience=5.0) as line:
        line.update(1)
    assert quiet.getvalue() == "", "nothing was drawn, so nothing is wiped"
