"""Ensembles and their predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rookery.api._types import Combining, Count, OutPath, PathLike

if TYPE_CHECKING:
    from rookery.inference import StudyEnsemble
    from rookery_ensembles import Predictions
    from rookery_ensembles.partitions import Partitions


def ensemble(
    study: PathLike,
    *,
    out: OutPath | None = None,
    by: Combining = "auto",
    calibration: str | None = None,
    covariates: Sequence[str] = (),
    groups: str | None = None,
    positive: str = "Ia",
    overwrite: bool = False,
) -> "StudyEnsemble":
    """Select, average and calibrate a study's members; write an ensemble bundle.

    See :func:`rookery.inference.build_ensemble`.

    Parameters
    ----------
    study
        Study folder, or its URL.
    out
        Bundle to make; by default STUDY/ensemble.
    by
        How members are combined: by the pool, weights and calibration that gain most in cross-fitted log
        score, where that is more than its error, and else by their plain average (auto). By bagged greedy
        selection; with weights of the best log score (em) or of the least CRPS or Brier score (crps); the
        best few alike (top_k); with weights that depend on covariates (gate); each then calibrated. Or by
        their plain average (mean).
    calibration
        Another calibration than these have: none, temperature, ...; `local` looks at covariates.
    covariates
        What `auto`, `gate` and `local` look at; by default the magnitude in r or the middle band, `mwebv` and
        `host_photo_z`, where the survey has them.
    groups
        A covariate, such as mag_r, whose thirds have conformal limits of their own: coverage holds in each.
    positive
        Class whose recall at fixed precision is reported.
    overwrite
        Replace a bundle made before.
    """
    from rookery.inference import build_ensemble
    from rookery.search.storage.remote_folder import is_url
    from rookery.search.study import open_study
    from rookery_ensembles.bundle import DOCUMENT
    from rookery_ensembles.errors import InputError
    from rookery_ensembles.files import refuse_existing

    if out is None and is_url(study):
        raise InputError(f"--out: must name a local folder for the bundle of a study at a URL ({study})")
    target = Path(out) if out is not None else Path(study) / "ensemble"
    refuse_existing(target, overwrite=overwrite, document=DOCUMENT)
    return build_ensemble(
        open_study(study),
        target,
        by=by,
        calibration=calibration,
        covariates=covariates,
        groups=groups,
        positive=positive,
        overwrite=overwrite,
    )


def predict(
    bundle: PathLike,
    survey: PathLike,
    out: OutPath,
    *,
    days: float | None = None,
    since: Literal["detection", "peak"] = "detection",
    device: str | None = None,
    correct_priors: bool = False,
    split: str | None = None,
    allow_missing_bands: bool = False,
    compact: Literal["quantiles", "bins", "basis"] | None = None,
    rows: Count | None = None,
    workers: Count | None = None,
    address: str | None = None,
    overwrite: bool = False,
) -> "Predictions | Partitions":
    """Predict every object of a survey, or of a catalogue file, with an ensemble.

    See :func:`rookery.inference.predict_survey`, and for a folder
    :func:`rookery.inference.predict_whole_survey`.

    Parameters
    ----------
    bundle
        Ensemble bundle.
    survey
        Survey store; or a catalogue (CSV, FITS, Parquet, a HATS folder) with the columns of the one that was
        trained on.
    out
        File to write: .parquet (PDFs or probabilities), or a table as `export` makes it (.csv, .fits, .hdf5).
        A name without an ending is a folder of Parquet files, for a survey of any size: the same command
        goes on where one that was killed stopped.
    days
        Show it only what was observed up to so many days since ...
    since
        What days count from.
    device
        Torch device; by default a GPU where there is one.
    correct_priors
        Correct for the survey's own class fractions: for classes that look the same.
    split
        Estimate those on this split's test and unlabelled objects alone.
    allow_missing_bands
        Predict without bands that every network always saw.
    compact
        Write PDFs in 64 bytes: 32 quantiles; in a byte a bin; or as 14 Gaussians of a basis (56 bytes, slow).
    rows
        Of a folder: objects in each of its files; 50,000 by default.
    workers
        Of a folder: predict in so many processes by Ray; with an address one for each GPU, or CPU.
    address
        Of a folder: predict on a Ray cluster that this machine belongs to: auto or HOST:6379.
    overwrite
        Replace a file that is there already; of a folder, also one of another bundle, survey or options.
    """
    from rookery.inference import predict_survey, predict_whole_survey
    from rookery_ensembles.errors import fail
    from rookery_ensembles.files import refuse_existing
    from rookery_ensembles.partitions import is_folder

    if is_folder(out):
        return predict_whole_survey(
            bundle,
            survey,
            out,
            rows=rows,
            days=days,
            since=since,
            device=device,
            correct_priors=correct_priors,
            split=split,
            allow_missing_bands=allow_missing_bands,
            compact=compact,
            workers=workers,
            address=address,
            overwrite=overwrite,
        )
    refuse_existing(out, overwrite=overwrite)
    for name, value in (("rows", rows), ("workers", workers), ("address", address)):
        if value is not None:
            raise fail(out, f"`{name}` is of a folder of files, but this names one file")
    return predict_survey(
        bundle,
        survey,
        out,
        days=days,
        since=since,
        device=device,
        correct_priors=correct_priors,
        split=split,
        allow_missing_bands=allow_missing_bands,
        compact=compact,
    )


def correct_priors(
    predictions: PathLike,
    out: OutPath,
    *,
    survey: PathLike,
    split: str,
    overwrite: bool = False,
) -> "Predictions":
    """Correct a file of class probabilities for the class fractions of the objects to classify.

    `predict --correct-priors` does so for an ensemble; this is for what baselines, `apply` and other programs
    predicted. See :func:`rookery.inference.priors.correct_file`.

    Parameters
    ----------
    predictions
        Prediction file (Parquet) of class probabilities, not corrected before.
    out
        Prediction file (Parquet) to write.
    survey
        Survey store of the objects.
    split
        Split whose labelled objects have the class fractions that the probabilities presume, and whose other
        objects have those that are estimated.
    overwrite
        Replace a file that is there already.
    """
    from rookery.inference.priors import correct_file
    from rookery_ensembles.files import refuse_existing

    refuse_existing(out, overwrite=overwrite)
    return correct_file(predictions, out, survey, split)


def export(
    predictions: PathLike,
    out: OutPath,
    *,
    to: Literal["csv", "fits", "parquet", "qp", "compact", "fink", "mlflow"] | None = None,
    catalogue: PathLike | None = None,
    id_column: str | None = None,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Write predictions as a table or a file of qp; a study's trials; or an ensemble as a module for Fink.

    See :func:`rookery_ensembles.exchange.export`; of a study, a row a trial with hyperparameters, metrics and
    costs: :func:`rookery.search.trials_table.trials_table`, or with `to` mlflow runs of MLflow:
    :func:`rookery.search.mlflow_runs.export_runs`; of an ensemble, a science module of the Fink
    broker: :func:`rookery.inference.fink.export_science_module`.

    Parameters
    ----------
    predictions
        Prediction file (Parquet), or a study: its folder or URL; with `to` fink an ensemble bundle.
    out
        File to write: .csv, .fits, .parquet (a table), .hdf5 or .h5 (qp); of a study .csv or .parquet, or for
        MLflow .db; of an ensemble the folder to make.
    to
        The format, where the ending shall be checked: csv, fits, parquet or qp; or compact, a prediction file
        in .parquet whose PDFs take 64 bytes each; or fink, of an ensemble of light-curve networks: a science
        module of the Fink broker, which needs numpy, pandas and torch alone; or mlflow, of a study: trials as
        runs in a database that `mlflow ui` opens.
    catalogue
        A survey store, or a table (CSV, FITS, Parquet), whose columns are written beside.
    id_column
        The catalogue's column of objects' names; object_id by default.
    overwrite
        Replace a file, or a module for Fink, that is there already.
    """
    import rookery.compute.progress  # noqa: F401 - it shows how far the work is
    from rookery.search.storage.remote_folder import is_url
    from rookery_ensembles.errors import InputError, fail
    from rookery_ensembles.exchange import check_export
    from rookery_ensembles.exchange import export as write
    from rookery_ensembles.files import refuse_existing

    if to == "fink":
        from rookery.inference.fink import export_science_module

        if catalogue is not None or id_column is not None:
            raise InputError(
                "--catalogue and --id-column are for predictions, but an ensemble itself is exported"
            )
        return export_science_module(predictions, out, overwrite=overwrite)
    refuse_existing(out, overwrite=overwrite)
    if is_url(predictions) or (Path(predictions) / "study.yaml").is_file():
        from rookery.search.study import open_study
        from rookery.search.trials_table import export_trials

        if catalogue is not None or id_column is not None:
            raise InputError(
                "--catalogue and --id-column are for predictions, but a study's trials are exported"
            )
        opened = open_study(predictions)
        if opened.remote is not None:
            opened.remote.fetch_members()
        if to == "mlflow":
            from rookery.search.mlflow_runs import export_runs

            return export_runs(opened, out)
        return export_trials(opened, out, to)
    if to == "mlflow":
        raise fail(predictions, "--to mlflow is for a study, but here is no study.yaml")
    check_export(out, to=to)
    columns: Any = catalogue
    if catalogue is not None and Path(catalogue).is_dir():
        from rookery.surveys import open_survey

        objects = open_survey(catalogue, verify=False).objects
        columns = {str(name): objects[name].to_numpy() for name in objects}
    return write(predictions, out, to=to, catalogue=columns, id_column=id_column)
