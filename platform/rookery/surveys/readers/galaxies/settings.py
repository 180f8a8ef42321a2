"""How to read a catalogue of galaxies: the options that all readers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.readers._column_map import read_columns
from rookery.surveys.readers.galaxies.photometry import Photometry
from rookery_ensembles.errors import fail

# What catalogues write for "unknown": everywhere, and in magnitudes, their errors and redshifts alone
# (99 may be a right ascension or a flux).
MISSING_ANYWHERE = (-9999.0, -999.0)
MISSING_MAGNITUDES = (-99.9, -99.99, -99.0, 99.0, 99.9, 99.99, -999.9, 999.0, 999.9, 9999.0)


class CatalogueOptions(TypedDict, total=False):
    """Keyword arguments of the readers of galaxies; see :class:`CatalogueSettings`."""

    columns: Mapping[str, str] | None
    columns_file: str | Path | None
    names: Sequence[str] | None
    unit: str | Mapping[str, str] | None
    softening: Mapping[str, float] | None
    offsets: Mapping[str, float] | None
    deredden: bool
    extinction: Mapping[str, float] | None
    missing: Sequence[float] | None


@dataclass(frozen=True)
class CatalogueSettings:
    """Options of a catalogue, checked.

    Raises
    ------
    InputError
        For an unknown unit, a number out of range, or a file of columns that cannot be read.
    """

    columns: Mapping[str, str] | None = None
    """Role -> column; ``{band}`` stands for every band. Roles: `object_id`, `redshift`, `mag_<band>`,
    `mag_err_<band>`, `flux_<band>`, `flux_err_<band>`, `mwebv`, `ra`, `dec`; any other is a covariate."""
    columns_file: str | Path | None = None
    """YAML file with lines ``ROLE: COLUMN``; `columns` goes before it."""
    names: Sequence[str] | None = None
    """The columns of a text table, in order, where its header lacks them or is wrong."""
    unit: str | Mapping[str, str] | None = None
    """Unit of the magnitudes, or of each band's: ab, asinh, nanomaggy, maggy, microjansky, nanojansky."""
    softening: Mapping[str, float] | None = None
    """Softening b of each band's asinh magnitudes; SDSS's are known."""
    offsets: Mapping[str, float] | None = None
    """Magnitudes to add to each band."""
    deredden: bool = False
    """Whether to correct magnitudes for Galactic extinction, from the role `mwebv`."""
    extinction: Mapping[str, float] | None = None
    """A_band / E(B-V) of each band; SDSS's are known."""
    missing: Sequence[float] | None = None
    """Further numbers that mean "unknown"."""

    def __post_init__(self) -> None:
        for value in self.missing or ():
            if not np.isfinite(value):
                raise fail("missing", f"must be finite numbers (NaN is always unknown), but holds {value!r}")
        _ = self.photometry, self.mapping

    @cached_property
    def photometry(self) -> Photometry:
        """Units and extinction."""
        return Photometry(
            self.unit, self.softening or {}, self.offsets or {}, self.deredden, self.extinction or {}
        )

    @cached_property
    def mapping(self) -> dict[str, str]:
        """Role -> column, from the file and by hand."""
        from_file = {} if self.columns_file is None else read_columns(Path(self.columns_file))
        return {**from_file, **(self.columns or {})}

    def without_missing(self, values: NDArray[np.float64], *, magnitudes: bool) -> NDArray[np.float64]:
        """Return numbers with NaN for those that mean "unknown"."""
        sentinels = [*MISSING_ANYWHERE, *(MISSING_MAGNITUDES if magnitudes else ()), *(self.missing or ())]
        # float32 columns hold 99.99 as 99.98999.
        gone = np.isclose(values[:, None], np.array(sentinels)[None, :], rtol=1e-6, atol=1e-9).any(axis=1)
        return np.where(gone, np.nan, values)


@dataclass
class Wrong:
    """What spoils rows: the first error of each, in the order in which rules are checked."""

    rules: dict[int, str] = field(default_factory=dict)

    def add(self, rows: NDArray[np.bool_], rule: str, values: NDArray[np.float64] | None = None) -> None:
        """Note a rule that some rows break; `values` are told with it."""
        for row in np.flatnonzero(rows):
            told = rule if values is None else f"{rule}, but is {values[row]:g}"
            self.rules.setdefault(int(row), told)
