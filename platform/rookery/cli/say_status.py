"""How a study or a campaign stands, and what other files hold, on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from rookery.cli.say import Given, as_json

_SHOWN = 8
"""So many trials that run are listed."""
_MOST = 4
"""So many edges of bins are listed."""
_WIDEST = 20
"""Letters of a name that the others are aligned with."""


def status(found: dict[str, Any] | list[dict[str, Any]], given: Given) -> None:
    """Show one in two columns, several in a line each; `watch` draws them anew while one of them runs."""
    from rookery.cli.watch import show, watch

    if given.get("watch"):
        from rookery.api.fleet import status_of_all

        watch(lambda: status_of_all(given["paths"]), as_json=given["json"])
        return
    if isinstance(found, list):
        show(found, as_json=given["json"])
        return
    if given["json"]:
        as_json(found)
        return
    from rookery.words import duration, energy

    rows = _of_study(found) if found["kind"] == "study" else _of_campaign(found)
    joules = found["energy_kilowatt_hours"]
    rows.append(("device time", duration(3600 * found["device_hours"])))
    rows.append(("energy", "not reported" if joules is None else energy(joules)))
    rows.append(("last change", found["last_change"] or "none yet"))
    alive = {True: "works on it", False: "none on this machine", None: "not known"}
    rows.append(("driver", alive[found["driver_alive"]]))
    for line in _lines(rows):
        typer.echo(line)


def spaces(found: list[dict[str, Any]], given: Given) -> None:
    """List search spaces, or show the one that was named."""
    if given["name"] is not None and not given["json"]:
        shown(found[0], given)
    else:
        listed(found, given)


def shown(found: dict[str, Any], given: Given) -> None:
    """Show what a file holds in two columns; a study or a campaign as `status` does."""
    if given["json"]:
        as_json(found)
    elif found["kind"] in ("study", "campaign"):
        status(found, given)
    else:
        rows = [(name.replace("_", " "), _words(value)) for name, value in found.items()]
        if found["kind"] == "search space":  # a parameter a line
            rows = [row for row in rows if row[0] != "parameters"]
            rows += list(found["parameters"].items())
        for line in _lines([row for row in rows if row[1]]):
            typer.echo(line)


def listed(found: list[dict[str, Any]], given: Given) -> None:
    """List things, each with a line for all that is told of it."""
    if given["json"]:
        as_json(found)
        return
    for each in found:
        told = dict(each)
        typer.echo(typer.style(told.pop("name"), bold=True))
        for line in _lines([(f"  {name.replace('_', ' ')}", _words(value)) for name, value in told.items()]):
            typer.echo(line)


def _words(value: Any) -> str:
    """Return a plain value in words; nothing for an empty one."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_words(each)}" for name, each in value.items())
    if isinstance(value, list):
        if len(value) > _MOST and all(isinstance(each, float) for each in value):
            return f"{value[0]:g} to {value[-1]:g}, {len(value) - 1} bins"
        return ", ".join(map(_words, value))
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _lines(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Lay out names and values in two columns; words, and thus paths, are never broken or cut."""
    import shutil
    import textwrap

    edge = 2 + max(len(name) for name, _ in rows if len(name) <= _WIDEST)
    width = max(shutil.get_terminal_size().columns, 2 * edge)
    for name, value in rows:
        yield textwrap.fill(
            value,
            width,
            initial_indent=f"{name:{edge}}" if len(name) < edge else f"{name}  ",
            subsequent_indent=" " * edge,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _of_study(found: dict[str, Any]) -> list[tuple[str, str]]:
    from rookery.words import amount, count

    best, waiting = found["best_trials"], found["trials"]["waiting"]
    rows = [
        ("study", found["path"]),
        ("trials", _counts({k: n for k, n in found["trials"].items() if k != "waiting"}) or "none begun"),
        ("objective", f"{found['metric']}, to {found['direction']}"),
        ("best", ", ".join(f"{t['value']:.5g} (trial {t['trial']})" for t in best) or "none yet"),
    ]
    if waiting:
        rows.append(("queued", f"{count(waiting, 'configuration')}, which further trials try first"))
    if "ensemble" in found:
        rows.append(("ensemble", _ensemble(found["ensemble"])))
    for path, trust in found["trust_in_earlier_studies"].items():
        rows.append((f"trust in {path}", f"{trust:.0%}"))
    name = "to be resumed" if found["driver_alive"] is False else "running"
    going = [f"trial {trial['trial']}: {_place(trial)}" for trial in found["running"]]
    rows += [(name, line) for line in going[:_SHOWN]]
    if len(going) > _SHOWN:
        rows.append(("", f"and {count(len(going) - _SHOWN, 'more trial')}"))
    if found["pruned_at"]:
        rows.append(("pruned", _pruned(found)))
    for trial in found["last_ended"]:
        value = "" if trial["value"] is None else f" with {trial['value']:.5g}"
        rows.append(("last ended", f"trial {trial['trial']}: {trial['state']}{value}, {trial['ended']}"))
    for failure in found["failures"]:
        often = f"{count(failure['trials'], 'trial')}, first trial {failure['first_trial']}"
        rows.append(("failed", f"{often}: {failure['error']}"))
    if found["trials_per_hour"] is not None:
        rows.append(("rate", f"{amount(found['trials_per_hour'])} trials an hour"))
    return rows


def _ensemble(found: Mapping[str, Any]) -> str:
    """Return how the ensemble's score fell with device time, in words."""
    from rookery.words import duration

    curve = found["curve"]
    if not curve:
        return "no trial has ended yet"
    last = curve[-1]
    half = [point for point in curve if point["device_hours"] <= last["device_hours"] / 2]
    told = [f"log loss {last['score']:.5g} after {duration(3600 * last['device_hours'])} of devices"]
    told += [f"{half[-1]['score']:.5g} after half of it"] if half else []
    if found["expected_gain"] is not None:
        told.append(f"the next trial is expected to lower it by {found['expected_gain']:.2g}")
    return "; ".join(told)


def _counts(numbers: Mapping[str, int]) -> str:
    """Return what there is of each state, those that none is in left out."""
    return ", ".join(f"{number:,} {state}" for state, number in numbers.items() if number)


def _place(trial: Mapping[str, Any]) -> str:
    """Return where a trial is, in words."""
    if trial["step"] is None:
        return f"no epoch yet, since {trial['started']}"
    if trial["epoch"] is None:
        where = f"after {trial['step']} epochs of its networks"
    else:
        where = f"epoch {trial['epoch']} of {trial['epochs']}"
        if trial["start"]:
            where = f"start {trial['start'] + 1}, {where}"
        if trial["fold"] is not None:
            where = f"fold {trial['fold'] + 1}, {where}"
    return f"{trial['value']:.5g} at {where}, since {trial['started']}"


def _pruned(found: dict[str, Any]) -> str:
    """Return how many trials were stopped, and after how many epochs."""
    from rookery.words import count

    steps = {int(step): number for step, number in found["pruned_at"].items()}
    in_order = [step for step, number in steps.items() for _ in range(number)]
    several = found["networks_per_trial"] > 1
    of = f" of {found['networks_per_trial']} x {found['epochs']}" if several and found["epochs"] else ""
    low, middle, high = in_order[0], in_order[(len(in_order) - 1) // 2], in_order[-1]
    if low == high:
        return f"{count(len(in_order), 'trial')}, after {count(low, 'epoch')}{of}"
    return f"{count(len(in_order), 'trial')}, after {low} to {high} epochs{of}, half of them by {middle}"


def _of_campaign(found: dict[str, Any]) -> list[tuple[str, str]]:
    from rookery.words import count

    numbers = {state: number for state, number in found["networks"].items() if state != "wanted"}
    told = f"{found['networks']['wanted']:,} wanted: {_counts(numbers) or 'none'}"
    rows = [("campaign", found["path"]), ("networks", told)]
    for row in found["rows"]:
        if row["members"] < row["wanted"]:
            lacking = f"{row['members']} of {count(row['wanted'], 'network')}"
            rows.append((f"{row['experiment']}/{row['row']}", lacking))
    for failure in found["failures"]:
        often = count(failure["networks"], "network")
        rows.append(("failed", f"{often}, first {failure['first']}: {failure['error']}"))
    return rows
