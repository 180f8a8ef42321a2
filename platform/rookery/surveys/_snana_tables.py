"""Light curves read from SNANA files -> the tables of a survey, truth kept apart from covariates."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rookery.surveys._snana_text import LightCurve
from rookery_ensembles.errors import fail

# SNTYPE as in the README of the Supernova Photometric Classification Challenge's files ("Tags for
# GENTYPE & SNTYPE"); codes of 0 and below mean that nobody has typed the object.
DEFAULT_TYPES: Mapping[int, str] = {
    1: "Ia", 2: "II", 3: "Ibc", 21: "IIn", 22: "IIP", 23: "IIL", 32: "Ib", 33: "Ic",
}  # fmt: skip
# Keys beside SIM_* that tell what only a spectrograph or a fit of the whole light curve knows.
_TRUTH_KEYS = {
    "SNTYPE",
    "SEARCH_PEAKMJD",
    "PEAKMJD",
    "REDSHIFT_HELIO",
    "REDSHIFT_FINAL",
    "REDSHIFT_CMB",
    "REDSHIFT_SPEC",
}
_SIMULATED_TYPE = re.compile(r"SN Type\s*=\s*([^\s,]+)")
_WAVELENGTH_ORDER = "uUBVgGrRiIzZyYJHK"


def object_type(curve: LightCurve, type_map: Mapping[int, str]) -> str | None:
    """Return the type that SIM_COMMENT tells, else that of SNTYPE, else None.

    Raises
    ------
    InputError
        When SNTYPE is a positive code that `type_map` lacks.
    """
    line, comment = curve.header.get("SIM_COMMENT", (0, ""))
    if found := _SIMULATED_TYPE.search(comment):
        return found.group(1)
    code = curve.number("SNTYPE", undefined=None)
    if math.isnan(code) or code <= 0:
        return None
    if code not in type_map:
        line, text = curve.header["SNTYPE"]
        known = ", ".join(f"{number} ({name})" for number, name in type_map.items())
        raise fail(
            f"{curve.where}, line {line}",
            f"SNTYPE must be one of {known}, but is {text}; extend the type map",
        )
    return type_map[int(code)]


def redshift(curve: LightCurve) -> float:
    """Return the true redshift: simulated, else spectroscopic, else NaN.

    Where a file has REDSHIFT_SPEC, its REDSHIFT_HELIO and _FINAL hold the host's photometric
    redshift for objects without a spectrum, so they count only in files that lack that key.
    """
    if "SIM_REDSHIFT" in curve.header or "SIM_REDSHIFT_HELIO" in curve.header:
        return curve.number("SIM_REDSHIFT_HELIO", "SIM_REDSHIFT")
    if "REDSHIFT_SPEC" in curve.header:
        return curve.number("REDSHIFT_SPEC")
    return curve.number("REDSHIFT_HELIO", "REDSHIFT_FINAL", "REDSHIFT_CMB")


def objects_table(
    curves: Sequence[LightCurve], names: Sequence[str], types: Sequence[str | None]
) -> pd.DataFrame:
    """Return identity, truth and covariates; a covariate that no file has is left out."""
    photo_z = ("HOST_GALAXY_PHOTO-Z", "HOSTGAL_PHOTOZ")
    covariates = pd.DataFrame(
        {
            "ra": [curve.number("RA") for curve in curves],
            # -9 degrees is a declination like any other.
            "dec": [curve.number("DECL", "DEC", undefined=None) for curve in curves],
            "mwebv": [curve.number("MWEBV") for curve in curves],
            "host_photo_z": [curve.number(*photo_z) for curve in curves],
            "host_photo_z_err": [curve.error_of(*photo_z) for curve in curves],
        },
        dtype=np.float64,
    ).dropna(axis="columns", how="all")
    identity = {
        "object_id": [curve.object_id for curve in curves],
        "type": np.array(types, dtype=object),
        "redshift": [redshift(curve) for curve in curves],
        "source_file": list(names),
    }
    return pd.concat([pd.DataFrame(identity), covariates], axis="columns")


def observations_table(curves: Sequence[LightCurve]) -> pd.DataFrame:
    """Return the long table of all observations; `SIM_MAG` and other columns are left behind."""
    owner = np.repeat(np.arange(len(curves)), [len(curve.mjd) for curve in curves])
    band = pd.Categorical([name for curve in curves for name in curve.band])
    return pd.DataFrame(
        {
            "object_id": pd.Categorical.from_codes(
                owner, categories=pd.Index([curve.object_id for curve in curves])
            ),
            "mjd": np.concatenate([curve.mjd for curve in curves]),
            "band": band,
            "flux": np.concatenate([curve.flux for curve in curves]),
            "flux_err": np.concatenate([curve.flux_err for curve in curves]),
        }
    )


def bands_of(curves: Sequence[LightCurve]) -> list[str]:
    """Return all declared or observed bands: known letters by wavelength, then others by name."""
    names = {name for curve in curves for name in (*curve.declared_bands, *set(curve.band))}
    known = [name for name in _WAVELENGTH_ORDER if name in names]
    return known + sorted(names - set(known))


def truth_table(curves: Sequence[LightCurve]) -> pd.DataFrame:
    """Return every ``SIM_*`` key and what else is truth, lower-case, one column per number.

    A key with a number per band becomes a column per band; a column in which any object has
    text is text.
    """
    table = pd.DataFrame([_truth_row(curve) for curve in curves])
    for name in table.columns:
        if table[name].dtype == object or pd.api.types.is_string_dtype(table[name]):
            table[name] = [None if value is None or value != value else str(value) for value in table[name]]
    return table


def _truth_row(curve: LightCurve) -> dict[str, Any]:
    row: dict[str, Any] = {"object_id": curve.object_id}
    for key, (_, text) in curve.header.items():
        if not (key.startswith("SIM_") or key in _TRUTH_KEYS):
            continue
        # "41.4836  mag   [ -5*log10(10pc/dL) ]" and "23.07 22.27  (gr obs)": comments follow the values.
        values = re.split(r"[(\[]|\+-", text)[0].split()
        numbers = _leading_numbers(values)
        if len(numbers) == 1:
            row[key.lower()] = numbers[0]
        elif numbers and len(numbers) == len(curve.declared_bands):
            row |= {
                f"{key.lower()}_{band}": number
                for band, number in zip(curve.declared_bands, numbers, strict=True)
            }
        else:
            row[key.lower()] = " ".join(values)
    return row


def _leading_numbers(values: list[str]) -> list[float]:
    numbers = []
    for value in values:
        if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value):
            break
        numbers.append(float(value))
    return numbers
