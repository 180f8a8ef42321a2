"""One SNANA ascii file -> one light curve, or an error that names file and line.

The format (Kessler et al. 2009, PASP 121, 1028; the SNANA manual's "TEXT" format): a header of
``KEY: value`` lines, a ``VARLIST:`` with the columns, ``OBS:`` rows, and ``END:``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.bands import BandAliases
from rookery.surveys.ingest import Faults
from rookery_ensembles.errors import fail

_MARKS = re.compile(rb"^[ \t]*(?:SNID|VARLIST|OBS):", re.MULTILINE)
_ENDS = ("END:", "END_PHOTOMETRY:")
# SNANA writes -9 for "undefined": a row with both flux and error -9 holds no measurement.
UNDEFINED = -9.0


@dataclass(frozen=True)
class LightCurve:
    """One object's file."""

    object_id: str
    """The SNID as written."""
    where: str
    """The file, for messages."""
    header: Mapping[str, tuple[int, str]]
    """Key (without its colon) -> line number and text after the colon."""
    declared_bands: tuple[str, ...]
    """Bands of the ``FILTERS:`` line, empty where there is none; aliases applied."""
    mjd: NDArray[np.float64]
    band: list[str]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    """Columns of equal length, in the file's order; bands with aliases applied."""
    n_undefined: int
    """Rows left out because flux and error are SNANA's "undefined"."""

    def number(self, *keys: str, undefined: float | None = UNDEFINED) -> float:
        """Return the first of `keys` that the header has, or NaN where none is there or it is undefined."""
        for key in keys:
            if key in self.header:
                line, text = self.header[key]
                value = _float(text.split()[0] if text.split() else "", f"{self.where}, line {line}", key)
                return float("nan") if value == undefined else value
        return float("nan")

    def error_of(self, *keys: str) -> float:
        """Return the number after ``+-`` of the first of `keys` present, NaN where there is none."""
        for key in keys:
            if key in self.header:
                line, text = self.header[key]
                _, sign, rest = text.partition("+-")
                value = (
                    _float(rest.split()[0], f"{self.where}, line {line}", key)
                    if sign and rest.split()
                    else UNDEFINED
                )
                return value if value > 0 else float("nan")
        return float("nan")


@dataclass
class _Scan:
    header: dict[str, tuple[int, str]]
    rows: list[list[str]]
    row_lines: list[int]
    n_lines: int
    ended: bool


def looks_like_light_curve(head: bytes) -> bool:
    """Say whether the start of a file has one of SNANA's light-curve keys; others are lists, READMEs, ..."""
    return _MARKS.search(head) is not None


def parse_light_curve(
    text: str, where: str, band_aliases: Mapping[str, str], faults: Faults | None = None
) -> LightCurve:
    """Read one file.

    Parameters
    ----------
    text
        The whole file.
    where
        Its name, for messages.
    band_aliases
        Band as written -> band in the survey; see :class:`rookery.surveys.bands.BandAliases`.
    faults
        Where broken rows are counted that are to be left out; by default they are refused.

    Raises
    ------
    InputError
        When the file is empty, truncated, lacks a key or column, or a row breaks a rule.
    """
    if not text.strip():
        raise fail(where, "is empty")
    scan = _scan(text)
    _check_whole(scan, where)
    columns = _column_indices(scan.header, where)
    _check_widths(scan, where)
    mjd, flux, flux_err = (
        _column(scan, columns[name], name, where) for name in ("MJD", "FLUXCAL", "FLUXCALERR")
    )
    defined = ~((flux == UNDEFINED) & (flux_err == UNDEFINED))
    defined = _good_rows(scan, mjd, flux, flux_err, defined, where, faults)
    n_undefined = int(((flux == UNDEFINED) & (flux_err == UNDEFINED)).sum())
    aliases = band_aliases if isinstance(band_aliases, BandAliases) else BandAliases(band_aliases)
    declared = aliases.declared(scan.header.get("FILTERS", (0, ""))[1])
    band = [aliases[row[columns["BAND"]]] for row in scan.rows]
    if declared and (unknown := set(band) - set(declared)):
        row = next(index for index, name in enumerate(band) if name in unknown)
        rule = f"unknown band {band[row]!r}: FILTERS names {', '.join(declared)}"
        raise fail(f"{where}, line {scan.row_lines[row]}", rule)
    if not defined.all():
        band = [name for name, keep in zip(band, defined, strict=True) if keep]
    return LightCurve(
        _required(scan.header, "SNID", where),
        where, scan.header, declared, mjd[defined], band, flux[defined], flux_err[defined],
        n_undefined,
    )  # fmt: skip


