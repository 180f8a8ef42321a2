"""Names of bands: one notion of aliases for every reader, and the order of wavelength."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rookery.surveys._report import WholeSurveyError
from rookery_ensembles.errors import fail

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
