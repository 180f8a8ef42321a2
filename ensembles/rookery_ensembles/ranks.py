"""Smooth functions of covariates: polynomials of their ranks among the objects of a fit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.errors import fail

FloatArray = NDArray[np.float64]
Knots = tuple[tuple[float, ...], ...]

DEGREE = 3
_KNOTS = 33


def knots_of(values_nc: FloatArray) -> Knots:
    """Return of each of C covariates increasing values at evenly spaced ranks, 33 at most."""
    levels = np.linspace(0, 1, _KNOTS)
    return tuple(tuple(np.unique(np.quantile(column, levels)).tolist()) for column in values_nc.T)


def rank_polynomials(values_nc: FloatArray, knots: Knots) -> FloatArray:
    """Return (N, 3 C) Legendre polynomials of the ranks from -1 to 1; zeros where all values are one.

    Beyond the range of the fit they stay as at its end. Values must be finite.
    """
    found = np.zeros((len(values_nc), DEGREE * len(knots)))
    for i, points in enumerate(knots):
        if len(points) > 1:
            rank = np.interp(values_nc[:, i], points, np.linspace(-1, 1, len(points)))
            found[:, DEGREE * i : DEGREE * (i + 1)] = np.polynomial.legendre.legvander(rank, DEGREE)[:, 1:]
    return found


def check_knots(names: Sequence[str], knots: Knots, where: str) -> None:
    """Raise InputError unless each covariate has a name of its own, and knots that increase."""
    if len(set(names)) < len(names):
        raise fail(where, f"every covariate must occur once, but found {', '.join(names)}")
    if len(knots) != len(names):
        raise fail(where, f"there must be knots for each of {len(names)} covariates, but found {len(knots)}")
    for name, values in zip(names, knots, strict=True):
        if not np.isfinite(values).all():
            raise fail(f"{where}, knots of {name}", "must be finite numbers")
        if not values or not all(np.diff(values) > 0):
            raise fail(where, f"the knots of {name} must be one or more that increase")


def covariates_to_list(names: Sequence[str], knots: Knots) -> list[dict[str, object]]:
    """Return covariates and their knots as documents hold them."""
    return [{"name": name, "knots": list(values)} for name, values in zip(names, knots, strict=True)]


def read_covariates(fields: Fields) -> tuple[tuple[str, ...], Knots]:
    """Read the key ``covariates`` of a document; raises InputError where it is something else."""
    listed = fields.sections("covariates", ("name", "knots"))
    names = tuple(entry.take("name", str) for entry in listed)
    return names, tuple(entry.take_list("knots", float) for entry in listed)
