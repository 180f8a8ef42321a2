"""What the observations themselves tell of an object: how often, how bright, when and how long.

Nothing here looks at truth, so that the columns may serve as inputs, as covariates of a domain
shift, or to judge predictions in bins.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.observations import ObservationArrays
from rookery.surveys.store import DETECTION_SNR, Survey

PROPERTIES = (
    "n_observations",
    "n_detections",
    "peak_snr",
    "peak_flux",
    "first_detection_mjd",
    "peak_mjd",
    "duration",
)


def object_properties(survey: Survey) -> pd.DataFrame:
    """Return a row per object, in the order (and with the index) of ``survey.objects``.

    A detection is an observation whose signal-to-noise ratio, flux over its error, is
    `DETECTION_SNR` (5) or more, in any band.

    Returns
    -------
    `n_observations`, `n_detections`
        Numbers of observations and of detections, int64, all bands together.
    `peak_snr`
        Largest signal-to-noise ratio of an observation; negative when every flux is.
    `peak_flux`
        Flux (FLUXCAL) of the brightest detection; without a detection, of the brightest observation.
    `first_detection_mjd`
        Date (MJD) of the first detection; without a detection, of the first observation.
    `peak_mjd`
        Date (MJD) of the observation of `peak_flux`; of equals, the first.
    `duration`
        Days from the first to the last observation.
    """
    arrays = survey.observation_arrays()
    starts, snr = arrays.offsets[:-1], signal_to_noise(arrays)
    detected = snr >= DETECTION_SNR
    n_detections = np.add.reduceat(detected.astype(np.int64), starts)
    counted = detected | (n_detections == 0)[arrays.object_index]
    flux = np.where(counted, arrays.flux.astype(np.float64), -np.inf)
    peak_flux = np.maximum.reduceat(flux, starts)
    values = {
        "n_observations": np.diff(arrays.offsets),
        "n_detections": n_detections,
        "peak_snr": np.maximum.reduceat(snr, starts),
        "peak_flux": peak_flux,
        "first_detection_mjd": arrays.mjd[_first(counted, arrays)],
        "peak_mjd": arrays.mjd[_first(flux == peak_flux[arrays.object_index], arrays)],
        "duration": arrays.mjd[arrays.offsets[1:] - 1] - arrays.mjd[starts],
    }
    return pd.DataFrame({name: values[name] for name in PROPERTIES}, index=survey.objects.index)


def signal_to_noise(arrays: ObservationArrays) -> NDArray[np.float64]:
    """Return (N,) flux over its error, in double precision."""
    ratio: NDArray[np.float64] = arrays.flux.astype(np.float64) / arrays.flux_err
    return ratio


def _first(marked: NDArray[np.bool_], arrays: ObservationArrays) -> NDArray[np.intp]:
    """Return each object's first marked row; every object has one."""
    rows = np.flatnonzero(marked)
    return rows[np.searchsorted(arrays.object_index[rows], np.arange(len(arrays.offsets) - 1))]
