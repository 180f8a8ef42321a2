"""Names of bands: one notion of aliases for every reader, and the order of wavelength."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rookery_ensembles.errors import fail

_WAVELENGTH_ORDER = "uUBVgGrRiIzZyYJHK"
_MOST = 127  # what a band index of one byte can count


class BandAliases(dict[str, str]):
    """Band as a source writes it -> band in the survey.

    A name without an entry loses a prefix that ends in "-" or "/" ("DES-g" -> "g") and is remembered.
    """

    def __missing__(self, name: str) -> str:
        self[name] = re.split(r"[-/]", name.strip())[-1] or name.strip()
        return self[name]

    def declared(self, text: str) -> tuple[str, ...]:
        """Return the bands of a FILTERS line: "griz", or names parted by commas or blanks."""
        names = re.split(r"[,\s]+", text.strip()) if re.search(r"[,\s]", text.strip()) else list(text.strip())
        return tuple(dict.fromkeys(self[name] for name in names if name))


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
