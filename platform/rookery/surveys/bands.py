"""Where bands lie in wavelength."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail

# Effective wavelengths in angstrom, rounded. ugriz: SDSS (Fukugita et al. 1996, AJ 111, 1748, table 2a);
# y, Y: LSST's y4 and DECam's Y; UBVRI: Bessell 1990 (PASP 102, 1181); JHK: 2MASS (Cohen et al. 2003).
EFFECTIVE_WAVELENGTH = {
    "u": 3560.0, "g": 4830.0, "r": 6260.0, "i": 7670.0, "z": 9100.0, "y": 9700.0, "Y": 9900.0,
    "U": 3660.0, "B": 4360.0, "V": 5450.0, "R": 6410.0, "I": 7980.0,
    "J": 12350.0, "H": 16620.0, "K": 21590.0,
}  # fmt: skip


def effective_wavelengths(bands: Sequence[str], where: str | Path) -> NDArray[np.float64]:
    """Return the effective wavelength of each band in angstrom.

    Raises
    ------
    InputError
        For a band whose wavelength is not known.
    """
    for band in bands:
        if band not in EFFECTIVE_WAVELENGTH:
            known = ", ".join(EFFECTIVE_WAVELENGTH)
            raise fail(where, f"the wavelength of band {band!r} is not known; known are {known}")
    return np.array([EFFECTIVE_WAVELENGTH[band] for band in bands])
