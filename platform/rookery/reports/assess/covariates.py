"""The covariates that metrics are shown against: found by name, cut into bins."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.reports.assess.classes import Assessment
from rookery.surveys.properties import object_properties
from rookery.surveys.store import Survey
from rookery_ensembles.binned import Binned, binned_scores, check_edges, quantile_edges
from rookery_ensembles.errors import fail

Bins = int | Sequence[float]
"""A number of quantile bins, or the edges."""
DEFAULT_COVARIATES = ("redshift", "peak_snr", "n_observations")
LABELS = {
    "redshift": "Redshift",
    "z_spec": "Spectroscopic redshift",
    "z_phot": "Photometric redshift",
    "peak_snr": "Peak signal-to-noise ratio",
    "peak_flux": "Peak flux (FLUXCAL)",
    "n_observations": "Number of observations",
    "n_detections": "Number of detections",
    "duration": "Days from first to last observation",
    "host_photo_z": "Host photometric redshift",
    "mwebv": "Galactic reddening E(B-V)",
    "axis_ratio": "Axis ratio b/a of the disk",
    "snr_r": "Signal-to-noise ratio in r",
    "psf_fwhm": "PSF width (FWHM, arcsec)",
    "n_neighbours": "Number of close neighbours",
    "petro_r50_r": "Petrosian half-light radius in r (arcsec)",
}


def covariate_label(name: str) -> str:
    """Return what an axis calls a covariate."""
    if name.startswith("mag_err_"):
        return f"Error of the {name.removeprefix('mag_err_')} magnitude"
    if name.startswith("mag_"):
        return f"{name.removeprefix('mag_')} magnitude (AB)"
    return LABELS.get(name, name.replace("_", " "))


def against_covariate(name: str) -> str:
    """Return a covariate's label as it stands within a sentence."""
    label = covariate_label(name)
    kept = name.startswith("mag_") or label.startswith(("PSF", "Galactic", "Petrosian"))
    return label if kept else label[0].lower() + label[1:]


def covariate_table(survey: Survey) -> pd.DataFrame:
    """Return every number that a survey knows of its objects, a row per object.

    Columns of the object table (`redshift` and covariates) come first, then what
    :func:`rookery.surveys.properties.object_properties` derives from light curves, then the
    numbers of the truth table; of one name the first counts.
    """
    truth = survey.truth()
    derived = [object_properties(survey)] if survey.info.kind == "light_curves" else []
    tables = [survey.objects, *derived, *([] if truth is None else [truth])]
    columns: dict[str, NDArray[np.float64]] = {}
    for table in tables:
        for name in table.columns:
            if name not in columns and pd.api.types.is_numeric_dtype(table[name]):
                values = table[name].to_numpy(np.float64, na_value=np.nan)
                columns[str(name)] = np.where(np.isfinite(values), values, np.nan)
    return pd.DataFrame(columns)


def bin_assessment(
    assessment: Assessment,
    *,
    by: Sequence[str] = (),
    bins: Mapping[str, Bins] | None = None,
    replicates: int,
    seed: int,
) -> list[Binned]:
    """Return the metrics of an assessment in bins of covariates.

    Those of `DEFAULT_COVARIATES` come first that have at least two different values here; then
    `by`; then what else `bins` names.

    Parameters
    ----------
    by
        Further columns of :func:`covariate_table`.
    bins
        By covariate, a number of quantile bins or their edges; by default
        :func:`rookery_ensembles.binned.quantile_edges` decides.
    replicates, seed
        See :func:`rookery_ensembles.bootstrap.bootstrap_scores`.

    Raises
    ------
    InputError
        When a column is unknown, or unknown for every object, or edges do not increase.
    """
    table, wanted = covariate_table(assessment.survey), dict(bins or {})
    asked = [*by, *wanted]
    check_known(asked, table.columns, assessment.survey.path)
    table = table.iloc[assessment.row]
    defaults = [name for name in DEFAULT_COVARIATES if name in table and table[name].nunique() > 1]
    return [
        bin_by(assessment, name, table[name].to_numpy(), wanted.get(name), replicates=replicates, seed=seed)
        for name in dict.fromkeys([*defaults, *asked])
    ]


def check_known(asked: Iterable[str], known: Iterable[str], where: Path) -> None:
    """Raise InputError when a covariate is asked for that is none of the known ones."""
    known = list(known)
    for name in asked:
        if name not in known:
            raise fail(where, f"has no number {name!r} to bin by; those are {', '.join(known)}")


def bin_by(
    assessment: Assessment,
    name: str,
    values: NDArray[np.float64],
    bins: Bins | None = None,
    *,
    replicates: int,
    seed: int,
) -> Binned:
    """Return the metrics of an assessment in bins of one covariate, (N,) `values`; see `bin_assessment`."""
    edges = edges_of(values, bins, f"{assessment.survey.path}, bins of {name}")
    return binned_scores(name, values, edges, assessment.sample, replicates=replicates, seed=seed)


def edges_of(values: NDArray[np.float64], wanted: Bins | None, where: str) -> list[float]:
    """Return the edges of the bins of (N,) values: given, or of so many quantiles.

    Raises
    ------
    InputError
        Beginning with `where`: when no value is known, or edges do not increase.
    """
    if wanted is None or isinstance(wanted, int):
        if not np.isfinite(values).any():
            raise fail(where, "the value of at least one assessed object must be known, but none is")
        if wanted is not None and wanted < 1:
            raise fail(where, f"there must be at least 1, but there are {wanted}")
        return quantile_edges(values, wanted)
    check_edges(wanted, where)
    return [float(edge) for edge in wanted]
