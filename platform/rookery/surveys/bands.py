"""Bands: where they lie in wavelength, their order, and one notion of aliases for every reader."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.ingest import WholeSurveyError
from rookery_ensembles.errors import fail

# Effective wavelengths in angstrom, rounded. ugriz: SDSS (Fukugita et al. 1996, AJ 111, 1748, table 2a);
# y, Y: LSST's y4 and DECam's Y; UBVRI: Bessell 1990 (PASP 102, 1181); JHK: 2MASS (Cohen et al. 2003).
EFFECTIVE_WAVELENGTH = {
    "u": 3560.0, "g": 4830.0, "r": 6260.0, "i": 7670.0, "z": 9100.0, "y": 9700.0, "Y": 9900.0,
    "U": 3660.0, "B": 4360.0, "V": 5450.0, "R": 6410.0, "I": 7980.0,
    "J": 12350.0, "H": 16620.0, "K": 21590.0,
}  # fmt: skip
_WAVELENGTH_ORDER = "uUBVgGrRiIzZyYJHK"
_MOST = 127  # what a band index of one byte can count


class BandAliases(dict[str, str]):
    """Band as a source writes it -> band in the survey.

    A name without an entry loses a prefix that ends in "-", "/", "." or ":" before a letter ("DES-g",
    "DES.g", "sdss::g" -> "g"). Names of different prefixes that would
    so become one band are refused; entries may.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self._written: dict[str, str] = {}

    def __missing__(self, name: str) -> str:
        """Return the band of a name without an entry.

        Raises
        ------
        WholeSurveyError
            When another such name is the same band.
        """
        band = plain_band(name)
        # Bare names say nothing of whose band it is: "g" beside "DES-g" is the same.
        other = self._written.setdefault(band, name) if plain_prefix(name) else name
        if plain_prefix(other) != plain_prefix(name):
            rule = f"bands {other!r} and {name!r} would both be {band!r}"
            raise WholeSurveyError(
                f"{rule}: say what they are with --band OLD=NEW, for example {name}={name}"
            )
        self[name] = band
        return band

    def declared(self, text: str) -> tuple[str, ...]:
        """Return the bands of a FILTERS line: "griz", or names parted by commas or blanks."""
        names = re.split(r"[,\s]+", text.strip()) if re.search(r"[,\s]", text.strip()) else list(text.strip())
        # What is declared may be written without the prefix that rows have.
        return tuple(dict.fromkeys(self.get(name, plain_band(name)) for name in names if name))


def plain_band(name: str) -> str:
    """Return a band's name without a prefix."""
    return name.strip()[len(plain_prefix(name)) :]


def plain_prefix(name: str) -> str:
    """Return the prefix that a band's name loses; often none."""
    found = re.match(r".*[-/.:](?=[A-Za-z])", name.strip())
    return found[0] if found else ""


def effective_wavelengths(bands: Sequence[str], where: str | Path) -> NDArray[np.float64]:
    """Return the effective wavelength of each band in angstrom.

    Raises
    ------
    InputError
        For a band whose wavelength is not known.
    """
    for band in bands:
        if band not in EFFECTIVE_WAVELENGTH:
            known = ", ".join(EFFECTIVE_WAVELENGTH)
            raise fail(where, f"the wavelength of band {band!r} is not known; known are {known}")
    return np.array([EFFECTIVE_WAVELENGTH[band] for band in bands])


def wavelength_order(names: Iterable[str]) -> list[str]:
    """Return bands in order: known letters by wavelength, then others by name."""
    found = set(names)
    known = [name for name in _WAVELENGTH_ORDER if name in found]
    return known + sorted(found - set(known))


class BandIndex:
    """Numbers the bands of a survey that is still being read, in the order in which they appear."""

    def __init__(self, aliases: Mapping[str, str], where: Path) -> None:
        self._aliases = BandAliases(aliases)
        self._where = where
        self._index: dict[str, int] = {}

    def index(self, written: str) -> int:
        """Return the number of a band as the source writes it."""
        number = self._index.setdefault(self._aliases[written], len(self._index))
        if number >= _MOST:
            raise fail(self._where, f"a survey has at most {_MOST} bands, but {written!r} is one more")
        return number

    def ordered(self) -> tuple[list[str], list[int]]:
        """Return the bands in order of wavelength, and the place in it of each number."""
        bands = wavelength_order(self._index)
        return bands, [bands.index(name) for name in self._index]
