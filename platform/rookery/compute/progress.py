"""How far long work is: a bar with a rate and the time left, on a terminal and in a notebook.

Elsewhere (a log file, CI) there are lines. `rookery --quiet` ends all of it. One is shown at a time: work
that is part of such work says nothing.
"""

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from threading import Timer
from types import TracebackType
from typing import Any, Self, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rookery.compute.console import progress_console
from rookery.words import duration
from rookery_ensembles.progress import show_with

Item = TypeVar("Item")
_BAR, _PAGE = 24, 100
"""Columns of a bar, and of a notebook."""
_EVERY, _REFRESH, _AFTER = 30.0, 0.5, 1.0
"""Seconds between lines, between drawings in a notebook, and before short work is shown."""
_open: list["Display"] = []
"""What is shown."""


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


class Display:
    """Lines that are drawn anew on a terminal or in a notebook, from entering this to leaving it.

    `_lines` is asked at once: begin this when all that they tell is there.
    """

    def __init__(self, console: Console, *, after: float = 0.0) -> None:
        self._console, self._left, self._after = console, Countdown(), after
        self._live = Live(
            get_renderable=self._lines, console=console, refresh_per_second=4, transient=after > 0
        )
        self._timer = Timer(after, self._draw)
        self._timer.daemon = True
        self._page: Any = None
        self._drawn = -_REFRESH

    def __enter__(self) -> Self:
        if not _open:
            _open.append(self)
        if not self._after:
            self._draw()
        elif self._shown and self._console.is_terminal:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer.is_alive():
            self._timer.cancel()
            self._timer.join()
        self._live.stop()
        if self._page is not None:
            self._draw_in_notebook()
        if self._shown:
            _open.remove(self)

    @property
    def _shown(self) -> bool:
        return self in _open

    def _lines(self) -> RenderableType:
        raise NotImplementedError

    def _draw(self) -> None:
        """Begin to draw, or draw anew in a notebook, unless it is too early or within what is shown."""
        passed = self._left.passed
        if not self._shown or passed < self._after or self._console.quiet:
            return
        if self._console.is_jupyter and passed - self._drawn >= _REFRESH:
            self._drawn = passed
            self._draw_in_notebook()
        elif self._console.is_terminal and not self._live.is_started:
            self._live.start(refresh=True)

    def _draw_in_notebook(self) -> None:
        """Put the lines where those of before were."""
        from IPython.display import display  # a notebook's kernel has it

        text = io.StringIO()
        Console(file=text, width=_PAGE, color_system=None, force_jupyter=False).print(self._lines())
        told = {"text/plain": text.getvalue().rstrip()}
        if self._page is None:
            self._page = display(told, raw=True, display_id=True)
        else:
            self._page.update(told, raw=True)

    def _say(self, text: str, left: str) -> None:
        """Print a line where nothing is drawn."""
        drawn = self._console.is_terminal or self._console.is_jupyter
        if self._shown and not drawn:
            self._console.print(text + (f", {left}" if left else ""), highlight=False, soft_wrap=True)


def bars(rows: Sequence[tuple[str, float, str]]) -> Table:
    """Return a line each of name, bar of a fraction, words; words are wrapped rather than cut."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(width=_BAR)
    table.add_column(overflow="fold")
    for name, fraction, text in rows:
        table.add_row(name, ProgressBar(total=1.0, completed=min(1.0, fraction), width=_BAR), Text(text))
    return table


class Progress(Display):
    """Work in units: a bar on a terminal and in a notebook; elsewhere a line each half minute and at the end.

    Parameters
    ----------
    wanted
        How many there are to do; None where nobody knows.
    name
        What they are: objects, rows, draws.
    done
        Those that an earlier run did.
    after
        Seconds before which nothing is shown.
    """

    def __init__(
        self,
        wanted: int | None,
        console: Console,
        *,
        name: str = "objects",
        done: int = 0,
        after: float = 0.0,
    ) -> None:
        self._name, self._wanted, self._before, self._done = name, wanted, done, done
        self._told_at = 0.0
        super().__init__(console, after=after)
        if wanted is not None:
            self._left.update(done, wanted)

    def add(self, number: int) -> None:
        """Count what is done."""
        self._done += number
        if self._wanted is not None:
            self._left.update(self._done, self._wanted)
        self._draw()
        passed = self._left.passed
        if passed >= self._after and (self._is_whole or passed - self._told_at >= _EVERY):
            self._told_at = passed
            self._say(f"{self._name} {self._told()}", self._time_left())

    @property
    def _is_whole(self) -> bool:
        return self._wanted is not None and self._done >= self._wanted

    def _told(self) -> str:
        rate = (self._done - self._before) / max(self._left.passed, 1e-9)
        digits = 0 if rate >= 10 else 1
        speed = f", {rate:,.{digits}f} {self._name}/s" if rate else ""
        of = "" if self._wanted is None else f"/{self._wanted:,}"
        return f"{self._done:,}{of}  {duration(self._left.passed)}{speed}"

    def _time_left(self) -> str:
        return "" if self._is_whole else self._left.words()

    def _lines(self) -> RenderableType:
        left = self._time_left()
        told = self._told() + (f", {left}" if left else "")
        if self._wanted is None:
            return Text(f"{self._name} {told}", overflow="fold")
        return bars([(self._name, self._done / max(1, self._wanted), told)])


def tracked(
    items: Iterable[Item],
    name: str,
    wanted: int | None = None,
    *,
    size: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Item]:
    """Yield items and show how many the one who takes them has done, once that has lasted a second.

    Parameters
    ----------
    name
        What is counted: objects, rows, draws.
    wanted
        How many there are; by default the number of items, where they have one.
    size
        How many an item is.
    """
    if wanted is None and isinstance(items, Sized):
        wanted = len(items)
    with counted(name, wanted) as done:
        for item in items:
            yield item
            done(size(item))


@contextmanager
def counted(name: str, wanted: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many more are done, and show them as `tracked` does."""
    with Progress(wanted, progress_console(), name=name, after=_AFTER) as progress:
        yield progress.add


def stop_all() -> None:
    """End what is still drawn, so that an error stands below it."""
    for display in [*_open]:
        display.__exit__(None, None, None)


show_with(tracked)
