"""Running trends: bias, scatter and outliers of every method against what may mislead them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.covariates import Bins, check_known, covariate_table, edges_of
from rookery.reports.assess.redshifts import RedshiftAssessment
from rookery_ensembles.binned import Binned
from rookery_ensembles.photoz_metrics import running_trend

ESTIMATE = "z_phot"
"""The name of each method's own `z_mean` as a covariate."""
DEFAULTS = (
    "redshift",
    ESTIMATE,
    "mwebv",
    "axis_ratio",
    "snr_r",
    "psf_fwhm",
    "n_neighbours",
    "mag_r",
)
"""Covariates that every report shows, where the survey knows them."""

# Outliers are rare: a bin needs more objects than one of a classifier's accuracy does.
_MOST_BINS, _PER_BIN = 16, 150


@dataclass(frozen=True, eq=False)
class Trend:
    """Bias, sigma_MAD and eta of every method in the same bins of one covariate."""

    name: str
    """The covariate."""
    methods: Mapping[str, Binned]
    """By method, the bins; of `ESTIMATE` each method's own estimates are binned."""


def label_key(name: str) -> str:
    """Return the name under which labels know a covariate: of galaxies the redshift is spectroscopic."""
    return "z_spec" if name == "redshift" else name


def running_trends(
    methods: Sequence[RedshiftAssessment],
    *,
    by: Sequence[str] = (),
    bins: Mapping[str, Bins] | None = None,
    replicates: int,
    seed: int,
) -> list[Trend]:
    """Return the trends against those of `DEFAULTS` that vary here, then `by`, then what `bins` names.

    Parameters
    ----------
    methods
        Assessments of the same objects.
    by, bins
        Further covariates, and numbers of bins or edges; see
        :func:`rookery.reports.assess.covariates.bin_assessment`. By default bins hold equally many
        objects: at least 150 each, and 16 bins at most.
    replicates, seed
        See :func:`rookery_ensembles.photoz_metrics.running_trend`.

    Raises
    ------
    InputError
        When a column is unknown, or unknown for every object, or edges do not increase.
    """
    first, wanted = methods[0], dict(bins or {})
    table = covariate_table(first.survey)
    known = [*table.columns] if ESTIMATE in table else [*table.columns, ESTIMATE]
    check_known([*by, *wanted], known, first.survey.path)
    shown = table.iloc[first.row]
    varying = [name for name in DEFAULTS if name == ESTIMATE or (name in shown and shown[name].nunique() > 1)]
    found = []
    for name in dict.fromkeys([*varying, *by, *wanted]):
        given = [one.sample.z_phot if name == ESTIMATE else shown[name].to_numpy() for one in methods]
        where = f"{first.survey.path}, bins of {name}"
        edges = edges_of(given[0], wanted.get(name, _number(given[0])), where)
        found.append(
            Trend(
                name,
                {
                    one.name: running_trend(
                        values,
                        one.sample.z_phot,
                        one.z_spec,
                        name=name,
                        edges=edges,
                        replicates=replicates,
                        seed=seed,
                    )
                    for one, values in zip(methods, given, strict=True)
                },
            )
        )
    return found


def _number(values: NDArray[np.float64]) -> int:
    """Return the number of bins that leaves enough objects to each."""
    return int(np.clip(np.isfinite(values).sum() // _PER_BIN, 1, _MOST_BINS))
