"""The live display of a search: trials by state, best value, epochs of what runs, time left."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rookery.search.listeners import Listener
from rookery.search.trial_counts import RunningTrial, TrialCounts
from rookery.words import count, duration

_BAR, _SHOWN, _EVERY = 24, 4, 30.0
"""Columns of a bar, trials that run of which one is drawn, and seconds between lines on objects."""


class Countdown:
    """The time left: estimated anew when something was done, else it counts down and never rises.

    Work is in any unit; `update` may be called as often as one likes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, clock()
        self._first: float | None = None
        self._last = 0.0
        self._end: float | None = None

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def update(self, done: float, wanted: float) -> None:
        """Take note of the work that is done of what is wanted, that of earlier runs counted."""
        if self._first is None:
            self._first = self._last = done
        if done == self._last:
            return
        self._last = done
        here = done - self._first
        self._end = self._clock() + self.passed / here * (wanted - done) if here > 0 else None

    def words(self) -> str:
        """Return the time left, or nothing where nothing tells it."""
        if self._end is None:
            return ""
        left = self._end - self._clock()
        return f"about {duration(left)} left" if left >= 0.5 else "longer than estimated"


class _Display:
    """Lines that are drawn anew on a terminal, from entering this to leaving it; nothing elsewhere.

    `_lines` is asked at once: begin this when all that they tell is there.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._left = console, Countdown()
        self._live = Live(get_renderable=self._lines, console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _lines(self) -> RenderableType:
        raise NotImplementedError

    def _say(self, text: str, left: str) -> None:
        """Print a line where nothing is drawn."""
        if not self._console.is_terminal:
            self._console.print(text + (f", {left}" if left else ""), highlight=False, soft_wrap=True)


class SearchProgress(_Display, Listener):
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


def bars(rows: Sequence[tuple[str, float, str]]) -> Table:
    """Return a line each of name, bar of a fraction, words; words are wrapped rather than cut."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(width=_BAR)
    table.add_column(overflow="fold")
    for name, fraction, text in rows:
        table.add_row(name, ProgressBar(total=1.0, completed=min(1.0, fraction), width=_BAR), Text(text))
    return table


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


class NetworkProgress(_Display):
    """The same for networks of a campaign: a bar on a terminal, elsewhere a line whenever one ends."""

    def __init__(self, name: str, wanted: int, console: Console) -> None:
        self._name, self._wanted, self._ended, self._failed = name, wanted, 0, 0
        super().__init__(console)
        self._left.update(0, wanted)

    def end(self, failed: bool) -> None:
        """Count one that has ended."""
        self._ended, self._failed = self._ended + 1, self._failed + failed
        self._left.update(self._ended, self._wanted)
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


class ObjectProgress(_Display):
    """The same for objects that are predicted: a bar on a terminal, elsewhere a line every half minute.

    Parameters
    ----------
    done
        Objects that an earlier run did.
    """

    def __init__(self, wanted: int, console: Console, *, done: int = 0, name: str = "objects") -> None:
        self._name, self._wanted, self._before, self._done = name, wanted, done, done
        self._told_at = 0.0
        super().__init__(console)
        self._left.update(done, wanted)

    def add(self, objects: int) -> None:
        """Count objects that are done."""
        self._done += objects
        self._left.update(self._done, self._wanted)
        if self._done >= self._wanted or self._left.passed - self._told_at >= _EVERY:
            self._told_at = self._left.passed
            self._say(f"{self._name} {self._told()}", self._time_left())

    def _told(self) -> str:
        rate = (self._done - self._before) / max(self._left.passed, 1e-9)
        speed = f", {rate:,.0f} objects/s" if rate else ""
        return f"{self._done:,}/{self._wanted:,}  {duration(self._left.passed)}{speed}"

    def _time_left(self) -> str:
        return self._left.words() if self._done < self._wanted else ""

    def _lines(self) -> RenderableType:
        left = self._time_left()
        told = self._told() + (f", {left}" if left else "")
        return bars([(self._name, self._done / max(1, self._wanted), told)])
