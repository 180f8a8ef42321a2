"""Figures of what hyperparameters do: importance, one against the value, all together, objectives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rookery.dashboard import figures
from rookery.dashboard.trials import Trial
from rookery.reports.charts.model import Axis, Line, single
from rookery.search.study_facts import StudyFacts

_MOST_AXES = 12
_FEWEST = 6
"""Complete trials below which nothing is said of importance."""


def complete(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that have a value and were trained."""
    return [trial for trial in trials if trial.state == "complete" and trial.values and not trial.infeasible]


def searched(trials: Sequence[Trial]) -> list[str]:
    """Return the hyperparameters that took more than one value."""
    values: dict[str, set[Any]] = {}
    for trial in trials:
        for name, value in trial.point.items():
            values.setdefault(name, set()).add(value)
    return sorted(name for name, found in values.items() if len(found) > 1)


def importance(trials: Sequence[Trial]) -> dict[str, float]:
    """Return how much of the ranks' variance groups of each hyperparameter alone explain, from 0 to 1.

    Numbers are cut into three groups of equal sizes; of choices each is one. Groups of one trial explain
    nothing by themselves, so that what is left is divided by the degrees of freedom (adjusted R squared).
    """
    found = {}
    for name in searched(trials):
        some = [trial for trial in trials if name in trial.point]
        if len(some) < _FEWEST:
            continue
        rank = np.argsort(np.argsort([trial.values[0] for trial in some], kind="stable")).astype(float)
        group = _groups([trial.point[name] for trial in some])
        number = len(np.unique(group))
        if not 1 < number < len(some):
            continue
        means = np.array([rank[group == one].mean() for one in group])
        left = ((rank - means) ** 2).sum() / (len(some) - number)
        found[name] = float(max(0.0, 1 - left / (rank.var() * len(rank) / (len(rank) - 1))))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _groups(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numeric and len(set(values)) > 4:
        inner = np.quantile(np.asarray(values, float), [1 / 3, 2 / 3])
        return np.searchsorted(inner, np.asarray(values, float))
    names = sorted(map(str, set(values)))
    return np.array([names.index(str(value)) for value in values])


def importance_figure(key: str, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Return the importances as bars; None where there are too few trials."""
    found = dict(list(importance(trials).items())[:20])
    if not found:
        return None
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [figures.plain(name) for name in found],
        "x": list(found.values()),
        "marker": {"color": figures.BLUE},
        "hovertemplate": "%{y}: %{x:.2f}<extra></extra>",
    }
    shown = figures.layout(f"importance {key}", "explained by it alone", "", showlegend=False)
    shown["yaxis"] |= {"autorange": "reversed", "type": "category"}
    return {"data": [bars], "layout": shown}


def slice_figure(key: str, trials: Sequence[Trial], name: str, facts: StudyFacts) -> dict[str, Any] | None:
    """Return every complete trial's value against one hyperparameter; None where no trial has it."""
    some = [trial for trial in trials if name in trial.point]
    if not some:
        return None
    values = [trial.point[name] for trial in some]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": values if numeric else [figures.plain(value) for value in values],
        "y": [trial.values[0] for trial in some],
        "text": [str(trial.number) for trial in some],
        "marker": {
            "color": [trial.number for trial in some],
            "colorscale": "Cividis",
            "size": 8,
            "line": {"color": figures.NEUTRAL, "width": 1},
            "colorbar": {"title": {"text": "trial"}, "thickness": 12},
        },
        "hovertemplate": "trial %{text}, %{x}: %{y:.5g}<extra></extra>",
    }
    shown = figures.layout(f"slice {key} {name}", figures.plain(name), figures.plain(facts.metric))
    if not numeric:
        shown["xaxis"]["type"] = "category"
    elif min(values) > 0 and max(values) / min(values) > 30:
        shown["xaxis"]["type"] = "log"
    return {"data": [points], "layout": shown}


def parallel_figure(key: str, trials: Sequence[Trial], facts: StudyFacts) -> dict[str, Any] | None:
    """Return parallel coordinates of value and most important hyperparameters that all trials have."""
    names = [name for name in importance(trials) if all(name in trial.point for trial in trials)][:_MOST_AXES]
    if not names:
        return None
    score = [trial.values[0] for trial in trials]
    axes: list[dict[str, Any]] = [{"label": figures.plain(facts.metric), "values": score}]
    for name in names:
        values = [trial.point[name] for trial in trials]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            axes.append({"label": figures.plain(name), "values": values})
            continue
        words = sorted(map(str, set(values)))
        places = [words.index(str(value)) for value in values]
        ticks = {"tickvals": list(range(len(words))), "ticktext": [figures.plain(word) for word in words]}
        axes.append({"label": figures.plain(name), "values": places, **ticks})
    line = {"color": score, "colorscale": "Cividis", "reversescale": facts.minimize, "showscale": True}
    shown = figures.layout(f"parallel {key}", "", "") | {"margin": {"l": 90, "r": 40, "t": 60, "b": 20}}
    return {"data": [{"type": "parcoords", "line": line, "dimensions": axes}], "layout": shown}


def objectives_figure(key: str, trials: Sequence[Trial], facts: StudyFacts) -> dict[str, Any] | None:
    """Return the second objective against the first; None where there is but one."""
    some = [trial for trial in trials if len(trial.values) > 1]
    if len(facts.objectives) < 2 or not some:
        return None
    x, y = ([trial.values[number] for trial in some] for number in (0, 1))
    hover, numbers = "trial {detail}: {x:.5g}, {y:.5g}", [trial.number for trial in some]
    points = Line("", x, y, 0, marked=True, joined=False, hover=hover, detail=numbers)
    first, second = (Axis(figures.plain(name)) for name in facts.objectives[:2])
    return figures.charted(f"objectives {key}", single("", first, second, [points]))
