"""The Python API: one function per command-line verb, with the same names and defaults.

>>> from rookery import api
>>> survey = api.simulate_supernovae("runs/survey", n=2000, seed=1)            # doctest: +SKIP
>>> api.split(survey.path, "half", train_fraction=0.5)                         # doctest: +SKIP
>>> api.search("pelican", survey=survey.path, split="half", study="runs/x", trials=12)  # doctest: +SKIP
>>> api.ensemble("runs/x")                                                     # doctest: +SKIP
>>> api.predict("runs/x/ensemble", survey.path, "runs/x/all.parquet")          # doctest: +SKIP
>>> api.evaluate("runs/x/all.parquet", survey.path, "runs/x/report", split="half")  # doctest: +SKIP

Every function raises :class:`rookery_ensembles.InputError` for input that breaks a rule. Heavy
libraries are imported by the function that needs them, so that importing this module is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

if TYPE_CHECKING:
    from rookery.campaigns import CampaignResult
    from rookery.clusters.doctor import DoctorReport
    from rookery.clusters.jobs import JobClient
    from rookery.inference import StudyEnsemble
    from rookery.search.run import SearchResult
    from rookery.surveys import IngestReport, Survey
    from rookery.surveys.galaxy_readers import CatalogueOptions, ImageOptions
    from rookery_ensembles import Predictions

PathLike = str | Path
BINARY = ("Ia", "non-Ia")
BINS = (0.0, 0.4, 180)
"""Lower edge, upper edge and number of redshift bins (Pasquet et al. 2019)."""


def ingest_snana(
    path: PathLike,
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[int, str] | Mapping[str, str] | None = None,
    type_column: str | None = None,
    time_unit: Literal["mjd", "jd"] = "mjd",
) -> IngestReport:
    """Read a folder or tar archive of SNANA ascii light curves into a survey store.

    See :func:`rookery.surveys.ingest_snana`.
    """
    from rookery.surveys import ingest_snana as ingest

    return ingest(
        path,
        out,
        on_error=on_error,
        name=name,
        band_aliases=band_aliases,
        type_map=type_map,
        type_column=type_column,
        time_unit=time_unit,
    )


def ingest_snana_fits(
    path: PathLike,
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[int, str] | Mapping[str, str] | None = None,
    type_column: str | None = None,
    time_unit: Literal["mjd", "jd"] = "mjd",
) -> IngestReport:
    """Read SNANA HEAD and PHOT FITS files into a survey store.

    See :func:`rookery.surveys.ingest_snana_fits`.
    """
    from rookery.surveys import ingest_snana_fits as ingest

    return ingest(
        path,
        out,
        on_error=on_error,
        name=name,
        band_aliases=band_aliases,
        type_map=type_map,
        type_column=type_column,
        time_unit=time_unit,
    )


def ingest_headphot_csv(
    path: PathLike,
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[int, str] | Mapping[str, str] | None = None,
    type_column: str | None = None,
    time_unit: Literal["mjd", "jd"] = "mjd",
) -> IngestReport:
    """Read HEAD and PHOT CSV files, as SuperNNova has them, into a survey store.

    See :func:`rookery.surveys.ingest_headphot_csv`.
    """
    from rookery.surveys import ingest_headphot_csv as ingest

    return ingest(
        path,
        out,
        on_error=on_error,
        name=name,
        band_aliases=band_aliases,
        type_map=type_map,
        type_column=type_column,
        time_unit=time_unit,
    )


def ingest_plasticc(
    path: PathLike,
    out: PathLike,
    *,
    metadata: PathLike | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[int, str] | Mapping[str, str] | None = None,
    type_column: str | None = None,
    time_unit: Literal["mjd", "jd"] = "mjd",
) -> IngestReport:
    """Read PLAsTiCC's CSV tables into a survey store, as a stream.

    See :func:`rookery.surveys.ingest_plasticc`.
    """
    from rookery.surveys import ingest_plasticc as ingest

    return ingest(
        path,
        out,
        metadata=metadata,
        on_error=on_error,
        name=name,
        band_aliases=band_aliases,
        type_map=type_map,
        type_column=type_column,
        time_unit=time_unit,
    )


def ingest_table(
    path: PathLike,
    out: PathLike,
    *,
    objects: PathLike | None = None,
    columns: Mapping[str, str] | None = None,
    columns_file: PathLike | None = None,
    zero_point: float | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[int, str] | Mapping[str, str] | None = None,
    type_column: str | None = None,
    time_unit: Literal["mjd", "jd"] = "mjd",
) -> IngestReport:
    """Read any long table of light curves, CSV or Parquet, into a survey store.

    See :func:`rookery.surveys.ingest_table`.
    """
    from rookery.surveys import ingest_table as ingest

    return ingest(
        path,
        out,
        objects=objects,
        columns=columns,
        columns_file=columns_file,
        zero_point=zero_point,
        on_error=on_error,
        name=name,
        band_aliases=band_aliases,
        type_map=type_map,
        type_column=type_column,
        time_unit=time_unit,
    )


def ingest_catalogue(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read catalogues of galaxies of any format; see :func:`rookery.surveys.ingest_catalogue`."""
    from rookery.surveys import ingest_catalogue as ingest

    return ingest(path, out, on_error=on_error, name=name, **options)


