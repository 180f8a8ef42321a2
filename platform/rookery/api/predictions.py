"""Predictions of ensembles and baselines, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rookery.api._common import BINARY, PathLike

if TYPE_CHECKING:
    from rookery.inference import StudyEnsemble
    from rookery_ensembles import Predictions


def ensemble(
    study: PathLike, out: PathLike | None = None, *, positive: str = "Ia", overwrite: bool = False
) -> StudyEnsemble:
    """Build a study's ensemble: select, average and calibrate its members on validation objects.

    The bundle is written to `out`, by default ``ensemble/`` in the study's folder.
    See :func:`rookery.inference.build_ensemble`.
    """
    from rookery.inference import build_ensemble
    from rookery.search.storage.remote_folder import is_url
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
    allow_missing_bands: bool = False,
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
        allow_missing_bands=allow_missing_bands,
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
    truth: Literal["agree", "survey"] = "agree",
    replicates: int = 300,
    seed: int = 0,
    device: str | None = None,
) -> dict[str, float]:
    """Judge a prediction file and write an HTML report.

    See :func:`rookery.reports.evaluate` for class probabilities, and
    :func:`rookery.reports.evaluate_redshifts` for redshift PDFs: the file says which it holds.
    With `split`, only its objects of `role` are judged; `role` is then ``test`` unless given.
    `against` are other methods' files of redshift PDFs, to stand beside.
    With `bundle` and `days` the ensemble that made the predictions classifies the same objects
    as they were known on each of those days, and the report shows the metrics against days.
    A file whose own truth contradicts the survey's is refused, unless `truth` is ``"survey"``.
    """
    from rookery.reports import evaluate as judge
    from rookery.reports import evaluate_redshifts
    from rookery.reports.assess.classes import Assessment
    from rookery_ensembles.errors import fail
    from rookery_ensembles.predictions import read_info
    from rookery_ensembles.schema import Predictions as Made

    if (bundle is None) != (not days):
        raise fail(predictions, "a curve against days needs both a bundle and days, but only one was given")
    if read_info(predictions).target.has_pdfs:
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
            truth=truth,
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
            bundle,
            assessment.survey,
            days,
            since=since,
            rows=assessment.row,
            device=device,
            allow_missing_bands=True,  # the predictions to judge are of the same survey
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
        truth=truth,
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
    train_on: Mapping[str, Any] | None = None,
    address: str | None = None,
    processes: int | None = None,
    model_path: PathLike | None = None,
    filters: str | None = None,
    bins: tuple[float, float, int] | None = None,
    deredden: bool | None = None,
    copies: int | None = None,
    redshifting: bool | None = None,
    copy_dimming: float | None = None,
) -> Predictions:
    """Train a classical method on a split and predict its test objects. See :mod:`rookery.baselines`.

    Parameters
    ----------
    redshift, role
        See :class:`rookery.baselines.Baseline`.
    train_on
        Train only on some of the objects that could, ``{"part": 0.1, "where": ["stripe82=1"]}``, as the
        networks of a campaign do.
    address, processes
        Of baselines that fit light curves: a Ray cluster that this machine belongs to, instead of a
        Ray of its own, and how many blocks of objects are fitted at once, 0: in this process.
    model_path, filters
        See :mod:`rookery.baselines.salt2_trees`.
    bins, deredden
        Of redshifts: lower edge, upper edge and number of the bins (0, 0.4, 180 by default), and whether
        magnitudes are corrected with the covariate `mwebv`. See :mod:`rookery.baselines.b16`.
    copies, redshifting, copy_dimming
        Of binned-trees: train also on copies of the training objects as those to classify would be seen,
        as networks with these hyperparameters do. See :mod:`rookery.baselines.binned_trees`.
    """
    from rookery import baselines
    from rookery.documents import build
    from rookery.surveys import open_split, open_survey
    from rookery.surveys.train_on import TrainOn
    from rookery_ensembles.predictions import check_predictions_path

    check_predictions_path(out)
    run_baseline = baselines.configure(
        name,
        address=address,
        processes=processes,
        model_path=model_path,
        filters=filters,
        bins=bins,
        deredden=deredden,
        copies=copies,
        redshifting=redshifting,
        copy_dimming=copy_dimming,
    )
    wanted = None if train_on is None else build(TrainOn, dict(train_on), "train_on")
    opened = open_survey(survey)
    return run_baseline(
        opened,
        open_split(opened, split),
        Path(out),
        classes=tuple(class_names),
        seed=seed,
        redshift=redshift,
        role=role,
        train_on=wanted,
    )
