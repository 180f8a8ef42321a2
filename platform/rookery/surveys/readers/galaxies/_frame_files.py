"""FITS frames: their bands, grids on the sky and pixels."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.fits_units import check_units, open_fits
from rookery_ensembles.unpacked import reading, unpacked, unpacking

ENDINGS = (tuple(f"{kind}{packing}" for kind in (".fits", ".fit") for packing in ("", ".gz", ".bz2", ".fz")),)
# Images beside an image, by their EXTNAME.
_BESIDE = re.compile(r"mask|weight|wht|wgt|var|err|dq|flag|sky|b(ac)?kg|psf", re.IGNORECASE)
_NANOMAGGIES = ("", "nanomaggy", "nanomaggies", "nmgy", "nanomgy", "nmaggy")
_BAND_KEYS = ("FILTER", "BAND", "FILTNAM", "FILTNAME", "EXTNAME")


@dataclass(frozen=True)
class Plane:
    """One image of one band."""

    path: Path
    unit: int
    layer: int | None
    """The file's HDU, and the image's place in a stack (None for a plain image)."""
    band: str
    wcs: Any
    """`astropy.wcs.WCS` with two celestial axes."""
    shape: tuple[int, int]
    """Rows and columns."""

    def to_pixels(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, 2) columns and rows, from 0 at the first pixel's centre; NaN where there are none."""
        from astropy.wcs import NoConvergence

        try:
            return np.stack(self.wcs.all_world2pix(ra, dec, 0), axis=1)
        except NoConvergence as error:
            found = np.array(error.best_solution, dtype=np.float64)
            for bad in (error.divergent, error.slow_conv):
                if bad is not None:
                    found[bad] = np.nan
            return found

    def to_sky(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, Any]:
        """Return right ascension and declination in degrees of pixels."""
        return tuple(self.wcs.all_pix2world(x, y, 0))

    def pixel_scale(self) -> float:
        """Return the arcseconds along a pixel's side: the root of its area."""
        from astropy.wcs.utils import proj_plane_pixel_area

        return 3600 * float(np.sqrt(proj_plane_pixel_area(self.wcs)))


def find_planes(
    files: Sequence[Path], bands: Sequence[str], patterns: Mapping[str, str], *, any_unit: bool
) -> list[Plane]:
    """Return the frames' images in the wanted bands; images of other bands are left aside.

    An image's band is told by `patterns` (band -> pattern of file names), by the header's FILTER,
    BAND or EXTNAME, or by a part of the file's name (``frame-r-001000.fits``). A stack, of three
    dimensions, has the bands in their order.

    Parameters
    ----------
    any_unit
        Whether pixels may be in any unit, since a zero point is given.

    Raises
    ------
    InputError
        When a file is damaged, has no image with celestial coordinates, or no unit that is known; when
        an image's band cannot be told, or a band has no frame.
    """
    planes: list[Plane] = []
    for file in files:
        with reading(file), _units(file) as units:
            found = list(_planes_of(file, units, bands, patterns, any_unit))
        planes += found
    for band in bands:
        if not any(plane.band == band for plane in planes):
            rule = f"must have a frame of band {band!r}; say which is with --frame {band}=PATTERN"
            raise fail(
                files[0].parent,
                f"{rule}. Bands found: {', '.join(sorted({p.band for p in planes})) or 'none'}",
            )
    return planes


