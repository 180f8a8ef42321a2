"""Covariates of a survey's objects that an ensemble's weights or calibration may depend on."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._photometry import reference_band
from rookery.surveys import Survey
from rookery_ensembles import Bundle, Covariates
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.errors import fail
from rookery_ensembles.recipe import AUTO, looks_at_covariates, needs_covariates

logger = logging.getLogger(__name__)
_USUAL = ("mwebv", "host_photo_z")


def usual_covariates(survey: Survey) -> tuple[str, ...]:
    """Return those that ensembles look at where none are named.

    The magnitude in `r`, or in the middle band, `mwebv` and `host_photo_z`, of those that the survey knows of
    one object at least.
    """
    names = (f"mag_{reference_band(survey.bands)}", *_USUAL)
    there = [name for name in names if name in survey.covariates]
    return tuple(name for name in there if np.isfinite(_columns(survey, (name,)).values).any())


def object_covariates(
    survey: Survey | None,
    where: str | Path,
    kind: str,
    *,
    by: str,
    calibration: str | None = None,
    names: Sequence[str] = (),
) -> ObjectCovariates | None:
    """Return the covariates of a survey's objects; None where an ensemble looks at none.

    A local calibration can do with the PDFs' own mean redshift and width where the survey has none of the
    usual ones, and an ensemble that is to be found looks at those that there are.

    Parameters
    ----------
    survey
        The one that its members learned from; None where that is not at hand.
    where
        Where it should be, for messages.
    kind
        Of the target.
    by, calibration
        How the ensemble is to be made; see :func:`rookery_ensembles.choose`.
    names
        The covariates; by default `usual_covariates`.

    Raises
    ------
    InputError
        When covariates are named that nothing looks at, or the survey is not at hand, lacks one of them, or
        has none of the usual ones though weights depend on them.
    """
    if not looks_at_covariates(by, calibration, kind, names):
        return None
    needed = needs_covariates(by)
    wanted = tuple(dict.fromkeys(names)) or (() if survey is None else usual_covariates(survey))
    if not wanted and not needed and (by == AUTO or survey is not None):
        return None
    if survey is not None and not wanted:
        rule = "has none of the covariates that weights usually look at"
        raise fail(
            survey.path, f"{rule}; name some with --covariates, of {', '.join(_able(survey)) or '(none)'}"
        )
    return named_covariates(survey, where, wanted)


def named_covariates(survey: Survey | None, where: str | Path, names: tuple[str, ...]) -> ObjectCovariates:
    """Return covariates of a survey's objects.

    Raises
    ------
    InputError
        When the survey is not at hand, or lacks one of them.
    """
    if survey is None:
        rule = "is not at hand, but weights, calibration or groups look at covariates of its objects"
        raise fail(where, rule)
    able = _able(survey)
    missing = [name for name in names if name not in able]
    if missing:
        rule = f"must have the covariates {', '.join(names)}, but lacks {', '.join(missing)}"
        raise fail(survey.path, f"{rule}; it has {', '.join(able) or 'none'}")
    return ObjectCovariates(_ids(survey), _columns(survey, names))


def bundle_covariates(bundle: Bundle, survey: Survey) -> Covariates | None:
    """Return those of the survey's columns that the ensemble's weights and calibration look at."""
    names = tuple(name for name in bundle.covariates if name in survey.objects.columns)
    return _columns(survey, names) if names else None


def some_covariates(bundle: Bundle, survey: Survey, object_id: NDArray[np.str_]) -> Covariates | None:
    """Return what `bundle_covariates` does, of some of the survey's objects by their names."""
    found = bundle_covariates(bundle, survey)
    return None if found is None else ObjectCovariates(_ids(survey), found).of(object_id)


def warn_of_lacking(bundle: Bundle, survey: Survey) -> None:
    """Log which covariates of the ensemble a survey lacks."""
    lacking = [name for name in bundle.covariates if name not in survey.objects.columns]
    if lacking:
        told = "%s: lacks %s, which weights or calibration depend on; all objects have those for unknown ones"
        logger.warning(told, survey.path, ", ".join(lacking))


def _ids(survey: Survey) -> NDArray[np.str_]:
    return survey.objects["object_id"].to_numpy().astype(str)


def _able(survey: Survey) -> list[str]:
    return [name for name in survey.covariates if survey.objects[name].dtype.kind in "fiu"]


def _columns(survey: Survey, names: tuple[str, ...]) -> Covariates:
    return Covariates(names, survey.objects[list(names)].to_numpy(dtype=np.float64, na_value=np.nan))