def _scan(text: str) -> _Scan:
    scan = _Scan({}, [], [], 0, False)
    for number, line in enumerate(text.splitlines(), 1):
        scan.n_lines = number
        fields = line.split()
        if not fields:
            continue
        key = fields[0]
        if key == "OBS:":
            scan.rows.append(fields[1:])
            scan.row_lines.append(number)
        elif key in _ENDS:
            scan.ended = True
            break
        elif key.endswith(":") and not key.startswith("#"):
            scan.header.setdefault(key[:-1], (number, line.split(":", 1)[1].strip()))
    return scan


def _required(header: Mapping[str, tuple[int, str]], key: str, where: str) -> str:
    if key not in header:
        raise fail(where, f"must have a `{key}:` line, but has none")
    line, text = header[key]
    if not text:
        raise fail(f"{where}, line {line}", f"`{key}:` must have a value")
    return text.split()[0]


def _check_whole(scan: _Scan, where: str) -> None:
    here = f"{where}, line {scan.n_lines}"
    if not scan.ended:
        announced = scan.header.get("NOBS", (0, ""))[1].split()
        of = f" of {announced[0]}" if announced else ""
        raise fail(
            here,
            f"is truncated: the file must close with `END:`, but stops after {len(scan.rows)}{of} OBS rows",
        )
    promised = None
    if "NOBS" in scan.header:
        line = f"{where}, line {scan.header['NOBS'][0]}"
        promised = _float(_required(scan.header, "NOBS", where), line, "NOBS")
        if not promised.is_integer():
            raise fail(line, f"NOBS must be a whole number, but is {promised:g}")
    if promised is not None and len(scan.rows) != promised:
        raise fail(
            here,
            f"must have as many OBS rows as NOBS says, but NOBS is {promised:g} "
            f"and there are {len(scan.rows)}",
        )
    if not scan.rows:
        raise fail(where, "has no observations")


def _column_indices(header: Mapping[str, tuple[int, str]], where: str) -> dict[str, int]:
    _required(header, "VARLIST", where)
    line, text = header["VARLIST"]
    names = text.split()
    band = next((name for name in ("FLT", "BAND") if name in names), "FLT or BAND")
    indices = {}
    for name, written in (
        ("MJD", "MJD"),
        ("BAND", band),
        ("FLUXCAL", "FLUXCAL"),
        ("FLUXCALERR", "FLUXCALERR"),
    ):
        if written not in names:
            raise fail(f"{where}, line {line}", f"missing column {written}: VARLIST names {', '.join(names)}")
        indices[name] = names.index(written)
    return indices


def _check_widths(scan: _Scan, where: str) -> None:
    # NVAR is not asked: in real releases it disagrees with VARLIST, which the rows follow.
    width = len(scan.header["VARLIST"][1].split())
    for row, line in zip(scan.rows, scan.row_lines, strict=True):
        if len(row) != width:
            raise fail(
                f"{where}, line {line}",
                f"an OBS row must have the {width} columns of VARLIST, but has {len(row)}",
            )


def _column(scan: _Scan, index: int, name: str, where: str) -> NDArray[np.float64]:
    try:
        return np.array([float(row[index]) for row in scan.rows])
    except ValueError:
        for row, line in zip(scan.rows, scan.row_lines, strict=True):
            _float(row[index], f"{where}, line {line}", name)
        raise


def _float(text: str, where: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise fail(where, f"{name} must be a number, but is {text!r}") from error


def _good_rows(
    scan: _Scan,
    mjd: NDArray[np.float64],
    flux: NDArray[np.float64],
    flux_err: NDArray[np.float64],
    defined: NDArray[np.bool_],
    where: str,
    faults: Faults | None,
) -> NDArray[np.bool_]:
    """Return which of the defined rows keep every rule."""
    largest = float(np.finfo(np.float32).max)  # the store keeps fluxes in single precision
    rules = (
        ("MJD", mjd, np.isfinite(mjd) & (mjd > 0), "finite and positive"),
        ("FLUXCAL", flux, np.abs(flux) <= largest, "finite"),
        (
            "FLUXCALERR",
            flux_err,
            (flux_err >= np.finfo(np.float32).tiny) & (flux_err <= largest),
            "finite and positive",
        ),
    )
    for name, values, good, rule in rules:
        bad = ~good & defined
        if bad.any():
            row = int(bad.argmax())
            error = fail(
                f"{where}, line {scan.row_lines[row]}", f"{name} must be {rule}, but is {values[row]}"
            )
            if faults is None or not faults.drops_rows:
                raise error
            faults.drop_rows(f"{name} must be {rule}", int(bad.sum()), error)
            defined = defined & good
    if not defined.any():
        raise fail(
            where,
            "has no observations: flux and error of every row are -9, SNANA's mark for no measurement, "
            "or the row is broken",
        )
    return defined
