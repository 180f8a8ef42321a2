"""Units of fluxes, told by the names of columns or a Parquet file's metadata: AB magnitudes of flux 1."""

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from rookery.surveys._document import ZERO_POINT
from rookery.surveys.readers._blocks import is_parquet
from rookery_ensembles.errors import fail

# AB magnitude of one unit: m = -2.5 log10(f / 3631 Jy), Oke & Gunn 1983.
ZERO_POINTS = {
    "fluxcal": ZERO_POINT,
    "nanomaggy": 22.5,
    "maggy": 0.0,
    "Jy": 8.9,
    "mJy": 16.4,
    "uJy": 23.9,
    "nJy": 31.4,
}
_WORDS = {
    "fluxcal": "fluxcal", "nanomaggy": "nanomaggy", "nanomaggies": "nanomaggy", "nmgy": "nanomaggy",
    "maggy": "maggy", "maggies": "maggy", "mgy": "maggy", "jy": "Jy", "jansky": "Jy", "mjy": "mJy",
    "millijansky": "mJy", "ujy": "uJy", "µjy": "uJy", "μjy": "uJy", "microjansky": "uJy", "njy": "nJy",
    "nanojansky": "nJy",
}  # fmt: skip
_UNCALIBRATED = ("adu", "dn", "counts", "count", "electrons", "photons", "erg", "ergs", "watt")
_FLUX = ("flux", "f", "fnu")


def told_unit(names: Sequence[str], path: Path, *, given: bool = False) -> str | None:
    """Return the unit that the columns of fluxes and their errors tell, or None where they tell none.

    A name tells by a word of its own (``f_uJy``, ``flux(nJy)``, ``FLUXCAL``), a Parquet column also by
    the key `unit` of its metadata. With `given`, the zero point is known from elsewhere.

    Raises
    ------
    InputError
        When columns tell different units, or one that has no zero point (counts, erg).
    """
    found: dict[str, str] = {}
    for name, text in _texts(names, path):
        words = re.findall(r"[^\W\d_]+", text.lower())
        for word in (*words, *(word.removeprefix(flux) for word in words for flux in _FLUX)):
            if word in _UNCALIBRATED and not given:
                rule = f"column {name!r} holds {word}, whose AB zero point nothing tells"
                raise fail(path, f"{rule}: give --zero-point, the AB magnitude of flux 1")
            if word in _WORDS:
                found.setdefault(_WORDS[word], name)
    if len(found) > 1:
        listed = " and ".join(f"{name!r} is in {unit}" for unit, name in found.items())
        raise fail(path, f"a flux and its error must have one unit, but {listed}")
    return next(iter(found), None)


def _texts(names: Sequence[str], path: Path) -> list[tuple[str, str]]:
    texts = [(name, name) for name in names]
    if is_parquet(path):
        schema = pq.read_schema(path)
        for name in names:
            metadata = schema.field(name).metadata or {}
            texts += [
                (name, text.decode("utf-8", "replace"))
                for key in (b"unit", b"units")
                if (text := metadata.get(key))
            ]
    return texts


def zero_point_of(
    told: str | None, unit: str | None, zero_point: float | None, path: Path
) -> tuple[float, str]:
    """Return the AB magnitude of flux 1, and where it comes from in words.

    Parameters
    ----------
    told
        What the columns tell; see :func:`told_unit`.
    unit, zero_point
        What the user says; at most one of them.

    Raises
    ------
    InputError
        When both are given, the unit is not known, or they contradict the columns.
    """
    if unit is not None and zero_point is not None:
        raise fail(path, "a flux unit and a zero point exclude each other: give one")
    if unit is not None and unit not in ZERO_POINTS:
        raise fail(path, f"the flux unit must be one of {', '.join(ZERO_POINTS)}, but is {unit!r}")
    given = zero_point if unit is None else ZERO_POINTS[unit]
    if told is not None and given is not None and abs(given - ZERO_POINTS[told]) > 0.01:
        rule = f"its columns say that fluxes are in {told} (zero point {ZERO_POINTS[told]:g})"
        raise fail(path, f"{rule}, but a zero point of {given:g} is asked for; rename the columns to use it")
    if given is not None:
        return float(given), f"{unit or 'fluxes'}, zero point {given:g} as given"
    if told is not None:
        return ZERO_POINTS[told], f"{told}, zero point {ZERO_POINTS[told]:g}, as its columns say"
    return (
        ZERO_POINT,
        f"no unit told: taken as FLUXCAL, zero point {ZERO_POINT:g} (else --zero-point or --flux-unit)",
    )
