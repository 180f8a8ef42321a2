"""Light curves read from SNANA files -> the tables of a survey, truth kept apart from covariates."""

import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.bands import wavelength_order
from rookery.surveys.readers.light_curves._snana_text import UNDEFINED, LightCurve
from rookery.surveys.readers.light_curves._types import type_of
from rookery_ensembles.errors import fail

# SNTYPE as in the README of the Supernova Photometric Classification Challenge's files ("Tags for
# GENTYPE & SNTYPE"); codes of 0 and below mean that nobody has typed the object.
DEFAULT_TYPES: Mapping[str, str] = {
    "1": "Ia", "2": "II", "3": "Ibc", "21": "IIn", "22": "IIP", "23": "IIL", "32": "Ib", "33": "Ic",
}  # fmt: skip
SIMULATED_REDSHIFTS = ("SIM_REDSHIFT_HELIO", "SIM_REDSHIFT", "SIM_REDSHIFT_CMB")
MEASURED_REDSHIFTS = ("REDSHIFT_HELIO", "REDSHIFT_FINAL", "REDSHIFT_CMB")
_PHOTO_Z = ("HOST_GALAXY_PHOTO-Z", "HOSTGAL_PHOTOZ")
# Fluxes called FLUXCAL have zero point 27.5. Columns ZEROPT and ZPT are those of the images.
FLUX_ZERO_POINTS = ("ZP_FLUXCAL", "FLUXCAL_ZP", "ZPFLUX", "ZP_FLUX", "ZP", "ZERO_POINT", "ZEROPOINT")
HEADER_ZERO_POINTS = (*FLUX_ZERO_POINTS, "ZEROPT", "ZPT")
# What a network may see, and the keys that tell it.
COVARIATES: Mapping[str, tuple[str, ...]] = {
    "ra": ("RA",),
    "dec": ("DECL", "DEC"),
    "mwebv": ("MWEBV",),
    "host_photo_z": _PHOTO_Z,
    "host_photo_z_err": tuple(f"{key}_ERR" for key in _PHOTO_Z),
}
# Keys beside SIM_* that tell what only a spectrograph or a fit of the whole light curve knows.
_TRUTH_KEYS = {
    "SNTYPE",
    "SEARCH_TYPE",
    "SEARCH_PEAKMJD",
    "PEAKMJD",
    "REDSHIFT_HELIO",
    "REDSHIFT_FINAL",
    "REDSHIFT_CMB",
    "REDSHIFT_SPEC",
    "HOSTGAL_SPECZ",
}
# The number of the template behind a simulated object that is no Ia; 0 and below, and -9, mean none.
_TEMPLATE_KEYS = ("sim_template_index", "sim_non1a")
_SIMULATED_TYPE = re.compile(r"SN Type\s*=\s*([^\s,]+)")


def is_truth(key: str) -> bool:
    """Say whether a key or column tells what no network may see."""
    return key.upper().startswith("SIM_") or key.upper() in _TRUTH_KEYS


def object_type(curve: LightCurve, type_map: Mapping[str, str], type_column: str | None = None) -> str | None:
    """Return the type under `type_column`; without it that of SIM_COMMENT, SIM_TYPE_NAME or SNTYPE, or None.

    Raises
    ------
    InputError
        When the file lacks `type_column`, or a label is a positive code that `type_map` lacks.
    """
    if type_column is not None and type_column not in curve.header:
        raise fail(curve.where, f"must have the key {type_column!r}, which is to tell the type")
    _, comment = curve.header.get("SIM_COMMENT", (0, ""))
    if type_column is None and (found := _SIMULATED_TYPE.search(comment)):
        return found.group(1)
    for key in (type_column,) if type_column else ("SIM_TYPE_NAME", "SNTYPE"):
        line, text = curve.header.get(key, (0, ""))
        label = text.split()[0] if text.split() else ""
        if key == "SNTYPE":
            curve.number(key)
        kind, wrong = type_of(label, type_map)
        if wrong is not None:
            raise fail(f"{curve.where}, line {line}", f"{key} {wrong}")
        if kind is not None:
            return kind
    return None


