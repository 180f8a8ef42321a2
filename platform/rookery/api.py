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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rookery.inference import StudyEnsemble
    from rookery.search.run import SearchResult
    from rookery.surveys import IngestReport, Survey
    from rookery_ensembles import Predictions

PathLike = str | Path
BINARY = ("Ia", "non-Ia")


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


def simulate_supernovae(out: PathLike, *, n: int, seed: int = 0) -> Survey:
    """Simulate a light-curve survey of `n` detected supernovae in griz.

    See :func:`rookery.surveys.simulators.supernovae.simulate_supernovae`.
    """
    from rookery.surveys.simulators.supernovae import simulate_supernovae as simulate

    return simulate(out, n=n, seed=seed)


def split(
    survey: PathLike,
    name: str,
    *,
    train_ids: PathLike | None = None,
    train_fraction: float | None = None,
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
    sampler: Literal["tpe", "random"] = "tpe",
    pruner: Literal["percentile", "median", "asha", "none"] = "percentile",
    seed: int = 0,
    class_names: Sequence[str] = BINARY,
    fixed: Mapping[str, Any] | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
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
    concurrent, cpus_per_trial, gpus_per_trial, address
        See :func:`rookery.search.run.run_search`.
    execution, sampler, pruner, seed
        See :class:`rookery.search.study.StudyDocument`.
    class_names
        Classes to tell apart; a class ``non-X`` takes every type that has no class of its own.
    fixed
        Parameters that are not to be searched, with their values.
    """
    from rookery.networks.family import load_family
    from rookery.search.run import run_search
    from rookery.search.space import find_space, load_space
    from rookery.search.study import create_or_open_study
    from rookery.surveys import open_survey

    path = find_space(space)
    loaded = load_space(path)
    family = load_family(loaded.family)
    loaded = load_space(path, family.configuration).fix(dict(fixed or {}), family.configuration)
    opened = create_or_open_study(
        study,
        loaded,
        open_survey(survey),
        split,
        class_names=tuple(class_names),
        sampler=sampler,
        pruner=pruner,
        seed=seed,
        execution=execution,
    )
    return run_search(
        opened,
        n_trials=trials,
        concurrent=concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        address=address,
    )


def ensemble(
    study: PathLike, out: PathLike | None = None, *, positive: str = "Ia", overwrite: bool = False
) -> StudyEnsemble:
    """Build a study's ensemble: select, average and calibrate its members on validation objects.

    The bundle is written to `out`, by default ``ensemble/`` in the study's folder.
    See :func:`rookery.inference.build_ensemble`.
    """
    from rookery.inference import build_ensemble
    from rookery.search.study import open_study

    target = Path(out) if out is not None else Path(study) / "ensemble"
    return build_ensemble(open_study(study), target, positive=positive, overwrite=overwrite)


def predict(bundle: PathLike, survey: PathLike, out: PathLike, *, device: str | None = None) -> Predictions:
    """Predict every object of a survey with an ensemble. See :func:`rookery.inference.predict_survey`."""
    from rookery.inference import predict_survey

    return predict_survey(bundle, survey, out, device=device)


def evaluate(
    predictions: PathLike,
    survey: PathLike,
    report: PathLike,
    *,
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
) -> dict[str, float]:
    """Judge a prediction file and write an HTML report. See :func:`rookery.reports.evaluate`.

    With `split`, only its objects of `role` are judged; `role` is then ``test`` unless given.
    """
    from rookery.reports import evaluate as judge

    return judge(predictions, survey, report, split=split, role=role, positive=positive)


def baseline(
    name: str,
    survey: PathLike,
    split: str,
    out: PathLike,
    *,
    class_names: Sequence[str] = BINARY,
    seed: int = 0,
) -> Predictions:
    """Train a classical method on a split and predict its test objects. See :mod:`rookery.baselines`."""
    from rookery import baselines
    from rookery.surveys import open_split, open_survey

    run_baseline = baselines.load(name)
    opened = open_survey(survey)
    return run_baseline(opened, open_split(opened, split), Path(out), classes=tuple(class_names), seed=seed)


def dashboard(
    study: PathLike,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve optuna-dashboard on a study until interrupted. See :func:`rookery.dashboard.serve`."""
    from rookery.dashboard import serve

    serve(Path(study), host=host, port=port, announce=announce)


def demo(out: PathLike = "demo", *, seed: int = 1) -> Path:
    """Run the whole way of the data on a small simulated survey; return the report's page.

    See :func:`rookery.demo.run_demo`.
    """
    from rookery.demo import run_demo

    return run_demo(Path(out), seed=seed)
