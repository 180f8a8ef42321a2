"""The SALT fit of one light curve: redshift, date, x0, x1 and c, with sncosmo's model of the fluxes.

sncosmo's own ``fit_lc`` needs iminuit and takes no prior on the redshift; this is the same sum of
squares, minimised by scipy, with Gaussian priors that keep fits of sparse light curves and of other
types finite.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import sncosmo

Floats = NDArray[np.float64]

PARAMETERS = ("z", "t0", "x0", "x1", "c")
# Twice the spread of x1 and c in samples of Ia: wide beside them, narrow beside what noise can do.
_X1_SIGMA, _C_SIGMA = 2.0, 0.25
_T0_SIGMA_DAYS = 15.0
_X1_BOUND, _C_BOUND = 6.0, 1.5
# Redshifts from which the fit starts where none is given, and the bounds of any fit.
_Z_STARTS = (0.05, 0.15, 0.3, 0.5, 0.75, 1.05)
_Z_LOW, _Z_HIGH = 0.002, 2.0
_MOST_EVALUATIONS = 40


@dataclass(frozen=True)
class Curve:
    """One light curve: (P,) dates, band indices, fluxes and errors (zero point 27.5, AB)."""

    mjd: Floats
    band: NDArray[np.int64]
    """(P,) dates, and indices of bands."""
    flux: Floats
    error: Floats
    """(P,) fluxes and their errors, zero point 27.5 (AB)."""


@dataclass(frozen=True)
class SaltFit:
    """A fit: values and errors of `PARAMETERS`, its chi2 and the points (P,) that it used."""

    values: Floats
    errors: Floats
    chi2: float
    used: NDArray[np.bool_]
    residual: Floats
    """(P,) in units of the errors; NaN where not used."""


def make_model(source: "sncosmo.Source") -> "sncosmo.Model":
    """Return the source in a host at a redshift, behind the Milky Way's dust."""
    import sncosmo

    return sncosmo.Model(source, effects=[sncosmo.F99Dust()], effect_names=["mw"], effect_frames=["obs"])


def fit_salt(
    model: "sncosmo.Model",
    bands: NDArray[Any],
    curve: Curve,
    *,
    zero_point: float,
    t0: float,
    z: float,
    z_error: float,
) -> SaltFit | None:
    """Fit a light curve; None where no point lies within the model, or every start fails.

    Parameters
    ----------
    model
        From :func:`make_model`, with ``mwebv`` set.
    bands
        (B,) sncosmo bandpasses by band index.
    t0
        Date from which to start.
    z, z_error
        Redshift and error of its prior; NaN: unknown, and the fit starts from several.
    """
    starts = [float(np.clip(z, _Z_LOW, _Z_HIGH))] if np.isfinite(z) else list(_Z_STARTS)
    error = z_error if np.isfinite(z) else np.inf
    best: tuple[float, SaltFit] | None = None
    for start in starts:
        problem = _Problem.make(model, bands, curve, zero_point, t0, start, error)
        if problem is None:
            continue
        cost, fit = problem.solve()
        # What a start cannot use counts as what a good fit would leave: one per point.
        cost += float((~fit.used).sum())
        if np.isfinite(cost) and (best is None or cost < best[0]):
            best = cost, fit
    return None if best is None else best[1]


