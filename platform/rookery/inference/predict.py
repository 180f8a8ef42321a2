"""Run an ensemble bundle over a survey."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rookery.inference import priors
from rookery.inference.catalogues import opened
from rookery.inference.domain import mark_domain
from rookery.inference.flow import OpenEnsemble
from rookery.surveys import Survey, open_survey
from rookery.surveys.partial import Since, check_days, reference_dates, truncate
from rookery.training.data import find_device
from rookery_ensembles import Bundle, Predictions, load_bundle
from rookery_ensembles.compact import check_form
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange import check_output, write_output


def predict_survey(
    bundle: str | Path,
    survey: str | Path,
    out: str | Path,
    *,
    days: float | None = None,
    since: Since = "detection",
    device: str | None = None,
    correct_priors: bool = False,
    split: str | None = None,
    allow_missing_bands: bool = False,
    compact: str | None = None,
) -> Predictions:
    """Predict every object of a survey with an ensemble and write a prediction file.

    Parameters
    ----------
    bundle
        Ensemble bundle; every digest is verified before anything is loaded.
    survey
        Survey store, or a catalogue file with the columns of the one that the members learned from (see
        :mod:`rookery.inference.catalogues`). Types or redshifts that it knows become the predictions' truth.
    out
        File to write. In ``.parquet`` are the PDFs or probabilities themselves; ``.csv``, ``.fits``
        and ``.hdf5`` are written as :func:`rookery_ensembles.exchange.export` does, with the columns of the
        catalogue file where one is given.
    days, since
        Show the ensemble only the observations up to so many days since each object's detection
        or peak; objects without any are left out. See :func:`rookery.surveys.partial.truncate`.
    device
        A torch device; by default a GPU where there is one.
    correct_priors
        Whether to estimate the survey's class fractions from the predictions and to correct all
        probabilities for them (see :mod:`rookery_ensembles.priors`); the file's metadata tell it.
    split
        With `correct_priors`: estimate them on this split's test and unlabelled objects alone,
        not on those that the ensemble was trained on. By default on all objects.

    allow_missing_bands
        Whether to predict although the survey lacks a band that no member ever saw missing.
    compact
        A form of `rookery_ensembles.compact` for redshift PDFs in few bytes; by default none.

    Raises
    ------
    InputError
        When `out` has another suffix, bundle or survey is broken, the survey has none of a member's
        bands or lacks one that no member saw missing, no object has an observation by that day, or
        priors are to be corrected and the bundle does not know its class fractions.
    """
    check_output(out)
    if days is not None:
        check_days(days, since)
    if split is not None and not correct_priors:
        raise fail("split", f"is for correcting priors only, but {split!r} was given without that")
    loaded = load_bundle(bundle)
    check_output(out, loaded.target)
    if compact is not None:
        check_form(compact, loaded.target, out)
    training = priors.training_fractions(loaded) if correct_priors else None
    with opened(loaded, survey, out, allow_missing_bands=allow_missing_bands) as given:
        estimate_on = None if split is None else priors.objects_to_classify(given.survey, split)
        if days is None:
            predictions = _predict(loaded, given.survey, find_device(device), allow_missing_bands)
            predictions = mark_domain(loaded, given.survey, predictions)
        else:
            (predictions,) = predict_partial(
                loaded, given.survey, [days], since=since, device=device,
                allow_missing_bands=allow_missing_bands,
            )  # fmt: skip
        if training is not None:
            predictions = priors.correct_priors(predictions, training, estimate_on)
        if compact is not None:
            predictions = replace(predictions, info=replace(predictions.info, compact=compact))
        write_output(predictions, out, given.columns, given.id_column)
    return predictions


def predict_partial(
    bundle: str | Path | Bundle,
    survey: str | Path | Survey,
    days: Sequence[float],
    *,
    since: Since = "detection",
    rows: NDArray[np.intp] | None = None,
    device: str | None = None,
    allow_missing_bands: bool = False,
) -> list[Predictions]:
    """Predict a survey as it was known on each of several days since detection or peak.

    Parameters
    ----------
    bundle, survey, device, allow_missing_bands
        See :func:`predict_survey`.
    days, since
        See :func:`rookery.surveys.partial.truncate`.
    rows
        Rows of the object table to predict; by default all.

    Raises
    ------
    InputError
        As :func:`predict_survey` does.

    Notes
    -----
    Nothing is said of the domain: the ensemble's is that of whole light curves.
    """
    loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    opened = survey if isinstance(survey, Survey) else open_survey(survey)
    place = find_device(device)
    reference = reference_dates(opened, since)
    found = []
    for day in days:
        view = truncate(opened, day, reference, rows=rows)
        if not len(view):
            raise fail(opened.path, f"no object has an observation up to {day:g} days since {since}")
        predictions = _predict(loaded, view, place, allow_missing_bands, whole=opened)
        info = replace(predictions.info, days=float(day), since=since)
        found.append(replace(predictions, info=info))
    return found


def _predict(
    bundle: Bundle,
    survey: Survey,
    device: torch.device,
    allow_missing_bands: bool,
    *,
    whole: Survey | None = None,
) -> Predictions:
    """Predict a survey, or the view of some of a `whole` one."""
    ensemble = OpenEnsemble.of(bundle, device)
    ensemble.check_bands(whole or survey, allow_missing_bands)
    return ensemble.predict(survey)
