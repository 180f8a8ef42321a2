"""Run a search, Ray Tune over a study until it has the wanted number of trials; or tell what it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from rookery.compute.console import progress_console
from rookery.compute.resources import ResourcePlan, Resources
from rookery.compute.session import listen_to_sigterm, ray_session
from rookery.search.ask_tell import AskTell, open_ask_tell
from rookery.search.attributes import WANTED
from rookery.search.costs import trial_costs
from rookery.search.engine import run_trials
from rookery.search.limits import Limits
from rookery.search.listeners import Telemetry
from rookery.search.notices import telling
from rookery.search.pack_choice import chosen_execution
from rookery.search.parameters import FixedParameter
from rookery.search.progress import SearchProgress
from rookery.search.study import Study, driver_lock
from rookery.search.trial_counts import TrialCounts
from rookery.words import count
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import check_name
from rookery_ensembles.shown import short_repr

if TYPE_CHECKING:
    import pandas as pd


@short_repr
@dataclass(frozen=True)
class SearchResult:
    """How a study stands after a search."""

    study: Study
    counts: TrialCounts
    plan: ResourcePlan | None
    """None when nothing was left to do."""


def run_search(
    study: Study,
    *,
    n_trials: int,
    limits: Limits | None = None,
    resources: Resources | None = None,
    dry_run: bool = False,
    notify: str | None = None,
    called: str | Path | None = None,
    console: Console | None = None,
) -> SearchResult:
    """Bring a study to `n_trials` trials, those of earlier runs counted.

    May be killed at any moment and called again: see :mod:`rookery.search.ask_tell`.

    Parameters
    ----------
    study
        From :func:`rookery.search.creation.create_or_open_study`.
    limits
        What may end it before.
    resources
        Where, and with what; by default all of this machine.
    dry_run
        Say what the space and the plan are, and what it is expected to take; train nothing.
    notify
        Whom to tell; see :class:`rookery.compute.messenger.Messenger` and :mod:`rookery.search.notices`.
    called
        What the study is called in what is told; by default its folder.
    console
        Where progress is shown; by default standard error.

    Raises
    ------
    InputError
        When another driver holds the study, the cluster cannot be reached, no trial fits on it,
        no trial can go on (a full disk, a survey that changed), or `limits` have a tolerance and the study is
        not searched for the ensemble.
    KeyboardInterrupt
        At Ctrl-C; the same call goes on with the study.
    """
    console = console or progress_console()
    resources, where = resources or Resources(), called or study.path
    _check(study, limits, resources)
    name, metric = str(study.remote.url if study.remote else study.path), study.space.objective.name
    with (
        telling(None if dry_run else notify, name, "trials", metric) as notices,
        driver_lock(study),
        driving(study, n_trials, limits) as ask_tell,
    ):
        if ask_tell.alone():
            study.sweep()
        if ask_tell.nothing_left():
            done = ask_tell.enough or f"all {n_trials} trials are finished"
            console.print(f"{where}: {done}", highlight=False, soft_wrap=True)
            return SearchResult(study, ask_tell.counts, None)
        if (found := ask_tell.found_again()) is not None:
            console.print(f"{where}: {found}", highlight=False, soft_wrap=True)
        with ray_session(resources.address) as nodes:
            planned = partial(
                resources.plan,
                nodes,
                workers_per_network=study.document.workers_per_network,
                pack=study.document.pack,
                at_most=study.document.deterministic,
                trials=ask_tell.left(),
            )
            plan = planned(study.document.execution)
            execution, why = chosen_execution(study, ask_tell.optuna, plan, ask_tell.left())
            if why is not None:
                plan = planned(execution)
                console.print(f"{where}: {why}", highlight=False, soft_wrap=True)
            for text in (plan.text, *plan.warnings):
                console.print(f"{where}: {text}", highlight=False, soft_wrap=True)
            if dry_run:
                for text in told_of_plan(study, ask_tell.left(), plan.concurrent):
                    console.print(text, highlight=False, soft_wrap=True, markup=False)
                return SearchResult(study, ask_tell.counts, plan)
            listen_to_sigterm()
            if ask_tell.optuna.user_attrs.get(WANTED) != ask_tell.n_trials:
                ask_tell.optuna.set_user_attr(WANTED, ask_tell.n_trials)
            with SearchProgress(n_trials, console, metric=study.space.objective.name) as progress:
                telemetry = Telemetry(study.path.name, study.document.family, ask_tell.n_trials)
                ask_tell.listeners += [progress, telemetry, *notices]
                run_trials(ask_tell, plan, trials=ask_tell.left())
                telemetry.update(ask_tell.counts, last=True)
            if ask_tell.halted is not None:
                rule = "the study stopped, and the same command continues it"
                raise InputError(f"{ask_tell.halted}; {rule}")
            if ask_tell.enough is not None:
                words = f"{where}: no more trials: {ask_tell.enough}"
                console.print(words, highlight=False, soft_wrap=True)
            if not ask_tell.nothing_left():
                # Tune catches Ctrl-C and returns as if all were well.
                console.print(f"{where}: stopped; the same command goes on with it", soft_wrap=True)
                raise KeyboardInterrupt
    return SearchResult(study, ask_tell.counts, plan)


def _check(study: Study, limits: Limits | None, resources: Resources) -> None:
    """Refuse what does not go with the study."""
    lag, concurrent = study.document.deterministic, resources.concurrent
    if lag is not None and concurrent is not None and concurrent > lag:
        rule = f"the study is deterministic with at most {lag} trials at once"
        raise InputError(f"`concurrent`: {rule}, but {concurrent} are asked for")
    if limits is not None and limits.tolerance is not None and study.document.search_for != "ensemble":
        rule = "needs a search for the ensemble, of which it limits the expected gain"
        raise InputError(f"`tolerance`: {rule}, but {study.path} is searched for its best member")


@contextmanager
def planning_folder(study: str | Path) -> Iterator[str | Path]:
    """Yield where a study is, or a folder that vanishes, where one that does not exist may be planned."""
    check_name(study)
    if Path(study).exists():
        yield study
        return
    with TemporaryDirectory(prefix="rookery-plan-") as scratch:
        yield Path(scratch) / "study"


@contextmanager
def driving(study: Study, n_trials: int, limits: Limits | None = None) -> Iterator[AskTell]:
    """Yield this driver's `AskTell`, and let go of the study at the end."""
    ask_tell = open_ask_tell(study, n_trials, limits=limits)
    try:
        yield ask_tell
    finally:
        ask_tell.leave()


def told_of_plan(study: Study, left: int, concurrent: int) -> list[str]:
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
        return f"{count(left, 'trial')} to go: {rule} (`rookery bench` measures what networks take here)"
    seconds = float((ended["ended"] - ended["started"]).dt.total_seconds().mean())
    rounds = -(-left // max(concurrent, 1))
    hours = float(ended["device_seconds"].mean()) * left / 3600
    joules = float(ended["energy_joules"].mean()) * left  # NaN where no device told
    energy = f", {joules / 3.6e6:.3g} kWh" if joules == joules else ""
    took = f"about {rounds * seconds / 60:.3g} min, {hours:.3g} device-hours{energy}"
    return f"{count(left, 'trial')} to go: {took} (by {count(len(ended), 'ended trial')} of this study)"
