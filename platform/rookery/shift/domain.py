"""What objects look like to a network: the features that tell whether it was trained on their like.

Of light curves they come from the observations, of galaxies from magnitudes, colours and pixels, of
both from the covariates. Never from truth.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.observations import ObservationArrays
from rookery.surveys.properties import object_properties
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery_ensembles.domain import Domain

_PROPERTIES = ("n_observations", "n_detections", "peak_snr", "peak_flux", "duration")
# Another part of the sky, another exposure time or another flag is no other kind of object.
_NOT_LOOKED_AT = ("ra", "dec", "flags")
_ERRORS = "mag_err_"
_MOST = 20_000  # training objects: their extremes are known by then, and cutouts take long to read
_AT_ONCE = 256
Floats = NDArray[np.float64]


def training_domain(survey: Survey, split: Split) -> Domain:
    """Return where a split's training and validation objects lie; of 20,000, evenly chosen, at most."""
    rows = split.labelled
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(np.intp)]
    unobserved = unobserved_bands(survey)
    return Domain.of(
        {name: values[some] for name, values in object_features(survey, rows=some).items()},
        {band: unobserved[some, index] for index, band in enumerate(survey.bands)},
    )


def observed_bands(survey: Survey) -> list[str]:
    """Return the bands of a survey in which some object was observed."""
    unobserved = unobserved_bands(survey)
    return [band for band, none in zip(survey.bands, unobserved.T, strict=True) if not none.all()]


def object_features(survey: Survey, *, rows: NDArray[np.integer] | None = None) -> dict[str, Floats]:
    """Return every feature of the N objects of a survey, NaN where unknown.

    Returns
    -------
    Name -> (N,) values: of light curves `n_observations`, `n_detections`, `peak_snr`, `peak_flux` and
    `duration` (see :func:`~rookery.surveys.properties.object_properties`) and `peak_flux_<band>`; of
    galaxies `mag_<band>`, colours `mag_<band>-<next band>`, and of cutouts `flux_<band>`, the sum of
    the middle quarter of the pixels in nanomaggies, read for `rows` alone where they are given; of
    both the covariates but position, flags and errors of magnitudes.
    """
    found = {
        name: survey.objects[name].to_numpy(np.float64)
        for name in survey.covariates
        if name not in _NOT_LOOKED_AT and not name.startswith(_ERRORS)
    }
    if survey.info.kind == "light_curves":
        table = object_properties(survey)
        found |= {name: table[name].to_numpy(np.float64) for name in _PROPERTIES}
        found |= _by_band("peak_flux", survey, _peak_fluxes(survey.observation_arrays(), len(survey.bands)))
        return found
    magnitude_nb = survey.magnitudes()
    found |= _by_band("mag", survey, magnitude_nb)
    for index, (blue, red) in enumerate(zip(survey.bands[:-1], survey.bands[1:], strict=True)):
        found[f"mag_{blue}-{red}"] = magnitude_nb[:, index] - magnitude_nb[:, index + 1]
    if survey.info.kind == "images":
        found |= _by_band("flux", survey, _middle_fluxes(survey, rows))
    return found


def unobserved_bands(survey: Survey) -> NDArray[np.bool_]:
    """Return (N, n_bands) which objects were not observed in which bands; those with cutouts were in all."""
    if survey.info.kind == "light_curves":
        return np.isnan(_peak_fluxes(survey.observation_arrays(), len(survey.bands)))
    if survey.info.kind == "images":
        return np.zeros((len(survey), len(survey.bands)), dtype=bool)
    return np.isnan(survey.magnitudes())


def _by_band(prefix: str, survey: Survey, values_nb: Floats) -> Mapping[str, Floats]:
    return {f"{prefix}_{band}": values_nb[:, index] for index, band in enumerate(survey.bands)}


def _peak_fluxes(arrays: ObservationArrays, n_bands: int) -> Floats:
    """Return (N, n_bands) largest fluxes, NaN where a band was not observed."""
    n_objects = len(arrays.offsets) - 1
    largest = np.full(n_objects * n_bands, -np.inf)
    cell = arrays.object_index.astype(np.int64) * n_bands + arrays.band_index
    np.maximum.at(largest, cell, arrays.flux.astype(np.float64))
    return np.where(np.isfinite(largest), largest, np.nan).reshape(n_objects, n_bands)


def _middle_fluxes(survey: Survey, rows: NDArray[np.integer] | None) -> Floats:
    """Return (N, n_bands) sums over the middle half of rows and columns of the cutouts."""
    images = survey.image_array()
    size = images.shape[-1]
    middle = slice(size // 4, size - size // 4)
    wanted = np.arange(len(images)) if rows is None else rows
    found = np.full(images.shape[:2], np.nan)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        found[some] = images[some][:, :, middle, middle].sum(axis=(2, 3), dtype=np.float64)
    return found
