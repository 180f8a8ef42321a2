"""The live display of a search: trials by state, best value, epochs of what runs, time left."""

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.text import Text

from rookery.compute.progress import Display, bars
from rookery.search.listeners import Listener
from rookery.search.trial_counts import RunningTrial, TrialCounts
from rookery.words import count, duration

_SHOWN = 4
"""Trials that run of which one is drawn."""


class SearchProgress(Display, Listener):
    """A display of some lines on a terminal; elsewhere (a log file, CI) a line whenever a trial ends."""

    def __init__(self, n_trials: int, console: Console, *, metric: str) -> None:
        self._n_trials, self._metric, self._last = n_trials, metric, -1
        self._counts, self._running = TrialCounts(), tuple[RunningTrial, ...]()
        super().__init__(console)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = ()  # none runs any more
        super().__exit__(kind, error, trace)

    def update(self, counts: TrialCounts, running: Sequence[RunningTrial] = ()) -> None:
        """Show the counts of trials, and how far what runs is."""
        self._counts, self._running = counts, tuple(running)
        self._left.update(self._done(), self._n_trials)
        self._draw()
        if counts.finished > max(self._last, 0):
            text = f"trials {counts.finished:,}/{self._n_trials:,}: {describe(counts, self._metric)}"
            self._say(text, self._time_left())
        self._last = counts.finished

    def _done(self) -> float:
        return self._counts.finished + sum(one.fraction for one in self._running)

    def _time_left(self) -> str:
        return self._left.words() if self._counts.finished < self._n_trials else ""

    def _lines(self) -> RenderableType:
        counts, left = self._counts, self._time_left()
        times = f"{counts.finished:,}/{self._n_trials:,}  {duration(self._left.passed)}"
        rows = [("trials", self._done() / max(1, self._n_trials), times + (f", {left}" if left else ""))]
        rows += [(f"trial {one.trial}", one.fraction, one.place()) for one in self._running[:_SHOWN]]
        table = bars(rows)
        if len(self._running) > _SHOWN:
            table.add_row("", "", f"and {len(self._running) - _SHOWN} more")
        return Group(table, Text(describe(counts, self._metric), overflow="fold"))


def describe(counts: TrialCounts, metric: str) -> str:
    """Return the counts of trials in words."""
    parts = [
        f"{counts.complete:,} done",
        f"{counts.running:,} running",
        f"{counts.pruned:,} pruned",
        f"{counts.failed:,} failed",
    ]
    if counts.best is not None:
        parts.append(f"best {metric} {counts.best:.4f} (trial {counts.best_trial})")
    return ", ".join(parts)


class NetworkProgress(Display):
    """The same for networks of a campaign: a bar on a terminal, elsewhere a line whenever one ends."""

    def __init__(self, name: str, wanted: int, console: Console) -> None:
        self._name, self._wanted, self._ended, self._failed = name, wanted, 0, 0
        super().__init__(console)
        self._left.update(0, wanted)

    def end(self, failed: bool) -> None:
        """Count one that has ended."""
        self._ended, self._failed = self._ended + 1, self._failed + failed
        self._left.update(self._ended, self._wanted)
        self._draw()
        self._say(f"{self._name} {self._told()}", self._time_left())

    def _told(self) -> str:
        failed = f", {count(self._failed, 'failure')}" if self._failed else ""
        return f"{self._ended:,}/{self._wanted:,}{failed}  {duration(self._left.passed)}"

    def _time_left(self) -> str:
        return self._left.words() if self._ended < self._wanted else ""

    def _lines(self) -> RenderableType:
        left = self._time_left()
        told = self._told() + (f", {left}" if left else "")
        return bars([(self._name, self._ended / max(1, self._wanted), told)])
