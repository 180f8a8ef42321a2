"""Light profiles and PSFs in Fourier space, where convolving is multiplying.

Profiles are known by their transforms F(kappa) of a circular profile of unit flux and unit radius;
an ellipse with shape matrix M (pixels^2) has F(sqrt(k^T M k)).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

SCALE_LENGTHS = 1.67835  # half-light radius of an exponential disk in scale lengths
TRUNCATION = 8.0  # a bulge ends at so many half-light radii, as in SDSS's model fluxes
_SERSIC_B4 = 7.66925  # b_4: radii are half-light radii (of the profile before it is truncated)
_HIGHEST = 16.0  # of sqrt(kappa)
_NODES = 1 << 15

# The PSF: three concentric Gaussians, a core and wings; widths are multiples of the core's sigma.
# Powers of two, so that one exponential serves all three. After the double Gaussian of SDSS's
# photometric pipeline with its outer wing (Stoughton et al. 2002); weights chosen.
PSF_WEIGHTS = (0.80, 0.17, 0.03)
PSF_WIDTHS = (1.0, 2.0, 4.0)


def exponential(kappa_squared: Singles) -> Singles:
    """Return the transform of an exponential disk; kappa in inverse scale lengths."""
    base = 1.0 + kappa_squared
    result: Singles = 1.0 / (base * np.sqrt(base))
    return result


def de_vaucouleurs(kappa_squared: Singles) -> Singles:
    """Return the transform of a Sersic n = 4 bulge, truncated; kappa in inverse half-light radii.

    From a table in sqrt(kappa), its nearest node: within 3e-4 of the integral.
    """
    place = np.sqrt(np.sqrt(kappa_squared))
    place *= np.float32((_NODES - 1) / _HIGHEST)
    place += np.float32(0.5)
    np.minimum(place, np.float32(_NODES - 1), out=place)
    return _bulge_table()[place.astype(np.int32)]


@cache
def _bulge_table() -> Singles:
    """Tabulate the Hankel transform of exp(-b r^(1/4)), r <= 8, at even steps of sqrt(kappa)."""
    from scipy.interpolate import CubicSpline
    from scipy.special import j0

    # Substituting r = s^4 makes the cusp smooth.
    s = np.linspace(0.0, TRUNCATION**0.25, 4001)
    weight = np.exp(-_SERSIC_B4 * s) * 4.0 * s**7
    weight[1:-1] *= np.where(np.arange(1, len(s) - 1) % 2 == 1, 4.0, 2.0)  # Simpson's rule
    coarse = np.linspace(0.0, _HIGHEST, 801)
    values = np.array([weight @ j0(kappa**2 * s**4) for kappa in coarse]) / weight.sum()
    fine = np.linspace(0.0, _HIGHEST, _NODES)
    return CubicSpline(coarse, values)(fine).astype(np.float32)


def psf_transform(quadratic: Singles) -> Singles:
    """Return the PSF's transform; `quadratic` is sigma^2 |k|^2 / 2 of its core."""
    core = np.exp(-quadratic)
    second = core * core
    second *= second  # exp(-4 q)
    third = second * second
    third *= third  # exp(-16 q)
    core *= np.float32(PSF_WEIGHTS[0])
    core += np.float32(PSF_WEIGHTS[1]) * second
    core += np.float32(PSF_WEIGHTS[2]) * third
    return core


@cache
def fwhm_per_sigma() -> float:
    """Return the full width at half maximum of the PSF over the sigma of its core."""
    from scipy.optimize import brentq

    weights, widths = np.array(PSF_WEIGHTS), np.array(PSF_WIDTHS)
    peaks = weights / widths**2

    def excess(radius: float) -> float:
        return float((peaks * np.exp(-0.5 * (radius / widths) ** 2)).sum() - 0.5 * peaks.sum())

    return 2.0 * float(brentq(excess, 0.5, 3.0))


def shape_matrix(radius: Floats, axis_ratio: Floats, angle: Floats) -> Floats:
    """Return (M, 3) elements xx, xy, yy of ellipses: semi-major axis, axis ratio, angle from x."""
    major, minor = radius**2, (radius * axis_ratio) ** 2
    cosine, sine = np.cos(angle), np.sin(angle)
    xx = major * cosine**2 + minor * sine**2
    yy = major * sine**2 + minor * cosine**2
    return np.stack([xx, (major - minor) * cosine * sine, yy], axis=-1)
