"""What a search and a campaign show while they run: on a terminal of 80 columns, and in a log file."""

import io
import os
import pty
import select
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rookery.compute.progress import Countdown
from rookery.search.progress import NetworkProgress, SearchProgress
from rookery.search.trial_counts import RunningTrial, TrialCounts

COUNTS = TrialCounts(
    complete=1208, pruned=345, failed=12, running=6, best=0.123456, best_trial=1017, first_error="trial 3: x"
)
GOING = [RunningTrial(trial=1500 + n, step=25 + n, epochs=20, networks=3) for n in range(6)]


def drawn(progress: SearchProgress | NetworkProgress, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=True)
    console.print(progress._lines())
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 60, 50])
def test_nothing_is_cut_and_each_line_fits(width: int) -> None:
    progress = SearchProgress(3000, Console(file=io.StringIO()), metric="validation_log_loss_shift")
    progress.update(COUNTS, GOING)
    lines = drawn(progress, width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "…" not in text
    for told in ("1,565/3,000", "1,208 done", "6 running", "345 pruned", "12 failed", "(trial 1017)"):
        assert told in text
    if width == 80:
        assert "best validation_log_loss_shift 0.1235" in text
        (third,) = [line for line in lines if line.startswith("trial 1503")]
        assert "━" in third
        assert "network 2 of 3, epoch 8 of 20" in third
        assert "and 2 more" in text
        assert len(lines) <= 8


@pytest.mark.parametrize(
    ("step", "place"),
    [
        (0, "no epoch yet"),
        (1, "network 1 of 3, epoch 1 of 20"),
        (20, "network 1 of 3, epoch 20 of 20"),
        (59, "network 3 of 3, epoch 19 of 20"),
    ],
)
def test_epochs_are_told_within_their_network(step: int, place: str) -> None:
    assert RunningTrial(7, step, 20, 3).place() == place
    assert RunningTrial(7, 5, 20, 1).place() == "epoch 5 of 20"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_left_counts_down_until_something_is_done() -> None:
    clock = Clock()
    left = Countdown(clock)
    left.update(4, 10)  # of an earlier run
    assert left.words() == ""
    clock.now = 60.0
    left.update(5, 10)
    assert left.words() == "about 5 min left"
    clock.now = 160.0
    left.update(5, 10)
    assert left.words() == "about 3 min 20 s left"
    clock.now = 1000.0
    assert left.words() == "longer than estimated"
    left.update(5.5, 10)  # an epoch of a trial that runs
    assert left.words() == "about 50 min left"


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_time_left_never_rises_while_nothing_was_done(steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    left = Countdown(clock)
    done = 0.0
    left.update(done, 40)
    for seconds, more in steps:
        clock.now += seconds
        left.update(done, 40)
        before = left._end
        clock.now += seconds
        left.update(done, 40)
        assert left._end == before
        done += more
        left.update(done, 40)


def test_a_log_file_gets_a_line_whenever_a_trial_ends() -> None:
    file = io.StringIO()
    with SearchProgress(3, Console(file=file, width=40), metric="loss") as progress:
        progress.update(TrialCounts(running=1), [RunningTrial(0, 0, 5, 1)])
        progress.update(TrialCounts(running=1), [RunningTrial(0, 3, 5, 1)])
        progress.update(TrialCounts(complete=1, best=0.5, best_trial=0))
        progress.update(
            TrialCounts(complete=1, running=1, best=0.5, best_trial=0), [RunningTrial(1, 0, 5, 1)]
        )
    (line,) = file.getvalue().splitlines()
    assert line.startswith("trials 1/3: 1 done, 0 running, 0 pruned, 0 failed, best loss 0.5000 (trial 0)")


def test_networks_of_a_campaign_are_counted_in_a_log_file_and_drawn_on_a_terminal() -> None:
    file = io.StringIO()
    with NetworkProgress("networks", 2, Console(file=file, width=40)) as progress:
        progress.end(False)
        progress.end(True)
    first, second = file.getvalue().splitlines()
    assert first.startswith("networks 1/2  0 s")
    assert second.startswith("networks 2/2, 1 failure  0 s")
    (line,) = drawn(progress, 80)
    assert "━" in line
    assert len(line) <= 80


def test_it_is_drawn_on_a_terminal_of_80_columns() -> None:
    code = (
        "from rich.console import Console; from rookery.search.progress import *;"
        "p = SearchProgress(40, Console(stderr=True), metric='validation_log_loss');"
        "p.__enter__(); t = TrialCounts(complete=8, running=1, best=0.5, best_trial=3);"
        "p.update(t, [RunningTrial(12, 25, 20, 3)]);"
        "p._live.refresh(); p.__exit__(None, None, None)"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    assert child.wait(timeout=60) == 0
    os.close(ours)
    text = seen.decode()
    assert "8/40" in text
    assert "network 2 of 3, epoch 5 of 20" in text
