"""The trials of a study as a table, hyperparameters, objectives, metrics and costs; and its Pareto front."""

from pathlib import Path
from typing import Any, Literal

import pandas as pd

from rookery.search.attributes import INFEASIBLE
from rookery.search.costs import begun_trials, trial_row
from rookery.search.parameters import FixedParameter
from rookery.search.study import Study
from rookery.training.card import Card
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_file

Format = Literal["csv", "parquet"]
CONFIGURATION = "configuration."
"""Before the names of hyperparameters, which may be called as anything else is."""


def trials_table(study: Study) -> pd.DataFrame:
    """Return a row per begun trial, by its number.

    Returns
    -------
    The columns of :func:`rookery.search.costs.trial_costs` (without `value`); each objective by its name;
    `configuration.<hyperparameter>`, fixed ones included, absent where a condition leaves it out;
    `validation_<metric>` of its finished networks, their mean at each one's best epoch; `best_epoch` and
    `epochs` (means); `parameters`; `infeasible` and `error` (its first line), where they are.
    """
    parameters = study.space.parameters.items()
    fixed = {name: p.value for name, p in parameters if isinstance(p, FixedParameter)}
    rows = []
    for trial, cards in begun_trials(study):
        row = trial_row(trial, [card.model_dump() for card in cards])
        del row["value"]
        row |= dict(zip(study.space.objectives, trial.values or (), strict=False))
        row |= {f"{CONFIGURATION}{name}": value for name, value in {**fixed, **trial.params}.items()}
        row |= _means(cards)
        row |= {"infeasible": trial.user_attrs.get(INFEASIBLE), "error": _first_line(trial.user_attrs)}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.dropna(axis=1, how="all") if len(table) else table


def export_trials(study: Study, out: str | Path, to: str | None = None) -> tuple[str, ...]:
    """Write :func:`trials_table` as CSV or Parquet, by the ending of `out`; return the columns.

    Raises
    ------
    InputError
        When the ending is another one, `to` another one than the ending, or no trial has begun.
    """
    out = Path(out)
    kind = out.suffix.lower().removeprefix(".")
    if kind not in ("csv", "parquet") or to not in (None, kind):
        wanted = f".{to}" if to in ("csv", "parquet") else ".csv or .parquet"
        rule = f"a study's trials are written to a name that ends in {wanted}"
        raise fail(out, f"{rule}, but this one ends in {out.suffix or 'none'}")
    table = trials_table(study)
    if table.empty:
        raise fail(study.path, "has no trial that has begun: there is nothing to export")
    with atomic_file(out) as partial:
        if kind == "csv":
            table.to_csv(partial, index=False)
        else:
            _uniform(table).to_parquet(partial, index=False)
    return tuple(table.columns)


def _means(cards: list[Card]) -> dict[str, Any]:
    """Return the means over a trial's networks of what their cards tell of them."""
    if not cards:
        return {}
    names = [name for name in cards[0].metrics if all(name in card.metrics for card in cards)]
    found: dict[str, Any] = {name: sum(card.metrics[name] for card in cards) / len(cards) for name in names}
    for name in ("best_epoch", "epochs"):
        found[name] = sum(getattr(card, name) for card in cards) / len(cards)
    return found | {"parameters": cards[0].parameters}


def _first_line(attributes: dict[str, Any]) -> str | None:
    text = str(attributes.get("error") or "").strip()
    return text.splitlines()[0] if text else None


def _uniform(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns have one type each: of choices of several types, text."""

    def of_one_type(column: pd.Series) -> pd.Series:
        kinds = {type(value) for value in column.dropna()}
        if len(kinds) < 2 or kinds <= {int, float}:
            return column
        return column.map(lambda value: None if value is None or value != value else str(value))

    return table.apply(of_one_type)


def pareto_front(study: Study) -> list[dict[str, Any]]:
    """Return the Pareto front, the best by the first objective first.

    With one objective it is the best trial, or those that are as good.

    Returns
    -------
    For each trial `trial`, `values` by objective, and its `configuration` as far as it was searched.
    """
    opened = study.reader()
    names = study.space.objectives
    try:
        trials = opened.best_trials if opened else []
    except InputError:
        raise
    except ValueError as error:  # Optuna's word for other objectives than the trials have
        raise fail(study.path, f"the database has not the objectives {', '.join(names)} ({error})") from error
    if odd := [trial.number for trial in trials if len(trial.values) != len(names)]:
        rule = f"trials must have a value of each of {', '.join(names)}"
        raise fail(study.path, f"{rule}, but trial {odd[0]} has others")
    sign = 1 if study.space.objective.direction == "minimize" else -1
    best = sorted(trials, key=lambda trial: (sign * trial.values[0], trial.number))
    return [
        {
            "trial": trial.number,
            "values": dict(zip(names, trial.values, strict=True)),
            "configuration": dict(trial.params),
        }
        for trial in best
    ]
