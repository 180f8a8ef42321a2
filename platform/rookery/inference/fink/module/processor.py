"""What Fink calls: class probabilities of alerts from their light curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .ensemble import load_ensemble
from .light_curves import light_curve

ZERO_POINT = 27.5
"""Magnitude of a flux of 1, in the units that the networks learned from."""
_JD_OF_MJD = 2_400_000.5


def probabilities_of_fluxes(
    mjd: Sequence[Any],
    band: Sequence[Any],
    flux: Sequence[Any],
    flux_err: Sequence[Any],
    *,
    zero_point: float = ZERO_POINT,
    covariates: Mapping[str, NDArray[np.float64]] | None = None,
) -> NDArray[np.float32]:
    """Return (N, K) class probabilities of N objects; NaN for one without an observation.

    Parameters
    ----------
    mjd, band, flux, flux_err
        Of each object its dates (Modified Julian Date), bands, fluxes of the difference images and their
        errors. A band is a name, or a number that the document's ``filters`` translate.
    zero_point
        Magnitude of a flux of 1: 31.4 for nJy.
    covariates
        As `Ensemble.probabilities` of `ensemble.py` takes them.
    """
    ensemble = load_ensemble()
    filters = ensemble.document["filters"]
    unit = 10 ** (0.4 * (ZERO_POINT - zero_point))
    curves = [
        light_curve(
            days,
            [filters.get(str(name), str(name)) for name in names],
            unit * np.asarray(light, dtype=np.float64),
            unit * np.asarray(error, dtype=np.float64),
        )
        for days, names, light, error in zip(mjd, band, flux, flux_err, strict=True)
    ]
    return ensemble.probabilities(curves, covariates)


def probabilities_of_magnitudes(
    cjd: pd.Series, cfid: pd.Series, cmagpsf: pd.Series, csigmapsf: pd.Series
) -> pd.Series:
    """Return each alert's list of K class probabilities, in the order of the document's ``class_names``.

    Parameters
    ----------
    cjd, cfid, cmagpsf, csigmapsf
        Of each alert the lists of dates (Julian Date), filters, magnitudes and their errors, history and
        current measurement together. Points without a magnitude, such as upper limits, are left out.
    """
    magnitude = [np.asarray(each, dtype=np.float64) for each in cmagpsf]
    error = [np.asarray(each, dtype=np.float64) for each in csigmapsf]
    flux = [10 ** (0.4 * (ZERO_POINT - each)) for each in magnitude]
    flux_err = [light * sigma * 0.4 * np.log(10) for light, sigma in zip(flux, error, strict=True)]
    mjd = [np.asarray(each, dtype=np.float64) - _JD_OF_MJD for each in cjd]
    found = probabilities_of_fluxes(mjd, list(cfid), flux, flux_err)
    return pd.Series(found.astype(float).tolist(), index=cjd.index)


try:
    from pyspark.sql.functions import pandas_udf
    from pyspark.sql.types import ArrayType, DoubleType
except ModuleNotFoundError:  # outside of Fink: the same function, of pandas Series
    class_probabilities = probabilities_of_magnitudes
else:
    class_probabilities = pandas_udf(ArrayType(DoubleType()))(probabilities_of_magnitudes)
