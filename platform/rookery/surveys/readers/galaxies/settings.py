"""How to read catalogues and images of galaxies: the options that all readers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.ingest import OnError
from rookery.surveys.readers._tables import read_columns
from rookery.surveys.readers.galaxies.photometry import Photometry
from rookery_ensembles.errors import fail

# What catalogues write for "unknown": everywhere, and in magnitudes, their errors and redshifts alone
# (99 may be a right ascension or a flux).
MISSING_ANYWHERE = (-9999.0, -999.0)
MISSING_MAGNITUDES = (-99.9, -99.99, -99.0, 99.0, 99.9, 99.99, -999.9, 999.0, 999.9, 9999.0)


class CatalogueOptions(TypedDict, total=False):
    """Keyword arguments of all readers of galaxies."""

    on_error: OnError
    """At a broken galaxy: stop and write nothing (the default), or skip and count it. A table that cannot be
    read always stops."""
    name: str | None
    """The survey's name; by default that of `path`."""
    columns: Mapping[str, str] | None
    """ROLE=COLUMN, such as redshift=z_sp or 'mag_{band}=modelMag_{band}'; may be repeated."""
    columns_file: str | Path | None
    """YAML file with lines ROLE: COLUMN."""
    names: Sequence[str] | None
    """Names of a text table's columns, with commas, instead of its header's."""
    unit: str | Mapping[str, str] | None
    """ab, asinh, nanomaggy, ...; or BAND=UNIT; may be repeated. AB by default."""
    softening: Mapping[str, float] | None
    """BAND=b of asinh magnitudes; SDSS's are known."""
    offsets: Mapping[str, float] | None
    """BAND=MAG to add, such as SDSS's u=-0.04 and z=0.02 to AB."""
    deredden: bool
    """Correct magnitudes for Galactic extinction (role mwebv)."""
    extinction: Mapping[str, float] | None
    """BAND=A/E(B-V) for `deredden`; SDSS's are known."""
    missing: Sequence[float] | None
    """Another number that means 'missing', beside -9999, -999, 99 ...; repeatable."""
    overwrite: bool
    """Replace a survey that is there already, its splits too."""


@dataclass(frozen=True)
class CatalogueSettings(Photometry):
    """The :class:`CatalogueOptions`, checked.

    Raises
    ------
    InputError
        For an unknown unit, a number out of range, or a file of columns that cannot be read.
    """

    on_error: OnError = "stop"
    name: str | None = None
    columns: Mapping[str, str] | None = None
    """Role -> column; ``{band}`` stands for every band. Roles: `object_id`, `redshift`, `mag_<band>`,
    `mag_err_<band>`, `flux_<band>`, `flux_err_<band>`, `mwebv`, `ra`, `dec`; any other is a covariate."""
    columns_file: str | Path | None = None
    names: Sequence[str] | None = None
    missing: Sequence[float] | None = None
    overwrite: bool = False
    """As in :class:`CatalogueOptions`."""

    def __post_init__(self) -> None:
        for value in self.missing or ():
            if not np.isfinite(value):
                raise fail("missing", f"must be finite numbers (NaN is always unknown), but holds {value!r}")
        super().__post_init__()
        _ = self.mapping

    @cached_property
    def mapping(self) -> dict[str, str]:
        """Role -> column, from the file and by hand."""
        from_file = {} if self.columns_file is None else read_columns(Path(self.columns_file))
        return {**from_file, **(self.columns or {})}

    def given(self) -> dict[str, Any]:
        """Return what is not as by default, but files, the survey's name and the treatment of errors."""
        own = ("on_error", "name", "columns", "columns_file", "catalogue", "overwrite")
        values = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}
        said = {name: value for name, (value, default) in values.items() if value != default}
        if "spike_ratio" in said:
            said["spike_ratio"] = said["spike_ratio"] or 0.0
        return {**{name: value for name, value in said.items() if name not in own}, "columns": self.mapping}

    def without_missing(self, values: NDArray[np.float64], *, magnitudes: bool) -> NDArray[np.float64]:
        """Return numbers with NaN for those that mean "unknown"."""
        sentinels = [*MISSING_ANYWHERE, *(MISSING_MAGNITUDES if magnitudes else ()), *(self.missing or ())]
        # float32 columns hold 99.99 as 99.98999.
        gone = np.isclose(values[:, None], np.array(sentinels)[None, :], rtol=1e-6, atol=1e-9).any(axis=1)
        return np.where(gone, np.nan, values)


