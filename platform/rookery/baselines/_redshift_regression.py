"""Redshifts by a regression on magnitudes, neighbouring colours and log errors, as Gaussian PDFs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rookery
from rookery.baselines._rounds import redshift_task
from rookery.compute.progress import tracked
from rookery.surveys.equal_bins import EqualBins, equal_bins
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions
from rookery_ensembles.redshift_pdf import gaussian_pdf

Floats = NDArray[np.float64]
Regression = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]
"""Features (T, F) and redshifts (T,) of training objects, features (N, F) -> redshifts and errors (N,)."""
BINS = (0.0, 0.4, 180)
LEAST = 50
"""Objects below which nothing is fitted."""
_NARROWEST = 0.25  # a Gaussian's standard deviation is at least this part of the narrowest bin


def predict_by_regression(
    regression: Regression,
    survey: Survey,
    split: Split,
    out: Path,
    *,
    name: str,
    redshift: str | None,
    role: str,
    train_on: TrainOn | None,
    bins: tuple[float, float, int] | EqualBins,
) -> Predictions:
    """Fit a regression in every round, write and return the PDFs of the predicted objects.

    Parameters
    ----------
    regression
        Fits and predicts; features are NaN where a magnitude or an error is unknown.
    survey, split, out, name, role, train_on
        See :class:`rookery.baselines.Baseline`.
    redshift
        Refused: redshifts are what is predicted.
    bins
        Lower edge, upper edge and number of the bins, or their document.

    Raises
    ------
    InputError
        When no redshift can be predicted from this survey and split.
    """
    if redshift is not None:
        raise fail(f"baseline {name!r}", "predicts redshifts, and takes no `redshift`")
    target = equal_bins(bins)
    task = redshift_task(survey, split, role, LEAST, train_on)
    features = photometric_features(survey)
    if not np.isfinite(features).any():
        raise fail(survey.path, "has no magnitude, from which redshifts could be predicted")
    truth = survey.objects["redshift"].to_numpy(np.float64)
    value, error = np.full((2, len(survey)), np.nan)
    for each in tracked(list(task), "fits"):
        found = regression(features[each.train], truth[each.train], features[each.predicted])
        value[each.predicted], error[each.predicted] = found
    rows = np.flatnonzero(np.isfinite(value))
    sigma = np.maximum(error[rows], _NARROWEST * target.widths.min())
    predictions = Predictions(
        PredictionInfo(
            target=target,
            member=f"baseline-{name}",
            role=task.role,
            survey=survey.checksum,
            version=rookery.__version__,
        ),
        survey.objects["object_id"].to_numpy()[rows].astype(str),
        truth[rows],
        gaussian_pdf(value[rows], sigma, target.edges).astype(np.float32),
    )
    write_predictions(predictions, out)
    return predictions


def photometric_features(survey: Survey) -> Floats:
    """Return magnitudes, neighbouring colours and log errors (N, 3 B - 1), NaN where unknown."""
    magnitude, error = survey.magnitudes(), survey.magnitude_errors()
    logarithm = np.log(np.where(error > 0, error, np.nan))
    return np.hstack([magnitude, magnitude[:, :-1] - magnitude[:, 1:], logarithm])
