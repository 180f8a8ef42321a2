"""Searches and campaigns: begun, continued and watched."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rookery.api._types import BINARY, BINS, Count, FileOrName, PathLike, Seed
from rookery.signature import Between

if TYPE_CHECKING:
    from rookery.campaigns.run import CampaignResult
    from rookery.search.driver import SearchResult

TOKEN = "ROOKERY_DASHBOARD_TOKEN"


def search(
    space: FileOrName,
    *,
    survey: PathLike,
    split: str,
    study: PathLike,
    trials: Count,
    target: PathLike | None = None,
    search_for: Literal["member", "ensemble"] = "member",
    device_hours: Annotated[float, Between(0)] | None = None,
    tolerance: Annotated[float, Between(0)] | None = None,
    trial_minutes: Annotated[float, Between(0)] | None = None,
    concurrent: Count | None = None,
    address: str | None = None,
    execution: Literal["auto", "train", "actor", "pack"] = "auto",
    pack: Count = 16,
    compile: Literal["auto", "never", "always"] = "auto",
    sampler: Literal["tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "random", "grid"] = "tpe",
    sampler_options: Mapping[str, Any] | None = None,
    pruner: Literal["percentile", "median", "asha", "hyperband", "patience", "none"] = "percentile",
    pruner_options: Mapping[str, Any] | None = None,
    class_names: Sequence[str] = BINARY,
    bins: tuple[float, float, int] = BINS,
    starts: Count = 1,
    keep: Literal["best", "last"] = "best",
    inner_validation: float | None = None,
    fixed: Mapping[str, Any] | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    workers_per_network: Count = 1,
    deterministic: Count | None = None,
    warm_start: Sequence[PathLike] = (),
    start_from: PathLike | None = None,
    storage: str | None = None,
    autoscaling: bool = False,
    dry_run: bool = False,
    notify: str | None = None,
    seed: Seed = 0,
) -> "SearchResult":
    """Search a space of networks on Ray; kill it whenever you like and call it again.

    No finished trial is lost or repeated. See :func:`rookery.search.driver.run_search`,
    :class:`rookery.search.study.StudyDocument` and :mod:`rookery.search.earlier_studies`.

    Parameters
    ----------
    space
        Search space: a YAML file, or the name of one that ships.
    survey
        Survey store.
    split
        Name of a split of the survey.
    study
        Study folder, or its URL; one that exists is continued.
    trials
        Trials the study shall have, earlier ones counted.
    target
        Another survey to classify: terms of the loss without labels, copies and degraded validation look at
        its objects. Both are put together beside the study, as STUDY-survey; see docs/transfer.md.
    search_for
        What the sampler looks for: the best member, or the best ensemble, where a trial is worth what it adds
        to the ensemble of all.
    device_hours
        Begin no more trials once all have taken so many hours of devices.
    tolerance
        With --for ensemble: begin no more trials once the next one is expected to add less to the ensemble,
        in nats of log loss.
    trial_minutes
        Device-minutes of a trial, shared evenly by its networks: one whose share is over ends with that
        epoch, at least its first, and counts with the best epoch it has. Every run of the study has the same.
    concurrent
        Trials at once; by default all that fit.
    address
        A Ray cluster that this machine belongs to: auto or HOST:6379.
    execution
        Train in Ray Train worker groups, in Tune actors, or as packs; auto: groups with GPUs, else actors, or
        packs of small networks where timed steps say that they pay.
    pack
        With execution pack: trials of one architecture that train as one program.
    compile
        Whether torch compiles the steps of networks that train by themselves; auto: on a GPU, where timed
        steps say that it pays.
    sampler
        Who proposes configurations.
    sampler_options
        NAME=VALUE of Optuna's sampler; repeatable.
    pruner
        Who stops bad trials.
    pruner_options
        NAME=VALUE of the pruner; repeatable.
    class_names
        Classes to tell apart; `non-X` takes every other type.
    bins
        Redshift bins: lower edge, upper edge, number; for redshifts only.
    starts
        Networks of each trial and fold, from different random starts; they count as one.
    keep
        Epoch whose weights are kept; with last, nothing stops a network early.
    inner_validation
        Part of the training objects that chooses epochs, and that pruning and the objective look at, while
        fold or validation role only judge; 0 for none. With folds and keep best 0.1, else none.
    fixed
        NAME=VALUE: do not search this parameter; repeatable.
    cpus_per_trial
        CPU cores of each worker of a network.
    gpus_per_trial
        GPUs of each worker, also parts, as 0.25; by default 1 if any.
    workers_per_network
        Processes that train one network together.
    deterministic
        At most so many trials at once; the study depends on its seed alone.
    warm_start
        An earlier study of the family to learn from, on any survey; repeatable. It is read when the study
        is made.
    start_from
        A member, study or bundle of the family whose weights networks start from; what depends on other
        bands, classes or bins is fresh. The hyperparameters `freeze` and `rate_ratio` say how they go on.
    storage
        postgresql://USER@HOST/NAME, for several drivers at once; else SQLite. A study at a URL needs one.
    autoscaling
        The cluster adds nodes for `concurrent` trials that wait.
    dry_run
        Say the space, the plan and what it is expected to take; train nothing.
    notify
        URL of a webhook (as Slack's), or a command, that is told when the study finishes, stops, fails often
        or stands still; see docs/monitoring.md.
    seed
        Seed of everything random.
    """
    from rookery.compute.resources import Resources
    from rookery.networks.family import load_family
    from rookery.search.creation import create_or_open_study
    from rookery.search.driver import planning_folder, run_search
    from rookery.search.limits import Limits
    from rookery.search.starting import searched_space
    from rookery.search.target_survey import with_target
    from rookery.surveys import open_survey
    from rookery.training.target import chosen_target

    limits = Limits(device_hours, tolerance)
    resources = Resources(address, concurrent, cpus_per_trial, gpus_per_trial, autoscaling)
    loaded, sources = searched_space(space, dict(fixed or {}), study, start_from)
    learned = chosen_target(load_family(loaded.family).prediction_kind, class_names, bins)
    settings: dict[str, Any] = {
        "search_for": search_for, "starts": starts, "keep": keep, "inner_validation": inner_validation,
        "sampler": sampler, "sampler_options": dict(sampler_options or {}),
        "pruner": pruner, "pruner_options": dict(pruner_options or {}), "seed": seed,
        "execution": execution, "pack": pack, "compile": compile,
        "workers_per_network": workers_per_network,
        "deterministic": deterministic, "warm_start": warm_start, "start_from": sources,
        "trial_minutes": trial_minutes,
    }  # fmt: skip
    with planning_folder(study) if dry_run else nullcontext(study) as folder:
        settings["storage"] = storage if folder == study else None
        seen = open_survey(survey) if target is None else with_target(survey, split, target, folder)
        opened = create_or_open_study(folder, loaded, seen, split, target=learned, **settings)
        return run_search(
            opened, n_trials=trials, limits=limits, resources=resources, dry_run=dry_run, notify=notify,
            called=study,
        )  # fmt: skip


def campaign(
    file: FileOrName,
    *,
    out: PathLike,
    surveys: PathLike | None = None,
    survey_paths: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    processes: Annotated[int, Between(0)] | None = None,
    cpus_per_network: float = 1,
    gpus_per_network: float | None = None,
    address: str | None = None,
    dry_run: bool = False,
    seconds_per_network: float | None = None,
    price_per_device_hour: Annotated[float, Between(0)] | None = None,
    currency: str = "USD",
    notify: str | None = None,
) -> "CampaignResult":
    """Train every network of a file of experiments and write their table; kill it and call it again.

    What is finished is never made again. A network that fails is recorded, the others go on, and an error
    at the end names what the table lacks.

    Parameters
    ----------
    file
        Campaign: a YAML file, or the name of one that ships.
    out
        Folder of the campaign, or its URL (s3://bucket/path); one that exists is continued.
    surveys
        Folder where surveys are made, which every node sees; by default OUT/surveys.
    survey_paths
        NAME=FOLDER: take this survey store; may be repeated.
    settings
        KEY=VALUE: set a dotted key of the file, such as defaults.members=1.
    processes
        Networks at once; by default all that fit. 0: one by one in this process, without Ray and GPU.
    cpus_per_network
        CPU cores of a network.
    gpus_per_network
        GPUs of a network, also parts, as 0.25; by default 1 if any.
    address
        A Ray cluster that this machine belongs to: auto or HOST:6379.
    dry_run
        Count networks, device-hours and cost only.
    seconds_per_network
        What a network takes, for the dry run; else measured or stated.
    price_per_device_hour
        What an hour of a device costs, for the dry run.
    currency
        Of that price.
    notify
        URL of a webhook (as Slack's), or a command, that is told when the campaign finishes, stops, fails
        often or stands still; see docs/monitoring.md.
    """
    from rookery.campaigns.load import find_campaign, load_campaign
    from rookery.campaigns.plan import Price
    from rookery.campaigns.remote import campaign_folders
    from rookery.campaigns.run import plan_campaign, run_campaign
    from rookery.compute.resources import Resources

    loaded = load_campaign(find_campaign(file), settings=settings, survey_paths=survey_paths)
    price = None if price_per_device_hour is None else Price(price_per_device_hour, currency)
    folders = campaign_folders(out)
    planned = plan_campaign(loaded, folders, processes, seconds_per_network, price)
    if dry_run:
        return planned
    resources = Resources(address, processes, cpus_per_network, gpus_per_network)
    place = Path(surveys) if surveys else None
    return run_campaign(loaded, folders, planned.plan, place, resources, notify)


def pareto(study: PathLike) -> list[dict[str, Any]]:
    """Show the trials of a study that none beats in all of its objectives.

    See :func:`rookery.search.trials_table.pareto_front`.

    Parameters
    ----------
    study
        Study folder.
    """
    from rookery.search.study import open_study
    from rookery.search.trials_table import pareto_front

    return pareto_front(open_study(study))


def dashboard(
    paths: Sequence[PathLike],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    address: str | None = None,
    survey: Sequence[PathLike] = (),
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve pages of studies, campaigns, ensembles and predictions, running or finished; writes nothing.

    See :func:`rookery.dashboard.serve`.

    Parameters
    ----------
    paths
        Folders of studies, campaigns or bundles, predictions, folders that hold any number of them, or URLs.
    host
        Address to listen on.
    port
        Port to listen on.
    token
        What visitors must show; by default that of ROOKERY_DASHBOARD_TOKEN, else a new one, where other
        machines can reach `host`.
    address
        The dashboard of a Ray cluster's head, http://HEAD:8265, whose nodes are shown; by default
        RAY_API_SERVER_ADDRESS or this machine's. Nothing waits for it.
    survey
        Survey folder, or folder of surveys, where one that a study names has been moved to; repeatable.
    announce
        Called with the page's address once the server listens.
    """
    from rookery.dashboard import serve
    from rookery.search.storage.remote_folder import is_url, local_study

    def local(path: PathLike) -> Path:
        if not is_url(path):
            return Path(path)
        from rookery.campaigns.remote import local_campaign  # not above: it needs more than the pages do

        return local_campaign(str(path)) or local_study(path)

    folders = [local(path) for path in paths]
    token = token or os.environ.get(TOKEN)
    surveys = [Path(one) for one in survey]
    serve(folders, host=host, port=port, token=token, address=address, surveys=surveys, announce=announce)