@dataclass
class _Problem:
    """One start of a fit: the points within the model there, and the bounds that keep them within."""

    model: "sncosmo.Model"
    bands: NDArray[Any]
    curve: Curve
    used: NDArray[np.bool_]
    zero_point: float
    start: Floats
    z_bounds: tuple[float, float]
    z_error: float
    scale: float = 1.0
    variance: Floats | float = 0.0

    @classmethod
    def make(
        cls,
        model: "sncosmo.Model",
        bands: NDArray[Any],
        curve: Curve,
        zero_point: float,
        t0: float,
        z: float,
        z_error: float,
    ) -> "_Problem | None":
        wave = model.source.minwave(), model.source.maxwave()
        # The band is within the model between these redshifts.
        low = np.array([band.maxwave() / wave[1] - 1.0 for band in bands])
        high = np.array([band.minwave() / wave[0] - 1.0 for band in bands])
        within = (low < z) & (z < high)
        # After its last phase the model says nothing; before its first there is no light.
        last = t0 + model.source.maxphase() * (1.0 + z)
        used = within[curve.band] & (curve.mjd <= last)
        if not used.any():
            return None
        seen = np.unique(curve.band[used])
        bounds = max(_Z_LOW, float(low[seen].max()) + 1e-6), min(_Z_HIGH, float(high[seen].min()) - 1e-6)
        if not bounds[0] < z < bounds[1]:
            return None
        start = np.array([z, t0, 0.0, 0.0, 0.0])
        return cls(model, bands, curve, used, zero_point, start, bounds, z_error)

    def solve(self) -> tuple[float, SaltFit]:
        """Fit, then fit again with the model's own error there; return the cost and the fit."""
        from scipy.optimize import least_squares

        self.scale = self._amplitude()
        x = self.start.copy()
        x[2] = 1.0
        low = np.array([self.z_bounds[0], x[1] - 60.0, 0.0, -_X1_BOUND, -_C_BOUND])
        high = np.array([self.z_bounds[1], x[1] + 60.0, np.inf, _X1_BOUND, _C_BOUND])
        for _ in range(2):
            found = least_squares(
                self._residuals,
                np.clip(x, low + 1e-9, high - 1e-9),
                bounds=(low, high),
                x_scale=np.array([0.05, 2.0, 0.3, 1.0, 0.1]),
                max_nfev=_MOST_EVALUATIONS,
                ftol=1e-4,
                xtol=1e-4,
                gtol=1e-6,
            )
            x = found.x
            last, self.variance = self.variance, self._model_variance(x)
            if np.all(np.asarray(self.variance) == np.asarray(last)):
                break
        count = int(self.used.sum())
        residual = np.full(len(self.used), np.nan)
        residual[self.used] = found.fun[:count]
        precision = found.jac.T @ found.jac
        errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(precision, hermitian=True)), 0.0))
        unit = np.array([1.0, 1.0, self.scale, 1.0, 1.0])
        chi2 = float(np.square(found.fun[:count]).sum())
        return 2.0 * float(found.cost), SaltFit(x * unit, errors * unit, chi2, self.used, residual)

    def _residuals(self, x: Floats) -> Floats:
        """Return residuals of the points used, then of the priors; `x` has x0 in units of the scale."""
        error = np.sqrt(self.curve.error[self.used] ** 2 + self.variance)
        points = (self.curve.flux[self.used] - self._fluxes(x)) / error
        priors = [(x[1] - self.start[1]) / _T0_SIGMA_DAYS, x[3] / _X1_SIGMA, x[4] / _C_SIGMA]
        return np.concatenate([points, priors, [(x[0] - self.start[0]) / self.z_error]])

    def _set(self, x: Floats) -> tuple[Any, Floats]:
        self.model.update({"z": x[0], "t0": x[1], "x0": x[2] * self.scale, "x1": x[3], "c": x[4]})
        return self.bands[self.curve.band[self.used]], self.curve.mjd[self.used]

    def _fluxes(self, x: Floats) -> Floats:
        bands, mjd = self._set(x)
        return np.asarray(self.model.bandflux(bands, mjd, zp=self.zero_point, zpsys="ab"), dtype=np.float64)

    def _model_variance(self, x: Floats) -> Floats:
        """Return the (used,) variances of the model itself, as sncosmo gives them."""
        bands, mjd = self._set(x)
        _, covariance = self.model.bandfluxcov(bands, mjd, zp=self.zero_point, zpsys="ab")
        variance = np.diag(covariance)
        # Never so large that a point means nothing: the fluxes before the first phase have none.
        return np.where(np.isfinite(variance), np.clip(variance, 0.0, self._fluxes(x) ** 2), 0.0)

    def _amplitude(self) -> float:
        """Return the x0 that fits best with x1 and c of 0, or a faint one where that is not positive."""
        unit = self._fluxes(np.array([self.start[0], self.start[1], 1.0, 0.0, 0.0]))
        weight = self.curve.error[self.used] ** -2
        bottom = float((unit**2 * weight).sum())
        if bottom <= 0:
            return 1e-5
        best = float((unit * weight * self.curve.flux[self.used]).sum()) / bottom
        return max(best, 0.1 / np.sqrt(bottom))