def redshift_keys(known: Container[str]) -> tuple[str, ...]:
    """Return the keys, or columns, that tell the true redshift: simulated, else spectroscopic.

    Where a file has REDSHIFT_SPEC, its REDSHIFT_HELIO and _FINAL hold the host's photometric
    redshift for objects without a spectrum, so they count only in files that lack that key.
    """
    if any(key in known for key in SIMULATED_REDSHIFTS):
        return SIMULATED_REDSHIFTS
    return ("REDSHIFT_SPEC",) if "REDSHIFT_SPEC" in known else MEASURED_REDSHIFTS


def redshift(curve: LightCurve) -> float:
    """Return the true redshift that a file tells, or NaN."""
    return curve.number(*redshift_keys(curve.header))


def undefined_of(covariate: str) -> float | None:
    """Return the number that means "unknown" in a covariate; -9 degrees are a declination like any other."""
    return None if covariate == "dec" else UNDEFINED


def objects_table(
    curves: Sequence[LightCurve], names: Sequence[str], types: Sequence[str | None]
) -> pd.DataFrame:
    """Return identity, truth and covariates; a covariate that no file has is left out."""
    columns = {
        name: [curve.number(*keys, undefined=undefined_of(name)) for curve in curves]
        for name, keys in COVARIATES.items()
    }
    # In a header the error stands behind the value: "0.3276 +- 0.0334".
    columns["host_photo_z_err"] = [curve.error_of(*_PHOTO_Z) for curve in curves]
    covariates = pd.DataFrame(columns, dtype=np.float64).dropna(axis="columns", how="all")
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
    return wavelength_order(name for curve in curves for name in (*curve.declared_bands, *set(curve.band)))


def truth_table(curves: Sequence[LightCurve]) -> pd.DataFrame:
    """Return every ``SIM_*`` key and what else is truth, lower-case, one column per number.

    A key with a number per band becomes a column per band; a column in which any object has
    text is text.
    """
    table = pd.DataFrame([_truth_row(curve) for curve in curves])
    for name in table.columns:
        if table[name].dtype == object or pd.api.types.is_string_dtype(table[name]):
            table[name] = [None if value is None or value != value else str(value) for value in table[name]]
    return with_template(table)


def with_template(truth: pd.DataFrame) -> pd.DataFrame:
    """Add `template`, SNANA's template number and missing where there is none, to a truth table.

    It is there to keep objects of one template on one side of a split (``--groups template``).
    """
    found = [name for name in _TEMPLATE_KEYS if name in truth.columns]
    if not found:
        return truth
    number = pd.to_numeric(truth[found[0]], errors="coerce").astype(np.float64)
    return truth.assign(template=number.where(number > 0))


def _truth_row(curve: LightCurve) -> dict[str, Any]:
    row: dict[str, Any] = {"object_id": curve.object_id}
    for key, (_, text) in curve.header.items():
        if not is_truth(key):
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


def check_zero_points(name: str, values: NDArray[np.generic], where: str | Path) -> None:
    """Refuse zero points that differ among themselves or from 27.5."""
    numbers = pd.to_numeric(pd.Series(values), errors="coerce").dropna()
    found = numbers[numbers > 0].unique()
    hint = "convert them first, or read the rows with `rookery ingest table` and --column zero_point=..."
    if len(found) > 1:
        rule = f"fluxes must have one zero point, but {name} holds {found[0]} and {found[1]}"
        raise fail(where, f"{rule} (mixed zero points): {hint}")
    if len(found) and abs(found[0] - 27.5) > 1e-3:
        raise fail(where, f"FLUXCAL has zero point 27.5, but {name} is {found[0]}: {hint}")