class ImageOptions(CatalogueOptions, total=False):
    """Keyword arguments of the readers of images."""

    catalogue: str | Path | None
    """Table of the galaxies, joined by object id (else by row)."""
    bands: Sequence[str]
    """The images' bands in order: u,g,r,i,z (the default) or ugriz."""
    size: int
    """Rows and columns of a cutout, 64 by default."""
    pixel_scale: float | None
    """Arcsec along a pixel; by default the frames', or 0.396."""
    dtype: Literal["float16", "float32"]
    """Type of pixels, float16 by default."""
    zero_point: float | None
    """AB magnitude of pixel value 1; nanomaggies (22.5) by default."""
    spike_ratio: float | None
    """Clip pixels above so many times their neighbours' median, 4 by default; 0: never."""
    saturation: float | None
    """Clip pixels above so many nanomaggies."""


@dataclass(frozen=True)
class ImageSettings(CatalogueSettings):
    """The :class:`ImageOptions`, checked.

    Raises
    ------
    InputError
        As :class:`CatalogueSettings`, and for numbers out of range.
    """

    catalogue: str | Path | None = None
    bands: Sequence[str] = ("u", "g", "r", "i", "z")
    size: int = 64
    pixel_scale: float | None = None
    dtype: Literal["float16", "float32"] = "float16"
    zero_point: float | None = None
    spike_ratio: float | None = 4.0
    saturation: float | None = None
    """As in :class:`ImageOptions`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise fail("bands", f"must be unique, but are {', '.join(self.bands) or 'none'}")
        if self.size < 1:
            raise fail("size", f"must be at least 1 pixel, but is {self.size}")
        if self.dtype not in ("float16", "float32"):
            raise fail("dtype", f"must be float16 or float32, but is {self.dtype!r}")
        if self.zero_point is not None and not np.isfinite(self.zero_point):
            raise fail("zero_point", f"must be a finite magnitude, but is {self.zero_point!r}")
        for name, value in (("pixel_scale", self.pixel_scale), ("saturation", self.saturation)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise fail(name, f"must be a positive number, but is {value!r}")
        object.__setattr__(self, "spike_ratio", self.spike_ratio or None)
        if self.spike_ratio is not None and not self.spike_ratio > 1:
            raise fail("spike_ratio", f"must be greater than 1, but is {self.spike_ratio!r}")

    @property
    def limit(self) -> float:
        """Largest pixel that is kept, in nanomaggies."""
        largest = float(np.finfo(self.dtype).max)
        return largest if self.saturation is None else min(self.saturation, largest)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of a cutout."""
        return len(self.bands), self.size, self.size

    def to_bands_first(self, image: NDArray[Any], where: str) -> NDArray[Any]:
        """Return one cutout or several with bands before rows and columns, whichever way they came.

        Raises
        ------
        InputError
            When neither way gives the expected bands and size.
        """
        n_bands, size, _ = self.shape
        last, first = (size, size, n_bands), (n_bands, size, size)
        if image.shape[-3:] == first:
            return image
        if image.shape[-3:] == last:
            return np.moveaxis(image, -1, -3)
        found = " x ".join(map(str, image.shape[-3:])) or "one value"
        raise fail(
            where,
            f"a cutout must have {size} x {size} pixels in {n_bands} bands ({', '.join(self.bands)}), "
            f"but is {found}; --size and --bands say what is expected",
        )
