"""Many studies and campaigns on the terminal, once or drawn anew as they go on."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rookery.search.time_left import Arrival
from rookery.words import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

EVERY_SECONDS = 2.0
_BAR, _NAME, _NETWORKS = 10, 20, 4
"""Columns of a bar and of a name, and networks in training that are shown of each."""
_COLOURS = {"running": "green", "finished": "bold", "interrupted": "yellow", "broken": "bold red"}
Found = Sequence[dict[str, Any]]


class Fleet:
    """How each stands: a line each, and one for each of the first networks in training."""

    def __init__(self) -> None:
        self._arrivals: dict[str, Arrival] = {}

    def table(self, found: Found, width: int) -> "RenderableType":
        """Return the lines."""
        from rich.console import Group
        from rich.text import Text

        lines: list[Text] = []
        for one in found:
            lines.append(self._line(one))
            if one["kind"] == "broken":
                lines.append(Text(f"  {one['error']}", overflow="fold"))
                continue
            told = one["running_networks"] if one["driver_alive"] is not False else []
            lines += [_network(network, width) for network in told[:_NETWORKS]]
            if len(told) > _NETWORKS:
                lines.append(Text(f"  and {len(told) - _NETWORKS} more networks in training", "dim"))
            if one["first_error"]:
                lines.append(Text(f"  first error: {one['first_error']}"[:width], "red"))
        return Group(*lines)

    def _line(self, one: Mapping[str, Any]) -> "Text":
        """Return name, state, bar, done of wanted, best value and time left of one: 80 columns."""
        from rich.text import Text

        state, done, wanted = state_of(one), *done_of(one)
        line = Text(_fitting(one["path"], _NAME) + "  ")
        line.append(f"{state:<11}", _COLOURS.get(state, "none"))
        if one["kind"] == "broken":
            return line
        full = 0 if not wanted else min(_BAR, int(_BAR * done / wanted))
        line.append("━" * full, "green").append("━" * (_BAR - full), "dim")
        line.append(f" {done:>4,}/{wanted if wanted is not None else '?':<5} ")
        best = one.get("best")
        line.append(f"{'' if best is None else format(best['value'], '.4g'):<9}")
        left = self._left(one) if state == "running" else None
        return line.append(f" {duration(left)} left" if left is not None else "")

    def _left(self, one: Mapping[str, Any]) -> float | None:
        return self._arrivals.setdefault(one["path"], Arrival()).left(one["seconds_left"])


def state_of(one: Mapping[str, Any]) -> str:
    """Return how one stands, in one word."""
    if one["kind"] == "broken":
        return "broken"
    going = one["trials"] if one["kind"] == "study" else one["networks"]
    done, wanted = done_of(one)
    if one["driver_alive"] or (one["driver_alive"] is None and going["running"]):
        return "running"
    if going["interrupted"]:
        return "interrupted"
    return "finished" if wanted is not None and done >= wanted else "stopped" if done else "not begun"


def done_of(one: Mapping[str, Any]) -> tuple[int, int | None]:
    """Return how many trials or networks are done of how many."""
    if one["kind"] == "broken":
        return 0, None
    if one["kind"] == "campaign":
        return one["networks"]["finished"], one["networks"]["wanted"]
    return sum(one["trials"][state] for state in ("complete", "pruned", "failed")), one["wanted"]


def show(found: Found, *, as_json: bool) -> None:
    """Print them once."""
    from rich.console import Console

    if as_json:
        print_json(found)
        return
    console = Console(highlight=False, soft_wrap=False)
    console.print(Fleet().table(found, console.width))


def watch(
    ask: Callable[[], Found],
    *,
    as_json: bool,
    console: "Console | None" = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Draw them anew every two seconds until none runs, or Ctrl-C; as JSON, a line each time."""
    from rich.console import Console
    from rich.live import Live

    if as_json:
        while True:
            found = ask()
            print_json(found, indent=None)
            if not _any_running(found):
                return
            pause(EVERY_SECONDS)
    console, fleet = console or Console(highlight=False), Fleet()
    found = ask()
    with Live(fleet.table(found, console.width), console=console, auto_refresh=False) as live:
        while _any_running(found):
            pause(EVERY_SECONDS)
            found = ask()
            live.update(fleet.table(found, console.width), refresh=True)


def print_json(found: Found, indent: int | None = 2) -> None:
    """Print plain values."""
    import typer

    typer.echo(json.dumps(found, indent=indent))


def _any_running(found: Found) -> bool:
    return any(state_of(one) == "running" for one in found)


def _network(told: Mapping[str, Any], width: int) -> "Text":
    """Return where a network in training is."""
    from rich.text import Text

    words = f"  {told['member']}  epoch {told['epoch']} of {told['epochs']}"
    if told["value"] is not None:
        words += f"  {told['value']:.4g} (best {told['best']:.4g})"
    if told["stalled"]:
        words += f"  no epoch for {duration(told['silent_seconds'])}"
    elif told["seconds_per_epoch"] is not None:
        words += f"  {told['seconds_per_epoch']:.3g} s/epoch"
    return Text(f"{words}  {told['host']}"[:width], "yellow" if told["stalled"] else "dim")


def _fitting(name: str, width: int) -> str:
    """Return the end of a name in so many columns."""
    return f"{name:<{width}}" if len(name) <= width else "…" + name[1 - width :]
