"""Run a campaign: make what is missing, train what is missing, judge everything, write the table."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from rookery.baselines import option_names, run_baseline
from rookery.campaigns.campaign import Campaign
from rookery.campaigns.differences import check_between
from rookery.campaigns.places import PLACES, write_places
from rookery.campaigns.plan import (
    BaselineTask,
    Folders,
    NetworkTask,
    Price,
    baseline_tasks,
    describe_plan,
    network_tasks,
)
from rookery.campaigns.prepare import check_options, prepare
from rookery.campaigns.remote import DOCUMENT, bring, published
from rookery.campaigns.scores import Line, check_bins, score_campaign
from rookery.campaigns.table import write_tables
from rookery.campaigns.train import forget_sessions, train_networks
from rookery.compute.console import progress_console
from rookery.compute.faults import storage_fault
from rookery.compute.lock import held
from rookery.compute.resources import Resources
from rookery.compute.session import listen_to_sigterm, ray_session
from rookery.documents import dump
from rookery.search.notices import Notices, telling
from rookery.search.progress import NetworkProgress
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import check_name, sweep, write_text
from rookery_ensembles.shown import short_repr

logger = logging.getLogger(__name__)


@short_repr
@dataclass(frozen=True)
class CampaignResult:
    """How a campaign stands."""

    out: Path
    """Its folder."""
    plan: str
    """What it takes, in words."""
    lines: Sequence[Line] = ()
    """The rows of its table; empty after a dry run."""
    table: str = ""
    """The table as Markdown; empty after a dry run."""
    trained: int = 0
    """Networks that this run trained."""


def plan_campaign(
    campaign: Campaign, folders: Folders, processes: int | None, seconds: float | None, price: Price | None
) -> CampaignResult:
    """Say what a campaign takes, and make nothing; see :func:`rookery.campaigns.plan.describe_plan`."""
    check_options(campaign)
    if processes is not None and processes < 0:
        raise InputError(f"`processes` must be at least 0, but is {processes}")
    execution = campaign.document.defaults.execution
    if processes == 0 and execution not in ("actor", "auto"):
        rule = "0 (in this process, without Ray) goes with the execution actor or auto"
        raise InputError(f"`processes` {rule}, but `defaults.execution` is {execution}")
    if seconds is not None and not seconds > 0:
        raise InputError(f"`seconds_per_network` must be above 0, but is {seconds:g}")
    bring(folders)
    return CampaignResult(folders.out, describe_plan(campaign, folders, seconds, processes, price))


def run_campaign(
    campaign: Campaign,
    folders: Folders,
    plan: str,
    surveys: Path | None,
    resources: Resources,
    notify: str | None = None,
) -> CampaignResult:
    """Run a campaign to its table; see :func:`rookery.api.campaign`.

    Parameters
    ----------
    plan
        What :func:`plan_campaign` said.
    surveys
        Folder where surveys are made; by default one in the campaign's.
    notify
        Whom to tell; see :class:`rookery.compute.messenger.Messenger` and :mod:`rookery.search.notices`.
    """
    where = str(folders.remote.url if folders.remote else folders.out)
    with telling(notify, where, "networks") as notices:
        try:
            return _run_campaign(campaign, folders, plan, surveys, resources, notices)
        except KeyboardInterrupt:
            words = f"{where}: stopped; the same command goes on with it"
            progress_console().print(words, highlight=False, soft_wrap=True)
            raise


def _run_campaign(
    campaign: Campaign,
    folders: Folders,
    plan: str,
    surveys: Path | None,
    resources: Resources,
    notices: Sequence[Notices],
) -> CampaignResult:
    console = progress_console()
    if folders.remote is not None:
        _check_remote(campaign, folders.remote.url, surveys, resources.address)
    with _claimed(folders, campaign), published(folders):
        for folder in (folders.members, folders.running, folders.predictions, folders.failed):
            sweep(folder, alone=True)
        forget_sessions(folders)

        def say(text: str) -> None:
            console.print(text, highlight=False, soft_wrap=True)

        say(plan)
        datasets = prepare(campaign, surveys or folders.out / "surveys", say)
        check_bins(campaign, datasets)
        check_between(campaign, datasets)
        write_places(campaign, datasets, folders)
        if folders.remote is not None:
            folders.remote.publish(PLACES)
        tasks = [t for t in network_tasks(campaign, datasets, folders) if not t.is_finished(folders)]
        baselines = [
            task
            for task in baseline_tasks(campaign, datasets)
            if not (folders.predictions / f"{task.id}.parquet").is_file()
        ]
        errors = _work(campaign, folders, tasks, baselines, resources, console, notices)
        bring(folders)
        lines = score_campaign(campaign, datasets, folders)
        table = write_tables(campaign, datasets, lines, folders, errors)
    if errors:
        raise _missing(campaign, folders, lines, errors)
    return CampaignResult(folders.out, plan, lines, table, len(tasks))


def _check_remote(campaign: Campaign, url: str, surveys: Path | None, address: str | None) -> None:
    """Refuse what only a folder that every node sees can do."""
    if campaign.document.defaults.workers_per_network > 1:
        rule = "`defaults.workers_per_network` above 1 needs a folder that every node sees"
        raise fail(campaign.source.path, f"{rule}, but the campaign is at {url}")
    for number, row in enumerate(campaign.document.rows):
        if campaign.row_start(row) is not None:
            rule = "a row that starts from another one needs a folder that every node sees"
            raise campaign.source.error(
                ("rows", number, "start_from"), f"{rule}, but the campaign is at {url}"
            )
    made = [name for name, survey in campaign.document.surveys.items() if survey.path is None]
    if address is not None and surveys is None and made:
        rule = "survey stores must lie where every node sees them: give --surveys FOLDER"
        raise fail(campaign.source.path, f"{rule}, because the campaign is at {url} and makes {made[0]}")


def _work(
    campaign: Campaign,
    folders: Folders,
    tasks: Sequence[NetworkTask],
    baselines: Sequence[BaselineTask],
    resources: Resources,
    console: Console,
    notices: Sequence[Notices],
) -> dict[str, str]:
    """Run the baselines, then train the networks; return the errors of those that failed, by name."""
    if not tasks and not baselines:
        return {}
    errors: dict[str, str] = {}
    defaults = campaign.document.defaults
    alone = resources.concurrent == 0
    place: AbstractContextManager[list[dict[str, float]]]
    place = nullcontext([]) if alone else ray_session(resources.address)
    with place as nodes:
        listen_to_sigterm()
        plan = None
        if not alone:
            plan = resources.plan(
                nodes,
                defaults.execution,
                workers_per_network=defaults.workers_per_network,
                pack=defaults.pack,
                trials=len(tasks),
            )
        if baselines:
            with NetworkProgress("baselines", len(baselines), console) as progress:
                for baseline in baselines:
                    error = _run_baseline(campaign, folders, baseline, alone=alone)
                    if error is not None:
                        errors[baseline.id] = error
                    progress.end(error is not None)
        if tasks:
            with NetworkProgress("networks", len(tasks), console) as progress:

                def on_end(task: NetworkTask, error: str | None) -> None:
                    if error is not None:
                        first = error.splitlines()[0]
                        console.print(f"{task.job.member}: {first}", highlight=False, soft_wrap=True)
                    progress.end(error is not None)
                    for one in notices:
                        one.count(error and error.splitlines()[0])

                errors |= train_networks(tasks, folders, plan, on_end, notices)
    return errors


def _run_baseline(campaign: Campaign, folders: Folders, task: BaselineTask, *, alone: bool) -> str | None:
    """Run one baseline here (some spread their fits over Ray, if not `alone`); return its error, if any."""
    defaults = campaign.document.defaults
    options = {"processes": 0} if alone and "processes" in option_names(task.baseline) else {}
    record = folders.failed / f"{task.id}.txt"
    try:
        run_baseline(
            task.baseline,
            folders.predictions / f"{task.id}.parquet",
            survey=task.survey,
            split=task.split,
            class_names=defaults.classes,
            seed=defaults.seed,
            train_on=task.train_on,
            **_bins(campaign),
            **(options | task.options),
        )
    except Exception as error:
        if storage_fault(error):
            raise
        logger.exception("baseline %s failed", task.id)
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        write_text(record, text + "\n")
        return text
    record.unlink(missing_ok=True)
    return None


def _bins(campaign: Campaign) -> dict[str, Any]:
    """Return the option that tells a baseline of redshifts its bins."""
    return {"bins": campaign.document.defaults.bins} if campaign.target.has_pdfs else {}


def _missing(
    campaign: Campaign, folders: Folders, lines: Sequence[Line], errors: dict[str, str]
) -> InputError:
    """Build the error that names what the table lacks, and why."""
    short = dict.fromkeys(
        f"{line.experiment}/{line.row}"
        for line in lines
        if line.members < line.wanted or not (line.bin or line.metrics)
    )
    name, error = next(iter(errors.items()))
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    return fail(
        folders.out,
        f"{len(errors)} networks or baselines failed, so the table lacks members of "
        f"{', '.join(list(short)[:5])}{more}; the first error is that of {name}: {error.splitlines()[0]} "
        f"(all are in {folders.failed}; the same command tries them again)",
    )


@contextmanager
def _claimed(folders: Folders, campaign: Campaign) -> Iterator[None]:
    """Make the campaign's folder, or take up one that a campaign made, for this driver alone."""
    out = folders.out
    check_name(out)
    if out.exists() and not out.is_dir():
        raise fail(out, "is a file; a campaign needs a folder")
    foreign = [entry for entry in out.iterdir() if entry.name != "surveys"] if out.is_dir() else []
    if foreign and not (out / DOCUMENT).is_file():
        raise fail(out, f"is not empty and holds no {DOCUMENT}; a new campaign needs a folder of its own")
    text = f"# Made from {campaign.source.path.name}; nothing reads this.\n{dump(campaign.source.data)}"
    if not (out / DOCUMENT).is_file():
        write_text(out / DOCUMENT, text)
    with held(out, "another `rookery campaign` is running on this folder"):
        write_text(out / DOCUMENT, text)
        yield
