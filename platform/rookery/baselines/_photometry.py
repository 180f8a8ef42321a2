"""Features of galaxies for the classical redshifts: one magnitude, and the colours of neighbouring bands."""

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]

# A_band / E(B-V) of SDSS for R_V = 3.1: Schlafly & Finkbeiner 2011 (ApJ 737, 103), table 6.
EXTINCTION = {"u": 4.239, "g": 3.303, "r": 2.285, "i": 1.698, "z": 1.263}


def reference_band(bands: tuple[str, ...]) -> str:
    """Return the band whose magnitude is a feature: `r`, or the middle one where there is no `r`."""
    return "r" if "r" in bands else bands[len(bands) // 2]


def colour_features(magnitude_nb: Floats, bands: tuple[str, ...]) -> Floats:
    """Return (N, B): the reference band's magnitude, then B - 1 colours of neighbouring bands."""
    reference = magnitude_nb[:, [bands.index(reference_band(bands))]]
    return np.hstack([reference, magnitude_nb[:, :-1] - magnitude_nb[:, 1:]])


def dereddened(survey: Survey) -> Floats:
    """Return magnitudes (N, B) corrected for Galactic dust with the covariate `mwebv`.

    Raises
    ------
    InputError
        When the survey has no `mwebv`, it is unknown for an object, or a band is none of SDSS's.
    """
    if "mwebv" not in survey.covariates:
        raise fail(survey.path, "has no covariate `mwebv`, which dereddening needs")
    unknown = [band for band in survey.bands if band not in EXTINCTION]
    if unknown:
        rule = f"extinction is known for the bands {', '.join(EXTINCTION)}"
        raise fail(survey.path, f"{rule}, but this survey has {', '.join(unknown)}")
    mwebv = survey.objects["mwebv"].to_numpy()
    if np.isnan(mwebv).any():
        row = int(np.isnan(mwebv).argmax())
        place = f"{survey.path}, row {row} (object {survey.objects['object_id'][row]!r})"
        raise fail(place, "dereddening needs `mwebv`, but it is missing")
    return survey.magnitudes() - mwebv[:, None] * np.array([EXTINCTION[band] for band in survey.bands])
