"""How a study stands, from its folder alone: no Ray, and no lock on a search that runs."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rookery.compute.lock import driver_alive
from rookery.search.attributes import ENSEMBLE, GAIN, INFEASIBLE, TRUST, WANTED, is_whole
from rookery.search.costs import JOULES, SECONDS, card_facts, cost_of_cards
from rookery.search.limits import expected_gain
from rookery.search.storage.census import TrialRecord, read_census, read_study_attribute
from rookery.search.study_facts import read_facts
from rookery.search.time_left import time_left
from rookery.training.epochs_file import running_epochs

T = TypeVar("T")
_STATES = {"complete": "complete", "pruned": "pruned", "failed": "fail", "waiting": "waiting"}
_FEW = 5
_ASKED = (INFEASIBLE, TRUST, SECONDS, JOULES, GAIN, ENSEMBLE, "error")


def study_status(path: Path) -> dict[str, Any]:
    """Return how a study stands, as plain values; docs/monitoring.md tells every key.

    Raises
    ------
    InputError
        When the folder is no study, or its database cannot be read.
    """
    facts = read_facts(path)
    trials = read_census(path, facts.storage, facts.storage_name, _ASKED, "epochs")
    begun = [trial for trial in trials if trial.started is not None]
    own = facts.storage is None or facts.storage.startswith("sqlite")
    held = driver_alive(path) if own else None
    states = Counter(trial.state for trial in trials if INFEASIBLE not in trial.attributes)
    going = [trial for trial in begun if trial.state == "running"]
    sign = 1 if facts.minimize else -1
    complete = [trial for trial in begun if trial.value is not None]
    best = sorted(complete, key=lambda trial: sign * trial.value)[:_FEW]  # type: ignore[operator]
    failures = _failures(begun)
    pruned = Counter(trial.last_step for trial in begun if trial.state == "pruned" and trial.last_step)
    fixed, trainings = facts.epochs, facts.trainings
    rows, networks = _costs(path, begun)
    wanted = read_study_attribute(path, facts.storage, facts.storage_name, WANTED)
    wanted = wanted if is_whole(wanted) else None
    ends = [t.ended.timestamp() for t in begun if t.ended and INFEASIBLE not in t.attributes]
    return {
        "kind": "study",
        "path": str(path),
        "family": facts.family,
        "metric": facts.metric,
        "direction": facts.space.objective.direction,
        "trials": {
            **{name: states.get(state, 0) for name, state in _STATES.items()},
            "running": 0 if held is False else len(going),
            "interrupted": len(going) if held is False else 0,
        },
        "wanted": wanted,
        "seconds_left": time_left(len(ends), wanted, ends, time.time()),
        "infeasible": sum(INFEASIBLE in trial.attributes for trial in trials),
        "best": {"trial": best[0].number, "value": best[0].value} if best else None,
        "best_trials": [{"trial": trial.number, "value": trial.value} for trial in best],
        "last_ended": _last_ended(begun),
        "trust_in_earlier_studies": _last_trust(begun),
        **({"ensemble": _ensemble(begun, rows)} if facts.search_for == "ensemble" else {}),
        "running": [_running(trial, trial.parameter or fixed, trainings) for trial in going],
        "running_networks": _networks(path, {trial.number for trial in going}),
        "pruned_at": dict(sorted(pruned.items())),
        "networks_per_trial": len(trainings),
        "epochs": fixed,
        "networks": networks,
        **costs(rows),
        "failures": failures[:_FEW],
        "first_error": failures[0]["error"] if failures else None,
        **_times(begun),
        "driver_alive": held,
    }


def costs(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum up device time, and energy where it is known, of trials or networks."""
    known = [row[JOULES] for row in rows if row[JOULES] is not None and row[JOULES] == row[JOULES]]
    return {
        "device_hours": sum(row[SECONDS] for row in rows) / 3600,
        "energy_kilowatt_hours": sum(known) / 3.6e6 if known else None,
        "energy_known_of": len(known),
    }


def _costs(path: Path, begun: Sequence[TrialRecord]) -> tuple[list[dict[str, Any]], int]:
    """Return what each begun trial cost, and the number of finished members.

    Cards are read of the trials alone whose attributes do not tell: those that run, and old ones.
    """
    cards: dict[int, list[Path]] = defaultdict(list)
    for card in sorted(path.glob("members/[0-9]*/card.json")):
        if (number := _trial_of(card.parent.name)) is not None:
            cards[number].append(card)
    rows = []
    for trial in begun:
        unknown = SECONDS not in trial.attributes
        costs = cost_of_cards([card_facts(card) for card in cards[trial.number]] if unknown else [])
        rows.append({key: trial.attributes.get(key, costs[key]) for key in (SECONDS, JOULES)})
    return rows, sum(len(cards[trial.number]) for trial in begun)


