"""Searches and campaigns: begun, continued and watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rookery.api._common import BINARY, BINS, PathLike

if TYPE_CHECKING:
    from rookery.campaigns import CampaignResult
    from rookery.search.driver import SearchResult
    from rookery.training.job import KeptEpoch


def search(
    space: PathLike,
    *,
    survey: PathLike,
    split: str,
    study: PathLike,
    trials: int,
    concurrent: int | None = None,
    address: str | None = None,
    execution: Literal["auto", "train", "actor"] = "auto",
    sampler: Literal["tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "random", "grid"] = "tpe",
    pruner: Literal["percentile", "median", "asha", "hyperband", "patience", "none"] = "percentile",
    sampler_options: Mapping[str, Any] | None = None,
    pruner_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    class_names: Sequence[str] = BINARY,
    bins: tuple[float, float, int] = BINS,
    starts: int = 1,
    keep: KeptEpoch = "best",
    inner_validation: float | None = None,
    fixed: Mapping[str, Any] | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    workers_per_network: int = 1,
    autoscaling: bool = False,
    storage: str | None = None,
    deterministic: int | None = None,
    warm_start: Sequence[PathLike] = (),
    dry_run: bool = False,
) -> SearchResult:
    """Search a space of networks until the study has `trials` trials; start it or go on with it.

    Parameters
    ----------
    space
        A YAML file in the grammar of :mod:`rookery.search.space`, or the name of one that ships.
    survey, split
        What to learn from.
    study
        The study's folder. One that exists is continued, with no finished trial lost or repeated.
    trials
        Trials that the study shall have, those of earlier runs counted.
    concurrent, cpus_per_trial, gpus_per_trial, address, autoscaling, dry_run
        See :func:`rookery.search.driver.run_search`.
    deterministic
        At most so many trials at once; the study then depends on its seed alone, not on who is faster.
    warm_start
        Folders or URLs of earlier studies of the same family and objectives, on any survey: the best of their
        configurations are tried first, and the sampler learns from them as far as they prove right; see
        :mod:`rookery.search.earlier_studies`. They are read when the study is made.
    storage
        URL of a database, which a study at a URL needs. PostgreSQL lets several drivers work on the study
        at the same time; by default it is SQLite in the study's folder. ``study.yaml`` keeps it
        without its password.
    execution, sampler, pruner, sampler_options, pruner_options, seed, workers_per_network
        See :class:`rookery.search.study.StudyDocument`.
    class_names
        Of a family that classifies: classes to tell apart; a class ``non-X`` takes every type that has
        no class of its own.
    bins
        Of a family that predicts redshifts: lower edge, upper edge and number of the bins.
    starts
        Networks of each trial and fold, which differ by their random start; they count as one.
    keep
        Which epoch gives a network's weights: the `best` by the objective, or the `last`; then patience does
        not stop a network.
    inner_validation
        Part of the training objects that chooses epochs, and that pruning and the objective look at, while
        fold or validation role only judge; 0 for none. By default 0.1 with folds and `keep` best, else none;
        a study that exists keeps its own.
    fixed
        Parameters that are not to be searched, with their values.
    """
    from rookery.networks.family import load_family
    from rookery.search.creation import create_or_open_study
    from rookery.search.driver import planning_folder, run_search
    from rookery.search.space import find_space, load_space
    from rookery.surveys import open_survey
    from rookery.training.target import chosen_target

    path = find_space(space)
    loaded = load_space(path)
    family = load_family(loaded.family)
    loaded = load_space(path, family.configuration).fix(dict(fixed or {}), family.configuration)
    with planning_folder(study) if dry_run else nullcontext(study) as folder:
        opened = create_or_open_study(
            folder,
            loaded,
            open_survey(survey),
            split,
            target=chosen_target(family.prediction_kind, class_names, bins),
            starts=starts,
            keep=keep,
            inner_validation=inner_validation,
            sampler=sampler,
            pruner=pruner,
            sampler_options=sampler_options,
            pruner_options=pruner_options,
            seed=seed,
            execution=execution,
            workers_per_network=workers_per_network,
            storage=storage if folder == study else None,
            deterministic=deterministic,
            warm_start=warm_start,
        )
        return run_search(
            opened,
            n_trials=trials,
            concurrent=concurrent,
            cpus_per_trial=cpus_per_trial,
            gpus_per_trial=gpus_per_trial,
            address=address,
            autoscaling=autoscaling,
            dry_run=dry_run,
        )


def campaign(
    file: PathLike,
    out: PathLike,
    *,
    surveys: PathLike | None = None,
    survey_paths: Mapping[str, PathLike] | None = None,
    settings: Mapping[str, Any] | None = None,
    processes: int | None = None,
    address: str | None = None,
    cpus_per_network: float = 1,
    gpus_per_network: float | None = None,
    dry_run: bool = False,
    seconds_per_network: float | None = None,
    price_per_device_hour: float | None = None,
    currency: str = "USD",
) -> CampaignResult:
    """Train every network of a campaign file, judge each row of it, and write the table.

    May be killed at any moment and called again: what is finished is never made again. A network
    that fails is recorded, the others go on, and an error at the end names what the table lacks.

    Parameters
    ----------
    file
        A YAML file (see docs/campaigns.md), or the name of one that ships.
    out
        The campaign's folder: ``members/``, ``ensembles/``, ``table.md``, ``table.csv``, ``table.json``.
    surveys
        Where surveys that the file defines are made, unless they are there; by default ``surveys/`` in `out`.
    survey_paths
        Existing surveys to take instead of what the file says, by their names in it.
    settings
        Values to set in the file, by dotted key: ``{"defaults.members": 1}``.
    processes
        Networks at once; by default as many as fit on the machine or cluster.
    cpus_per_network, gpus_per_network
        What each network takes; a part of a GPU is shared. By default one GPU where there is any.
    address
        Of a running Ray cluster; by default a Ray of this machine's own is started and ended.
    dry_run
        Only say what the campaign takes; make nothing.
    seconds_per_network
        For the device-hours of the plan; by default measured on finished members, or the file's word.
    price_per_device_hour, currency
        For the cost in the plan; by default the file's word.
    """
    from rookery import api
    from rookery.campaigns import run_campaign

    return run_campaign(
        file,
        out,
        api,
        surveys=surveys,
        survey_paths=survey_paths,
        settings=settings,
        processes=processes,
        cpus_per_network=cpus_per_network,
        gpus_per_network=gpus_per_network,
        address=address,
        dry_run=dry_run,
        seconds_per_network=seconds_per_network,
        price_per_device_hour=price_per_device_hour,
        currency=currency,
    )


def pareto(study: PathLike) -> list[dict[str, Any]]:
    """Return the trials that none beats in all objectives. See :func:`rookery.search.pareto.pareto_front`."""
    from rookery.search.pareto import pareto_front
    from rookery.search.study import open_study

    return pareto_front(open_study(study))


def status(path: PathLike) -> dict[str, Any]:
    """Return how a study or a campaign stands, from its folder alone: no Ray, nothing locked or written.

    See docs/monitoring.md for every key.

    Raises
    ------
    InputError
        When the folder is neither.
    """
    from rookery.search.storage.remote_folder import local_study
    from rookery_ensembles.errors import fail

    folder = local_study(path)
    if (folder / "study.yaml").is_file():
        from rookery.search.status import study_status

        return study_status(folder)
    if (folder / "campaign.yaml").is_file():
        from rookery.campaigns.status import campaign_status

        return campaign_status(folder)
    raise fail(folder, "is neither a study nor a campaign: it has no study.yaml and no campaign.yaml")


def dashboard(
    study: PathLike,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve optuna-dashboard on a study until interrupted. See :func:`rookery.dashboard.serve`."""
    from rookery.dashboard import serve
    from rookery.search.storage.remote_folder import local_study

    serve(local_study(study), host=host, port=port, token=token, announce=announce)


def demo(out: PathLike = "demo", *, seed: int = 1) -> tuple[Path, Path]:
    """Run the whole way of the data on two small simulated surveys; return the pages of their reports.

    See :func:`rookery.demo.run_demo`.
    """
    from rookery.demo import run_demo

    return run_demo(Path(out), seed=seed)
