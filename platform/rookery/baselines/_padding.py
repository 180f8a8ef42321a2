"""Light curves of different lengths as rectangles, and blocks of objects to share work by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.store import Survey

_MAX_OBJECTS = 400
_MAX_CELLS = 60_000


@dataclass(frozen=True)
class Padded:
    """n light curves as rows of P cells."""

    mjd: NDArray[np.float64]
    band: NDArray[np.int64]
    """(n, P) index of the band."""
    flux: NDArray[np.float64]
    """(n, P) dates in days and fluxes; anything finite where nothing was observed."""
    weight: NDArray[np.float64]
    """(n, P) inverse of the flux's error; 0 where nothing was observed."""
    present: NDArray[np.bool_]
    """(n, P) whether there is an observation."""


def block_rows(survey: Survey) -> list[NDArray[np.int64]]:
    """Return the rows of the object table in blocks of objects of similar length.

    The blocks depend on the survey alone, so that results do not depend on who works on them.
    """
    lengths = np.diff(survey.observation_arrays().offsets)
    order = np.argsort(lengths, kind="stable")[::-1]
    found, first = [], 0
    while first < len(order):
        size = max(1, min(_MAX_OBJECTS, _MAX_CELLS // int(lengths[order[first]])))
        found.append(order[first : first + size])
        first += size
    return found


def block_curves(survey: Survey, rows: NDArray[np.int64]) -> Padded:
    """Return the light curves of a block's objects."""
    observed = survey.observation_arrays()
    lengths = np.diff(observed.offsets)[rows]
    within = np.arange(int(lengths.max()))
    present = within < lengths[:, None]
    index = np.where(present, observed.offsets[rows][:, None] + within, observed.offsets[rows][:, None])
    weight = np.where(present, 1.0 / observed.flux_err[index].astype(np.float64), 0.0)
    flux = np.where(present, observed.flux[index], 0.0).astype(np.float64)
    band = np.where(present, observed.band_index[index], 0).astype(np.int64)
    return Padded(observed.mjd[index], band, flux, weight, present)


def by_band(curves: Padded, n_bands: int) -> Padded:
    """Return n B light curves of one band each, object by object."""
    counts = np.stack([((curves.band == b) & curves.present).sum(axis=1) for b in range(n_bands)], axis=1)
    width = max(1, int(counts.max()))
    shape = (len(curves.mjd) * n_bands, width)
    owner, column = np.nonzero(curves.present)
    target = owner * n_bands + curves.band[owner, column]
    by_target = np.argsort(target, kind="stable")
    owner, column, target = owner[by_target], column[by_target], target[by_target]
    starts = np.cumsum(counts.ravel()) - counts.ravel()
    within = np.arange(len(target)) - starts[target]
    tables = {}
    for name in ("mjd", "flux", "weight", "present"):
        source = getattr(curves, name)
        tables[name] = np.zeros(shape, source.dtype)
        tables[name][target, within] = source[owner, column]
    band = np.broadcast_to(np.tile(np.arange(n_bands), len(curves.mjd))[:, None], shape)
    return Padded(tables["mjd"], band, tables["flux"], tables["weight"], tables["present"])
