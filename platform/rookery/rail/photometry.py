"""RAIL's tables of magnitudes as catalogues of ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ceci.config import StageParameter
from numpy.typing import NDArray
from rail.core.common_params import SharedParams

from rookery.surveys import Survey, new_galaxy_survey, open_survey
from rookery_ensembles.errors import fail

FloatArray = NDArray[np.float64]


def photometry_options() -> dict[str, Any]:
    """Return the options that say how the table's columns are read: RAIL's own, and `band_names`."""
    shared = ("bands", "err_bands", "mag_limits", "nondetect_val", "nonobserved_val", "redshift_col")
    return {
        **{name: SharedParams.copy_param(name) for name in shared},
        "band_names": StageParameter(
            list,
            [],
            msg="Names of the bands in the networks' bundle, in the order of `bands`; by default what stands "
            "between `mag_` and the next `_` (mag_u_lsst: u)",
        ),
    }


def column(table: Any, name: str, where: str) -> NDArray[Any]:
    """Return a column of a table of any kind that RAIL reads; InputError where it has none."""
    try:
        return np.asarray(table[name])
    except (KeyError, ValueError) as error:
        keys = getattr(table, "column_names", None) or list(getattr(table, "keys", list)())
        told = ", ".join(map(str, keys))
        raise fail(where, f"must have a column `{name}`, but has {told}") from error


def group_of(data: Any, name: str | None, where: str) -> Any:
    """Return the table of a group of `hdf5_groupname`; the data themselves where none is named."""
    if not name:
        return data
    try:
        return data[name]
    except KeyError as error:
        rule = f"must have the group {name!r} (`hdf5_groupname`), but has {', '.join(map(str, data))}"
        raise fail(where, f"{rule}; a table without groups needs hdf5_groupname=''") from error


def band_names(config: Any, where: str) -> list[str]:
    """Return the bands' names in a survey of ours, in the order of the option `bands`."""
    columns, given = list(config.bands), list(config.band_names)
    names = given or [name.removeprefix("mag_").split("_")[0] for name in columns]
    if len(names) != len(columns) or len(set(names)) < len(names) or not all(names):
        rule = f"the {len(columns)} columns of `bands` need as many different names"
        raise fail(where, f"{rule}, but they are {', '.join(names)}: name them in `band_names`")
    if config.err_bands and len(config.err_bands) != len(columns):
        raise fail(where, f"`err_bands` must name {len(columns)} columns, but names {len(config.err_bands)}")
    return names


def magnitudes(table: Any, config: Any, where: str) -> dict[str, FloatArray]:
    """Return columns ``mag_BAND`` and ``mag_err_BAND``, (N,), NaN where unknown.

    Notes
    -----
    RAIL's conventions: an undetected object (`nondetect_val`, NaN included where this is NaN) gets the
    band's limit of `mag_limits`, as in RAIL's own estimators, and no error; where there is no limit, and
    where nothing was observed (`nonobserved_val`, NaN), the magnitude is missing.
    """
    found: dict[str, FloatArray] = {}
    limits: Mapping[str, float] = config.mag_limits
    for number, name in enumerate(band_names(config, where)):
        source = config.bands[number]
        value = column(table, source, where).astype(np.float64)
        undetected = _equal(value, config.nondetect_val)
        known = np.isfinite(value) & ~undetected & ~_equal(value, config.nonobserved_val)
        limit = limits.get(source, np.nan)
        found[f"mag_{name}"] = np.where(undetected, limit, np.where(known, value, np.nan))
        if config.err_bands:
            error = column(table, config.err_bands[number], where).astype(np.float64)
            usable = known & np.isfinite(error) & (error > 0)
            found[f"mag_err_{name}"] = np.where(usable, error, np.nan)
    return found


def _equal(values: FloatArray, mark: float) -> NDArray[np.bool_]:
    """Return where values are a mark, as RAIL tells: close to it, or NaN where it is."""
    return np.isnan(values) if np.isnan(mark) else np.isclose(values, mark)


def write_catalogue(
    table: Any, config: Any, out: Path, where: str, redshift: FloatArray | None = None
) -> Survey:
    """Write a table as a survey store of galaxies, whose objects are called by their row.

    Parameters
    ----------
    redshift
        (N,) where they are known.

    Raises
    ------
    InputError
        When the table lacks a column.
    """
    columns = magnitudes(table, config, where)
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"object_id": np.arange(n).astype(str), **columns})
    if redshift is not None:
        frame["redshift"] = redshift
    with new_galaxy_survey(out, name="rail", bands=band_names(config, where)) as writer:
        writer.finish(objects=frame, provenance={"reader": "rail"})
    return open_survey(out, verify=False)
