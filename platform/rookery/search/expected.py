"""What a search that is only planned would search, and what it is expected to take."""

from typing import TYPE_CHECKING

from rookery.search.costs import trial_costs
from rookery.search.parameters import FixedParameter

if TYPE_CHECKING:
    import pandas as pd

    from rookery.search.study import Study


def told_of_plan(study: "Study", left: int, concurrent: int) -> list[str]:
    """Return the space, and the time and devices that `left` more trials are expected to take, as lines."""
    parameters = study.space.parameters
    searched = [name for name, one in parameters.items() if not isinstance(one, FixedParameter)]
    fixed = len(parameters) - len(searched)
    lines = [f"{study.document.family}: {fixed} values fixed, {len(searched)} searched:"]
    lines += [f"  {name}: {parameters[name].describe()}" for name in searched]
    return [*lines, expected(trial_costs(study), left, concurrent)]


def expected(costs: "pd.DataFrame", left: int, concurrent: int) -> str:
    """Return what `left` trials would take, by the study's ended ones (a table of `trial_costs`)."""
    ended = costs[costs["state"].isin(("COMPLETE", "PRUNED")) & costs["ended"].notna()]
    if ended.empty:
        rule = "how long they take is unknown before one has ended"
        return f"{left} trials to go: {rule} (`rookery bench` measures what networks take here)"
    seconds = float((ended["ended"] - ended["started"]).dt.total_seconds().mean())
    rounds = -(-left // max(concurrent, 1))
    hours = float(ended["device_seconds"].mean()) * left / 3600
    joules = float(ended["energy_joules"].mean()) * left  # NaN where no device told
    energy = f", {joules / 3.6e6:.3g} kWh" if joules == joules else ""
    took = f"about {rounds * seconds / 60:.3g} min, {hours:.3g} device-hours{energy}"
    return f"{left} trials to go: {took} (by {len(ended)} ended trials of this study)"
