"""The live display of a search: trials by state, best value, time left."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rookery.search.tally import Tally

logger = logging.getLogger(__name__)


class SearchProgress:
    """A progress bar on a terminal; elsewhere (a log file, CI) a line whenever a trial ends."""

    def __init__(self, n_trials: int, console: Console, *, metric: str) -> None:
        self._n_trials, self._console, self._metric = n_trials, console, metric
        self._start, self._finished_at_start, self._last = time.monotonic(), 0, -1
        self._bar = Progress(
            TextColumn("[bold]trials"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[states]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("trials", total=n_trials, states="", left="")

    def __enter__(self) -> SearchProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, tally: Tally) -> None:
        """Show a tally."""
        if self._last < 0:
            self._finished_at_start = tally.finished
        states = describe(tally, self._metric)
        left = self._time_left(tally)
        self._bar.update(self._task, completed=tally.finished, states=states, left=left)
        if self._bar.disable and tally.finished > max(self._last, 0):
            text = f"trials {tally.finished}/{self._n_trials}: {states}" + (f", {left}" if left else "")
            self._console.print(text, highlight=False, soft_wrap=True)
        self._last = tally.finished

    def _time_left(self, tally: Tally) -> str:
        """Extrapolate from the trials that ended in this run."""
        ended = tally.finished - self._finished_at_start
        if not ended or tally.finished >= self._n_trials:
            return ""
        seconds = (time.monotonic() - self._start) / ended * (self._n_trials - tally.finished)
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"


def describe(tally: Tally, metric: str) -> str:
    """Return a tally in words."""
    parts = [
        f"{tally.complete} done",
        f"{tally.running} running",
        f"{tally.pruned} pruned",
        f"{tally.failed} failed",
    ]
    if tally.best is not None:
        parts.append(f"best {metric} {tally.best:.4f} (trial {tally.best_trial})")
    return ", ".join(parts)
