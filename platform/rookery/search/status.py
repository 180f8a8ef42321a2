"""How a study stands, from its folder alone: no Ray, and no lock on a search that runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from rookery.documents import Source
from rookery.search.ledger import JOULES, SECONDS, card_facts, trial_row
from rookery.search.lock import driver_alive
from rookery.search.space import INFEASIBLE, TRUST, Objective

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

_STATES = {
    "complete": "complete",
    "pruned": "pruned",
    "failed": "fail",
    "running": "running",
    "waiting": "waiting",
}


class _Space(BaseModel):
    objective: Objective


class _Told(BaseModel):
    """What of ``study.yaml`` is needed here."""

    family: str
    storage: str | None = None
    storage_name: str = "rookery"
    space: _Space


def study_status(path: Path) -> dict[str, Any]:
    """Return how a study stands, as plain values; docs/monitoring.md tells every key.

    Raises
    ------
    InputError
        When the folder is no study, or its database cannot be read.
    """
    # Not by `open_study`: that imports torch, and who asks shall not wait for it.
    document = Source.read(path / "study.yaml").validate(_Told)
    objective, direction = document.space.objective, document.space.objective.direction
    from rookery.search.database import study_url

    url = study_url(path, document.storage)
    trials = _trials(url, document.storage_name)
    begun = [trial for trial in trials if trial.datetime_start is not None]
    cards = _cards(path)
    rows = [trial_row(trial, cards[trial.number]) for trial in begun]
    states = Counter(t.state.name.lower() for t in trials if INFEASIBLE not in t.user_attrs)
    complete = [trial for trial in begun if trial.state.name == "COMPLETE" and trial.values]
    sign = 1 if direction == "minimize" else -1
    best = min(complete, key=lambda trial: sign * trial.values[0], default=None)
    errors = [t.user_attrs["error"] for t in begun if t.state.name == "FAIL" and "error" in t.user_attrs]
    pruned = [trial.last_step for trial in begun if trial.state.name == "PRUNED"]
    return {
        "kind": "study",
        "path": str(path),
        "family": document.family,
        "metric": objective.name,
        "direction": direction,
        "trials": {name: states.get(state, 0) for name, state in _STATES.items()},
        "infeasible": sum(INFEASIBLE in trial.user_attrs for trial in trials),
        "best": None if best is None else {"trial": best.number, "value": best.values[0]},
        "trust_in_earlier_studies": _last_trust(begun),
        "running": [_running(trial) for trial in begun if trial.state.name == "RUNNING"],
        "pruned_at": sorted(step for step in pruned if step is not None),
        "networks": sum(row["networks"] for row in rows),
        **costs(rows),
        "first_error": errors[0].splitlines()[0] if errors else None,
        **_times(begun),
        "driver_alive": driver_alive(path) if url.get_backend_name() == "sqlite" else None,
    }


def costs(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum up device time, and energy where it is known, of trials or networks."""
    known = [row[JOULES] for row in rows if row[JOULES] is not None and row[JOULES] == row[JOULES]]
    return {
        "device_hours": sum(row[SECONDS] for row in rows) / 3600,
        "energy_kilowatt_hours": sum(known) / 3.6e6 if known else None,
        "energy_known_of": len(known),
    }


def _trials(url: sqlalchemy.URL, name: str) -> list[optuna.trial.FrozenTrial]:
    """Read the trials without writing anything; a study that has just been made has none."""
    from rookery.search.database import read_only_storage

    storage = read_only_storage(url)
    if storage is None:
        return []
    try:
        return storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)
    except KeyError:
        return []
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _cards(path: Path) -> dict[int, list[dict[str, Any]]]:
    """Return the cards of the finished members by trial: their names begin with its number."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(path.glob("members/[0-9]*/card.json")):
        if (number := file.parent.name.partition("-")[0]).isdecimal():
            found[int(number)].append(card_facts(file))
    return found


def _last_trust(begun: Sequence[optuna.trial.FrozenTrial]) -> dict[str, float]:
    """Return by path how far a warm-started study trusts earlier ones by now."""
    told: list[dict[str, float]] = [trial.user_attrs[TRUST] for trial in begun if TRUST in trial.user_attrs]
    return told[-1] if told else {}


def _running(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    values = trial.intermediate_values
    step = max(values, default=None)
    started = trial.datetime_start
    return {
        "trial": trial.number,
        "step": step,
        "value": None if step is None else values[step],
        "started": started.isoformat(timespec="seconds") if started else None,
    }


def _times(begun: Sequence[optuna.trial.FrozenTrial]) -> dict[str, Any]:
    """Return when a study began and last changed, and its rate: local times of the driver's machine."""
    starts = [trial.datetime_start for trial in begun if trial.datetime_start]
    ends = [trial.datetime_complete for trial in begun if trial.datetime_complete]
    hours = (max(ends) - min(starts)).total_seconds() / 3600 if ends else 0.0
    return {
        "began": min(starts).isoformat(timespec="seconds") if starts else None,
        "last_change": max([*starts, *ends]).isoformat(timespec="seconds") if starts else None,
        "trials_per_hour": len(ends) / hours if hours > 0 else None,
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
