"""FITS files opened unit by unit, and held to the bytes that there are before any are read."""

import io
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rookery_ensembles.bounds import check_growth
from rookery_ensembles.errors import fail


@contextmanager
def open_fits(source: Path | bytes, *, memmap: bool = False) -> Iterator[Any]:
    """Yield the units of a FITS file, or of its bytes, not held to any rule yet; see :func:`check_units`."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = io.BytesIO(source) if isinstance(source, bytes) else source
        with fits.open(opened, memmap=memmap, lazy_load_hdus=True) as units:
            yield units


def check_units(units: Iterable[Any], where: Path, size: int) -> None:
    """Hold what the headers of a FITS file's units promise to the bytes that there are.

    Parameters
    ----------
    size
        Bytes of the whole file, unpacked.

    Raises
    ------
    InputError
        For a unit that is longer than the file, or whose tiles become too much when unpacked.
    """
    for unit in units:
        header = unit.header
        if type(unit).__name__ == "CompImageHDU":
            check_growth(where, math.prod(unit.shape) * abs(int(header["BITPIX"])) // 8, size)
            continue
        axes = [int(header.get(f"NAXIS{axis + 1}", 0)) for axis in range(int(header.get("NAXIS", 0)))]
        promised = math.prod(axes) * abs(int(header.get("BITPIX", 8))) // 8 if axes else 0
        rows_of_nothing = unit.is_image is False and len(axes) == 2 and axes[0] == 0 < axes[1]
        if promised > size or min(axes, default=0) < 0 or rows_of_nothing:
            told = " x ".join(map(str, axes))
            raise fail(
                where, f"is truncated: its header promises {told} values, but the file has {size:,} bytes"
            )
