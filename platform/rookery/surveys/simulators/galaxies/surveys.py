"""What the simulated surveys look like: noise, gain, seeing, extinction, place on the sky."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PIXEL_SCALE = 0.396  # arcsec, SDSS
# A(band) / E(B-V) for R_V = 3.1: Schlafly & Finkbeiner (2011), table 6, SDSS ugriz.
EXTINCTION = np.array([4.239, 3.303, 2.285, 1.698, 1.263])
# PSF width over that of r: about wavelength^-0.3 for the blue, optics for the red (chosen).
_SEEING_OF_BANDS = np.array([1.13, 1.06, 1.0, 0.96, 0.97])
_SEEING_SCATTER = 0.03  # of each band against r, relative; chosen
_SEEING_LIMITS = (1.0, 1.8)  # arcsec in r
_NOISE_SCATTER = 0.08  # relative scatter of the noise from field to field; chosen
_MWEBV_MEDIAN, _MWEBV_SCATTER, _MWEBV_HIGHEST = 0.027, 0.55, 0.3  # log-normal; chosen
_MWEBV_ERROR = 0.08  # relative, of the catalogued E(B-V); chosen
_PSF_ELLIPTICITY = 0.03  # scatter of each component; chosen


@dataclass(frozen=True)
class Design:
    """One depth of imaging."""

    pixel_sigma: Floats
    """(B,) noise of an empty pixel in nanomaggies, as measured in real SDSS cutouts or less."""
    electrons: Floats
    """(B,) photoelectrons per nanomaggy: source counts add flux / electrons to a pixel's variance."""
    seeing: float
    """Median FWHM in r, in arcsec."""
    footprint: tuple[tuple[float, float], tuple[float, float]]
    """Ranges of right ascension and declination in degrees."""


# Noise: medians of real SDSS cutouts (benchmarks/compare_cutouts.py). Electrons: exposures of 54 s,
# from SDSS's calibration and gains (recalled, rounded); they explain that noise by the sky's light.
_SINGLE = Design(
    pixel_sigma=np.array([0.0426, 0.0174, 0.0297, 0.0423, 0.1846]),
    electrons=np.array([150.0, 1000.0, 940.0, 750.0, 150.0]),
    seeing=1.32,
    footprint=((110.0, 260.0), (0.0, 60.0)),
)
N_COADDED = 25  # runs in the Stripe 82 stack (20 to 30: Annis et al. 2014)
_STACK = Design(
    pixel_sigma=_SINGLE.pixel_sigma / np.sqrt(N_COADDED),
    electrons=_SINGLE.electrons * N_COADDED,
    seeing=1.15,
    footprint=((-50.0, 59.0), (-1.25, 1.25)),
)
DESIGNS = {"sdss": _SINGLE, "stripe82": _STACK}


@dataclass(frozen=True)
class Conditions:
    """What each of N galaxies was observed through."""

    psf_fwhm: Floats
    """(N, B) arcsec."""
    psf_shape: Floats
    """(N, 3) xx, xy, yy of the PSF's ellipse, of determinant 1, the same in all bands."""
    pixel_sigma: Floats
    """(N, B) nanomaggies."""
    electrons: Floats
    """(B,) per nanomaggy."""
    mwebv: Floats
    mwebv_catalogued: Floats
    """(N,) Galactic E(B-V) and what the catalogue says."""
    ra: Floats
    dec: Floats
    """(N,) degrees."""


def draw_conditions(design: Design, n: int, generator: np.random.Generator) -> Conditions:
    """Draw the conditions of N galaxies, each in a field of its own."""
    seeing = np.clip(design.seeing * np.exp(0.12 * generator.normal(size=n)), *_SEEING_LIMITS)
    of_bands = _SEEING_OF_BANDS * (1.0 + _SEEING_SCATTER * generator.normal(size=(n, 5)))
    of_bands[:, 2] = 1.0
    sigma = design.pixel_sigma * np.exp(_NOISE_SCATTER * generator.normal(size=(n, 5)))
    mwebv = np.minimum(_MWEBV_MEDIAN * np.exp(_MWEBV_SCATTER * generator.normal(size=n)), _MWEBV_HIGHEST)
    first, second = _PSF_ELLIPTICITY * generator.normal(size=(2, n))
    size = np.sqrt(1.0 - first**2 - second**2)
    shape = np.stack([1.0 + first, second, 1.0 - first], axis=1) / size[:, None]
    (west, east), (south, north) = design.footprint
    sines = generator.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), n)
    return Conditions(
        psf_fwhm=seeing[:, None] * of_bands,
        psf_shape=shape,
        pixel_sigma=sigma,
        electrons=design.electrons,
        mwebv=mwebv,
        mwebv_catalogued=mwebv * np.maximum(1.0 + _MWEBV_ERROR * generator.normal(size=n), 0.1),
        ra=generator.uniform(west, east, n) % 360.0,
        dec=np.degrees(np.arcsin(sines)),
    )