def _networks(path: Path, going: set[int]) -> list[dict[str, Any]]:
    """Return how the networks in training stand, by what their workers tell."""
    now = time.time()
    told = running_epochs(path).items()
    return [found.summary(now) for name, found in told if _trial_of(name) in going]


def _trial_of(member: str) -> int | None:
    """Return the number of the trial that a member belongs to."""
    number = member.partition("-")[0]
    return int(number) if number.isdecimal() else None


def _failures(begun: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return why trials failed, the most frequent first."""
    failed = [(t.number, t.attributes.get("error")) for t in begun if t.state == "fail"]
    return [
        {"error": error, "trials": number, "first_trial": first} for error, number, first in alike(failed)
    ]


def alike(errors: Iterable[tuple[T, str | None]]) -> list[tuple[str, int, T]]:
    """Group errors by their first lines, those that differ in numbers alone together.

    Returns
    -------
    Error, how often, and who had it first, the most frequent first.
    """
    first: dict[str, tuple[str, T]] = {}
    often: Counter[str] = Counter()
    for name, error in errors:
        text = ((error or "").strip() or "failed without a word").splitlines()[0]
        kind = re.sub(r"\d+", "#", text)
        first.setdefault(kind, (text, name))
        often[kind] += 1
    return [(first[kind][0], number, first[kind][1]) for kind, number in often.most_common()]


def _last_ended(begun: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return the trials that ended last, the last one first."""
    told = [trial for trial in begun if trial.ended and INFEASIBLE not in trial.attributes]
    ended = sorted(told, key=lambda trial: trial.ended or datetime.min, reverse=True)
    states = {state: name for name, state in _STATES.items()}
    return [
        {"trial": t.number, "state": states[t.state], "value": t.value, "ended": _clock(t.ended)}
        for t in ended[:3]
    ]


def _last_trust(begun: Sequence[TrialRecord]) -> dict[str, float]:
    """Return by path how far a warm-started study trusts earlier ones by now."""
    told: list[dict[str, float]] = [t.attributes[TRUST] for t in begun if TRUST in t.attributes]
    return told[-1] if told else {}


def _ensemble(begun: Sequence[TrialRecord], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a search for the ensemble came to, and by which device time."""
    told = [(trial, row[SECONDS]) for trial, row in zip(begun, rows, strict=True)]
    told = [each for each in told if each[0].ended and INFEASIBLE not in each[0].attributes]
    told.sort(key=lambda each: (each[0].ended, each[0].number))
    seconds, curve = 0.0, []
    for trial, took in told:
        seconds += took
        if ENSEMBLE in trial.attributes:
            score = trial.attributes[ENSEMBLE]
            curve.append({"trial": trial.number, "device_hours": seconds / 3600, "score": score})
    return {
        "score": curve[-1]["score"] if curve else None,
        "expected_gain": expected_gain([trial.attributes for trial, _ in told]),
        "curve": curve,
    }


def _running(
    trial: TrialRecord, epochs: float | None, trainings: Sequence[tuple[int | None, int]]
) -> dict[str, Any]:
    """Return where a trial is: a step counts the epochs of all its networks, see `rookery.search.worker`."""
    found = {
        "trial": trial.number,
        "step": trial.last_step,
        "value": trial.last_value,
        "started": _clock(trial.started),
        **dict.fromkeys(("network", "fold", "start", "epoch", "epochs")),
    }
    if trial.last_step is not None and epochs is not None:
        number, before = divmod(trial.last_step - 1, int(epochs))
        if 0 <= number < len(trainings):
            fold, start = trainings[number]
            found |= {"network": number + 1, "fold": fold, "start": start}
            found |= {"epoch": before + 1, "epochs": int(epochs)}
    return found


def _clock(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def _times(begun: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return when a study began and last changed, and its rate: local times of the driver's machine."""
    starts = [trial.started for trial in begun if trial.started]
    ends = [trial.ended for trial in begun if trial.ended]
    hours = (max(ends) - min(starts)).total_seconds() / 3600 if ends else 0.0
    return {
        "began": _clock(min(starts)) if starts else None,
        "last_change": _clock(max([*starts, *ends])) if starts else None,
        "trials_per_hour": len(ends) / hours if hours > 0 else None,
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