def ingest_mlz(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read MLZ's text catalogues; see :func:`rookery.surveys.ingest_mlz`."""
    from rookery.surveys import ingest_mlz as ingest

    return ingest(path, out, on_error=on_error, name=name, **options)


def ingest_annz(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read ANNZ's CSV catalogues; see :func:`rookery.surveys.ingest_annz`."""
    from rookery.surveys import ingest_annz as ingest

    return ingest(path, out, on_error=on_error, name=name, **options)


def ingest_cubes(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    cube: str = "cube",
    labels: str = "labels",
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cubes of galaxy cutouts, as a stream; see :func:`rookery.surveys.ingest_cubes`."""
    from rookery.surveys import ingest_cubes as ingest

    return ingest(path, out, cube=cube, labels=labels, on_error=on_error, name=name, **options)


def ingest_cutouts(
    path: PathLike,
    out: PathLike,
    *,
    manifest: PathLike | None = None,
    path_column: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cutouts with a file per galaxy and a manifest; see :func:`rookery.surveys.ingest_cutouts`."""
    from rookery.surveys import ingest_cutouts as ingest

    return ingest(
        path, out, manifest=manifest, path_column=path_column, on_error=on_error, name=name, **options
    )


def ingest_frames(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    frames: Mapping[str, str] | None = None,
    resample: Literal["auto", "never", "always"] = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Cut galaxies out of FITS frames by WCS; see :func:`rookery.surveys.ingest_frames`."""
    from rookery.surveys import ingest_frames as ingest

    return ingest(path, out, frames=frames, resample=resample, on_error=on_error, name=name, **options)


def simulate_supernovae(
    out: PathLike,
    *,
    n: int,
    seed: int = 0,
    survey: Literal["des", "sdss", "lsst"] = "des",
    deep_fraction: float | None = None,
    processes: int | None = None,
    figure: PathLike | None = None,
) -> Survey:
    """Simulate a light-curve survey of `n` detected supernovae; draw examples into `figure`, if given.

    See :func:`rookery.surveys.simulators.supernovae.simulate_supernovae`.
    """
    from rookery.reports.light_curves import check_figure_path, draw_examples
    from rookery.surveys.simulators.supernovae import simulate_supernovae as simulate

    if figure is not None:
        check_figure_path(Path(figure))
    made = simulate(out, n=n, seed=seed, survey=survey, deep_fraction=deep_fraction, processes=processes)
    if figure is not None:
        draw_examples(made, Path(figure))
    return made


def simulate_galaxies(
    out: PathLike,
    *,
    n: int,
    seed: int = 0,
    survey: Literal["sdss", "stripe82", "both"] = "sdss",
    stripe82_fraction: float | None = None,
    size: int = 64,
    processes: int | None = None,
    figure: PathLike | None = None,
) -> Survey:
    """Simulate cutouts and measured magnitudes of `n` galaxies; draw some into `figure`, if given.

    See :func:`rookery.surveys.simulators.galaxies.simulate_galaxies`.
    """
    from rookery.reports.cutouts import draw_cutouts
    from rookery.reports.light_curves import check_figure_path
    from rookery.surveys.simulators.galaxies import simulate_galaxies as simulate

    if figure is not None:
        check_figure_path(Path(figure))
    made = simulate(
        out,
        n=n,
        seed=seed,
        survey=survey,
        stripe82_fraction=stripe82_fraction,
        size=size,
        processes=processes,
    )
    if figure is not None:
        draw_cutouts(made, Path(figure))
    return made


def split(
    survey: PathLike,
    name: str,
    *,
    train_ids: PathLike | None = None,
    train_fraction: float | None = None,
    train_where: Sequence[str] = (),
    test_where: Sequence[str] = (),
    validation_fraction: float | None = None,
    folds: int = 0,
    max_train: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Give every object of a survey a role. See :func:`rookery.surveys.split_survey`."""
    from rookery.surveys import open_survey, split_survey

    return split_survey(
        open_survey(survey),
        name,
        train_ids=train_ids,
        train_fraction=train_fraction,
        train_where=train_where,
        test_where=test_where,
        validation_fraction=validation_fraction,
        folds=folds,
        max_train=max_train,
        seed=seed,
        overwrite=overwrite,
    )


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
        See :func:`rookery.search.run.run_search`.
    deterministic
        At most so many trials at once; the study then depends on its seed alone, not on who is faster.
    warm_start
        Folders or URLs of earlier studies of the same family and objectives, on any survey: the best of their
        configurations are tried first, and the sampler learns from them as far as they prove right; see
        :mod:`rookery.search.warm_start`. They are read when the study is made.
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
    fixed
        Parameters that are not to be searched, with their values.
    """
    from rookery.networks.family import load_family
    from rookery.search.run import planning_folder, run_search
    from rookery.search.space import find_space, load_space
    from rookery.search.study import create_or_open_study
    from rookery.surveys import open_survey
    from rookery.surveys.redshift_bins import redshift_bins

    path = find_space(space)
    loaded = load_space(path)
    family = load_family(loaded.family)
    loaded = load_space(path, family.configuration).fix(dict(fixed or {}), family.configuration)
    classifies = family.prediction_kind == "class_probability"
    with planning_folder(study) if dry_run else nullcontext(study) as folder:
        opened = create_or_open_study(
            folder,
            loaded,
            open_survey(survey),
            split,
            class_names=tuple(class_names) if classifies else None,
            redshift_bins=None if classifies else redshift_bins(bins),
            starts=starts,
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


def ensemble(
    study: PathLike, out: PathLike | None = None, *, positive: str = "Ia", overwrite: bool = False
) -> StudyEnsemble:
    """Build a study's ensemble: select, average and calibrate its members on validation objects.

    The bundle is written to `out`, by default ``ensemble/`` in the study's folder.
    See :func:`rookery.inference.build_ensemble`.
    """
    from rookery.inference import build_ensemble
    from rookery.search.home import is_url
    from rookery.search.study import open_study
    from rookery_ensembles.errors import InputError

    if out is None and is_url(study):
        raise InputError(f"--out: must name a local folder for the bundle of a study at a URL ({study})")
    target = Path(out) if out is not None else Path(study) / "ensemble"
    return build_ensemble(open_study(study), target, positive=positive, overwrite=overwrite)


def predict(
    bundle: PathLike,
    survey: PathLike,
    out: PathLike,
    *,
    days: float | None = None,
    since: Literal["detection", "peak"] = "detection",
    device: str | None = None,
    correct_priors: bool = False,
    split: str | None = None,
) -> Predictions:
    """Predict every object of a survey with an ensemble. See :func:`rookery.inference.predict_survey`."""
    from rookery.inference import predict_survey

    return predict_survey(
        bundle,
        survey,
        out,
        days=days,
        since=since,
        device=device,
        correct_priors=correct_priors,
        split=split,
    )


def evaluate(
    predictions: PathLike,
    survey: PathLike,
    report: PathLike,
    *,
    against: Sequence[PathLike] = (),
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
    by: Sequence[str] = (),
    bins: Mapping[str, int | Sequence[float]] | None = None,
    partial: Sequence[PathLike] = (),
    bundle: PathLike | None = None,
    days: Sequence[float] = (),
    since: Literal["detection", "peak"] = "detection",
    replicates: int = 300,
    seed: int = 0,
    device: str | None = None,
) -> dict[str, float]:
    """Judge a prediction file and write an HTML report.

    See :func:`rookery.reports.evaluate` for class probabilities, and
    :func:`rookery.reports.redshift.evaluate_redshifts` for redshift PDFs: the file says which it holds.
    With `split`, only its objects of `role` are judged; `role` is then ``test`` unless given.
    `against` are other methods' files of redshift PDFs, to stand beside.
    With `bundle` and `days` the ensemble that made the predictions classifies the same objects
    as they were known on each of those days, and the report shows the metrics against days.
    """
    from rookery.reports import evaluate as judge
    from rookery.reports.assessment import Assessment
    from rookery.reports.redshift import evaluate_redshifts
    from rookery_ensembles.errors import fail
    from rookery_ensembles.predictions import read_info
    from rookery_ensembles.schema import Predictions as Made

    if (bundle is None) != (not days):
        raise fail(predictions, "a curve against days needs both a bundle and days, but only one was given")
    if read_info(predictions).kind == "redshift_pdf":
        if partial or bundle is not None or days:
            raise fail(predictions, "holds redshift PDFs, which have no partial light curves, bundle or days")
        return evaluate_redshifts(
            predictions,
            survey,
            report,
            against=against,
            split=split,
            role=role,
            by=by,
            bins=bins,
            replicates=replicates,
            seed=seed,
        )
    if against:
        rule = "other predictions are compared of redshift PDFs only, but these are class probabilities"
        raise fail(predictions, rule)

    def partials(assessment: Assessment) -> list[PathLike | Made]:
        if bundle is None:
            return list(partial)
        from rookery.inference import predict_partial

        made = predict_partial(
            bundle, assessment.survey, days, since=since, rows=assessment.row, device=device
        )
        return [*partial, *made]

    return judge(
        predictions,
        survey,
        report,
        split=split,
        role=role,
        positive=positive,
        by=by,
        bins=bins,
        partial=partials,
        replicates=replicates,
        seed=seed,
    )


def baseline(
    name: str,
    survey: PathLike,
    split: str,
    out: PathLike,
    *,
    class_names: Sequence[str] = BINARY,
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    address: str | None = None,
    processes: int | None = None,
    model_path: PathLike | None = None,
    filters: str | None = None,
    bins: tuple[float, float, int] | None = None,
    deredden: bool | None = None,
) -> Predictions:
    """Train a classical method on a split and predict its test objects. See :mod:`rookery.baselines`.

    Parameters
    ----------
    redshift, role
        See :class:`rookery.baselines.Baseline`.
    address, processes
        Of baselines that fit light curves: a Ray cluster that this machine belongs to, instead of a
        Ray of its own, and how many blocks of objects are fitted at once, 0: in this process.
    model_path, filters
        See :mod:`rookery.baselines.salt2_trees`.
    bins, deredden
        Of redshifts: lower edge, upper edge and number of the bins (0, 0.4, 180 by default), and whether
        magnitudes are corrected with the covariate `mwebv`. See :mod:`rookery.baselines.b16`.
    """
    from rookery import baselines
    from rookery.surveys import open_split, open_survey

    def session() -> AbstractContextManager[Any]:
        from rookery.search.run import ray_session

        return ray_session(address)

    run_baseline = baselines.configure(
        name,
        session,
        address=address,
        processes=processes,
        model_path=model_path,
        filters=filters,
        bins=bins,
        deredden=deredden,
    )
    opened = open_survey(survey)
    return run_baseline(
        opened,
        open_split(opened, split),
        Path(out),
        classes=tuple(class_names),
        seed=seed,
        redshift=redshift,
        role=role,
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
    import sys

    from rookery.campaigns import run_campaign

    return run_campaign(
        file,
        out,
        sys.modules[__name__],
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
    from rookery.search.home import local_study
    from rookery_ensembles.errors import fail

    folder = local_study(path)
    if (folder / "study.yaml").is_file():
        from rookery.search.status import study_status

        return study_status(folder)
    if (folder / "campaign.yaml").is_file():
        from rookery.campaigns.status import campaign_status

        return campaign_status(folder)
    raise fail(folder, "is neither a study nor a campaign: it has no study.yaml and no campaign.yaml")


def doctor(
    address: str | None = None, *, survey: PathLike | None = None, study: PathLike | None = None
) -> DoctorReport:
    """Look at every node of a cluster, or at this machine alone.

    See :func:`rookery.clusters.doctor.examine`.
    """
    from rookery.clusters.doctor import examine

    return examine(address, survey=survey, study=study)


def submit(
    command: Sequence[str], *, address: str | None = None, folder: str | None = None, python: str = "python"
) -> str:
    """Send `rookery COMMAND...` to a cluster as a Ray job; return the job's name.

    See :meth:`rookery.clusters.jobs.JobClient.submit`. Searches and campaigns want
    ``"--address", "auto"`` in the command, which the command line adds by itself.
    """
    return jobs(address).submit(command, folder=folder, python=python)


def jobs(address: str | None = None) -> JobClient:
    """Return the job server of a cluster, to list, follow and stop jobs.

    See :class:`rookery.clusters.jobs.JobClient`.
    """
    from rookery.clusters.jobs import JobClient

    return JobClient(address)


def cluster(kind: str, out: PathLike | None = None) -> str:
    """Return a file that makes a cluster, and write it to `out`. See :mod:`rookery.clusters.files`."""
    from rookery.clusters.files import write_cluster_file

    return write_cluster_file(kind, out)


def dashboard(
    study: PathLike,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve optuna-dashboard on a study until interrupted. See :func:`rookery.dashboard.serve`."""
    from rookery.dashboard import serve
    from rookery.search.home import local_study

    serve(local_study(study), host=host, port=port, announce=announce)


def demo(out: PathLike = "demo", *, seed: int = 1) -> tuple[Path, Path]:
    """Run the whole way of the data on two small simulated surveys; return the pages of their reports.

    See :func:`rookery.demo.run_demo`.
    """
    from rookery.demo import run_demo

    return run_demo(Path(out), seed=seed)
