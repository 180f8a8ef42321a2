"""SALT fits of a block of light curves, and the features that they give."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._bazin import fit_bazin
from rookery.baselines._padding import Padded
from rookery.baselines._salt2_fit import PARAMETERS, Curve, SaltFit, fit_salt, make_model
from rookery.baselines._salt2_model import load_filter, load_source

Floats = NDArray[np.float64]

_FITTED = tuple(name for name in PARAMETERS if name not in ("t0", "x0"))
_OF_OBJECT = ("log_x0", "x0_snr", "chi2_dof", "points_used", "points", "max_snr", "days_before", "days_after")


@dataclass(frozen=True)
class SaltBlock:
    """A block of n light curves, with (n,) redshifts (NaN: unknown), their errors, and Galactic E(B-V)."""

    curves: Padded
    """The n light curves."""
    z: Floats
    z_error: Floats
    """(n,) redshifts, NaN where unknown, and their errors."""
    mwebv: Floats
    """(n,) Galactic E(B-V)."""


def salt_feature_names(bands: tuple[str, ...]) -> list[str]:
    """Return the names of the columns of :func:`fit_block`."""
    names = [*_OF_OBJECT, *_FITTED, "t0_error", *(f"{name}_error" for name in _FITTED)]
    return [*names, *(f"chi2_point_{band}" for band in bands), *(f"max_snr_{band}" for band in bands)]


def fit_block(
    block: SaltBlock, model: str, filters: tuple[str, ...], zero_point: float
) -> tuple[Floats, int]:
    """Return (n, F) features, NaN where a fit failed, and how many did.

    `model` is the folder of the model's files and `filters` speclite's filter of every band.
    """
    bands = np.array([load_filter(name) for name in filters], dtype=object)
    salt = make_model(load_source(model))
    curves = block.curves
    # The peak of the parametric fit is where a SALT fit begins; the observations' own where that failed.
    shape = fit_bazin(curves, len(filters))
    inside = np.where(curves.present, curves.mjd, np.nan)
    first, last = np.nanmin(inside, axis=1), np.nanmax(inside, axis=1)
    t0 = np.clip(np.nan_to_num(shape.shared.parameters[:, 0]) + shape.origin, first - 20.0, last)
    names = salt_feature_names(filters)
    features = np.full((len(t0), len(names)), np.nan)
    failed = 0
    for i, present in enumerate(curves.present):
        error = 1.0 / curves.weight[i, present]
        curve = Curve(curves.mjd[i, present], curves.band[i, present], curves.flux[i, present], error)
        salt.set(mwebv=block.mwebv[i])
        try:
            fit = fit_salt(
                salt,
                bands,
                curve,
                zero_point=zero_point,
                t0=float(t0[i]),
                z=float(block.z[i]),
                z_error=float(block.z_error[i]),
            )
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            fit = None
        failed += fit is None
        found = _points(curve, filters) | ({} if fit is None else _fitted(curve, fit, filters))
        features[i] = [found.get(name, np.nan) for name in names]
    return features, failed


def _points(curve: Curve, bands: tuple[str, ...]) -> dict[str, float]:
    """Return the features that need no fit."""
    snr = curve.flux / curve.error
    found = {"points": float(len(snr)), "max_snr": float(snr.max())}
    for index in np.unique(curve.band):
        found[f"max_snr_{bands[index]}"] = float(snr[curve.band == index].max())
    return found


def _fitted(curve: Curve, fit: SaltFit, bands: tuple[str, ...]) -> dict[str, float]:
    """Return the features of a fit; those that are undefined are left out."""
    values = dict(zip(PARAMETERS, fit.values.tolist(), strict=True))
    errors = dict(zip(PARAMETERS, fit.errors.tolist(), strict=True))
    found = {name: values[name] for name in _FITTED}
    found |= {f"{name}_error": errors[name] for name in ("t0", *_FITTED)}
    found["points_used"] = float(fit.used.sum())
    found["days_before"] = values["t0"] - float(curve.mjd.min())
    found["days_after"] = float(curve.mjd.max()) - values["t0"]
    if values["x0"] > 0:
        found["log_x0"] = float(np.log10(values["x0"]))
    if errors["x0"] > 0:
        found["x0_snr"] = values["x0"] / errors["x0"]
    degrees = int(fit.used.sum()) - len(PARAMETERS)
    if degrees > 0:
        found["chi2_dof"] = fit.chi2 / degrees
    for index in np.unique(curve.band[fit.used]):
        residual = fit.residual[(curve.band == index) & fit.used]
        found[f"chi2_point_{bands[index]}"] = float(np.square(residual).mean())
    return found
