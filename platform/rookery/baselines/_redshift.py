"""A redshift among the features: a covariate of the survey by name, never the truth."""

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]

# Flat LambdaCDM; distances enter the features as differences only, so that H0 does not matter.
_OMEGA_M, _H0 = 0.3, 70.0


def redshift_of(survey: Survey, column: str) -> tuple[Floats, Floats | None]:
    """Return a covariate (N,), and its error where the survey has a column ``<column>_err``.

    Raises
    ------
    InputError
        When `column` is the truth, or no covariate of the survey; or is missing for every object.
    """
    where = f"{survey.path}: redshift column {column!r}"
    if column == "redshift":
        raise fail(where, "is the truth, which no method may see; name a covariate, for example host_photo_z")
    if column not in survey.covariates:
        has = ", ".join(survey.covariates) or "none"
        raise fail(where, f"must be a covariate of the survey; it has: {has}")
    values = survey.objects[column].to_numpy(dtype=np.float64)
    if np.isnan(values).all():
        raise fail(where, "must be known for some object, but is missing for all")
    error = f"{column}_err"
    known = error in survey.covariates
    return values, survey.objects[error].to_numpy(dtype=np.float64) if known else None


def redshift_features(survey: Survey, column: str, peak: Floats, days: Floats) -> tuple[Floats, list[str]]:
    """Return (N, 2 to 3 + D) features that a redshift gives, and their names.

    They are the redshift; its error where known; the peak's absolute magnitude, but for a constant
    (flat LambdaCDM with a matter density of 0.3, no K-correction); and durations in the rest frame.
    NaN where the redshift is unknown or not positive.

    Parameters
    ----------
    peak
        (N,) peak fluxes; NaN where unknown.
    days
        (N, D) observed durations.
    """
    z, error = redshift_of(survey, column)
    z = np.where(z > 0, z, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = -2.5 * np.log10(np.where(peak > 0, peak, np.nan)) - distance_modulus(z)
    columns, names = [z, absolute], [column, "absolute_magnitude"]
    if error is not None:
        columns.append(error)
        names.append(f"{column}_err")
    rest = days / (1.0 + z)[:, None]
    return np.column_stack([*columns, rest]), [*names, *(f"rest_days_{i}" for i in range(days.shape[1]))]


def distance_modulus(z: Floats) -> Floats:
    """Return the (N,) distance moduli in magnitudes; NaN where `z` is."""
    from astropy.cosmology import FlatLambdaCDM

    modulus = np.full(z.shape, np.nan)
    known = np.isfinite(z)
    if known.any():
        modulus[known] = FlatLambdaCDM(H0=_H0, Om0=_OMEGA_M).distmod(z[known]).value
    return modulus