def _planes_of(
    file: Path, units: Any, bands: Sequence[str], patterns: Mapping[str, str], any_unit: bool
) -> Iterator[Plane]:
    from astropy.wcs import WCS

    images = [
        (number, unit)
        for number, unit in enumerate(units)
        if unit.is_image and len(unit.shape) in (2, 3) and not _BESIDE.search(unit.name)
    ]
    with_sky = []
    for number, unit in images:
        wcs = WCS(unit.header)
        if wcs.has_celestial:
            with_sky.append((number, unit, wcs.celestial))
    if not with_sky:
        raise fail(file, "must hold an image with celestial coordinates (WCS), but holds none")
    for number, unit, wcs in with_sky:
        place = f"{file}, HDU {number}"
        written = str(unit.header.get("BUNIT", "")).strip()
        if not any_unit and written.lower().replace(" ", "") not in _NANOMAGGIES:
            rule = f"pixels must be in nanomaggies, but BUNIT is {written!r}"
            raise fail(place, f"{rule}: give the AB magnitude of pixel value 1 with --zero-point")
        shape = (int(unit.shape[-2]), int(unit.shape[-1]))
        if len(unit.shape) == 3:
            if unit.shape[0] != len(bands):
                rule = f"a stack must have one image for each of the bands {', '.join(bands)}"
                raise fail(place, f"{rule}, but has {unit.shape[0]}")
            for layer, band in enumerate(bands):
                yield Plane(file, number, layer, band, wcs, shape)
            continue
        found = _band_of(file, unit.header, units[0].header, bands, patterns)
        if found is None:
            if len(with_sky) > 1:  # a weight or a mask beside the image
                continue
            keys = ", ".join(f"{key} {unit.header[key]!r}" for key in _BAND_KEYS if key in unit.header)
            rule = f"its band must be one of {', '.join(bands)}, but neither header nor name tell it"
            raise fail(place, f"{rule} ({keys or 'no FILTER'}): say it with --frame BAND=PATTERN")
        if found in bands:
            yield Plane(file, number, None, found, wcs, shape)


def _band_of(
    file: Path, header: Any, primary: Any, bands: Sequence[str], patterns: Mapping[str, str]
) -> str | None:
    """Return an image's band; one that is not wanted is returned as written, an unknown one is None."""
    for band, pattern in patterns.items():
        if fnmatch(file.name, pattern):
            return band
    for source in (header, primary):
        for key in _BAND_KEYS:
            words = re.split(r"[^A-Za-z0-9]+", str(source.get(key, "")))
            found = next((word for word in words if word in bands), None)
            if found is not None:
                return found
        if len(str(source.get("FILTER", "")).strip()) == 1:
            return str(source["FILTER"]).strip()
    words = re.split(r"[^A-Za-z0-9]+", file.name)
    matching = [word for word in words if word in bands]
    return matching[0] if len(set(matching)) == 1 else None


@contextmanager
def _units(file: Path, *, memmap: bool = True) -> Iterator[Any]:
    with file.open("rb") as stream:
        plain = stream.read(6) == b"SIMPLE"
    with unpacking(file) as stream:  # astropy would unpack other packings by itself, without bounds
        if stream.read(6) != b"SIMPLE":
            raise ValueError("it is no FITS file")
    content = b"" if plain else unpacked(file)
    with open_fits(file if plain else content, memmap=memmap and plain) as units:
        check_units(units, file, file.stat().st_size if plain else len(content))
        yield units


class PixelCache:
    """The pixels of the frames that were asked for last.

    Plain FITS files of floating-point numbers are memory-mapped; packed or scaled ones are held whole.
    """

    def __init__(self, n_planes: int) -> None:
        self._most = n_planes
        self._held: OrderedDict[tuple[Path, int, int | None], NDArray[Any]] = OrderedDict()

    def pixels(self, plane: Plane) -> NDArray[Any]:
        """Return a plane's pixels (rows, columns).

        Raises
        ------
        InputError
            When the file is damaged.
        """
        key = (plane.path, plane.unit, plane.layer)
        if key not in self._held:
            self._held[key] = self._read(plane)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]

    def _read(self, plane: Plane) -> NDArray[Any]:
        for memmap in (True, False):
            with reading(plane.path), _units(plane.path, memmap=memmap) as units:
                unit = units[plane.unit]
                if memmap and any(key in unit.header for key in ("BZERO", "BSCALE", "BLANK")):
                    continue
                data = unit.data if plane.layer is None else unit.data[plane.layer]
                if data.shape != plane.shape:
                    raise InputError(f"{plane.path}: is shorter than its header says")
                return np.asarray(data)
        raise AssertionError("the second way reads every file")
