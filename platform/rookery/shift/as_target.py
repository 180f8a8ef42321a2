"""How bright the objects to classify are, and by which rule their survey tells of them: for copies of others.

Nothing here looks at a label or a redshift of theirs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.properties import object_properties, signal_to_noise
from rookery.surveys.store import DETECTION_SNR, Survey

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
_CLOSEST = 0.001  # redshift
_DETECTIONS_ONLY = 2.0
"""Signal-to-noise ratio of all but a hundredth of the points of a survey that tells detections alone."""


@dataclass(frozen=True)
class SurveyRule:
    """What a survey tells of an object."""

    floor: Floats
    """(N,) smallest signal-to-noise ratio of a point of each object; -inf where there is none."""
    fewest: int
    """Smallest number of detections of an object."""

    @classmethod
    def one_detection(cls, survey: Survey) -> "SurveyRule":
        """Return the rule of a survey that tells every point of what it detected once."""
        return cls(np.full(len(survey), -np.inf), 1)

    @classmethod
    def of(cls, survey: Survey, models: Rows) -> "SurveyRule":
        """Find the rule of the survey that observed some objects.

        Where all but a hundredth of their points reach 2 sigma, only detections are told: each object's
        floor is then its own smallest ratio, but no more than the median of those. The number of
        detections is one that all but a fiftieth of the objects reach.
        """
        arrays = survey.observation_arrays()
        ratio = signal_to_noise(arrays)
        _, rows = arrays.rows_of(models)
        count = object_properties(survey)["n_detections"].to_numpy()[models]
        fewest = max(1, int(np.quantile(count, 0.02, method="lower")))
        if np.quantile(ratio[rows], 0.01) < _DETECTIONS_ONLY:
            return cls(np.full(len(survey), -np.inf), fewest)
        smallest = np.minimum.reduceat(ratio, arrays.offsets[:-1])
        return cls(np.minimum(smallest, np.median(smallest[models])), fewest)

    def kept(self, ratio: Floats, owner: Rows, model: Rows) -> NDArray[np.bool_]:
        """Say which points of C copies are kept.

        Parameters
        ----------
        ratio, owner
            (M,) signal-to-noise ratio of each point, and its copy.
        model
            (C,) the object that each copy shall look like.
        """
        told = ratio >= self.floor[model[owner]]
        detections = np.bincount(owner[told & (ratio >= DETECTION_SNR)], minlength=len(model))
        return told & (detections >= self.fewest)[owner]


def as_bright(survey: Survey, source: Rows, model: Rows, near: Floats, reach: float) -> tuple[Floats, Floats]:
    """Return the redshift at which each source is as bright as its model, and the factor of its flux.

    Fluxes are compared at the objects' peaks. A source of redshift z goes no farther than 1 + z times or
    divided by `reach`, nor one of unknown redshift (NaN) anywhere: what is left makes it brighter or
    fainter at the same colours and time scales.
    """
    peak = object_properties(survey)["peak_flux"].to_numpy(np.float64)
    both = (peak[source] > 0) & (peak[model] > 0)
    factor = np.divide(peak[model], peak[source], out=np.ones(len(source)), where=both)
    known = np.isfinite(near)
    grid = np.geomspace(_CLOSEST, max(2.0, float(np.nanmax(near, initial=0.0)) * reach + reach), 4000)
    dimming = np.log1p(grid) - 2 * np.log(luminosity_distance(grid))  # falls with redshift
    wanted = np.log(factor) + np.interp(np.where(known, near, grid[0]), grid, dimming)
    far = np.interp(-wanted, -dimming, grid)
    low, high = (1 + near) / reach - 1, (1 + near) * reach - 1
    return np.where(known, np.clip(far, np.maximum(low, _CLOSEST), high), near), factor


def luminosity_distance(redshift: Floats) -> Floats:
    """Return luminosity distances in Mpc (flat, H0 = 70 km/s/Mpc, Omega_m = 0.3; only ratios count)."""
    from astropy.cosmology import FlatLambdaCDM

    grid = np.geomspace(1e-4, max(2.0, float(redshift.max(initial=0.0)) + 0.1), 4000)
    distances = FlatLambdaCDM(H0=70, Om0=0.3).luminosity_distance(grid).value
    return np.interp(redshift, grid, distances)
