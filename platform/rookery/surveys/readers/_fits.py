"""FITS files, and one binary table -> NumPy columns, or one clear error whatever the damage."""

import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.readers._unpacked import reading, unpacked
from rookery_ensembles.bounds import check_growth
from rookery_ensembles.errors import InputError, fail

# Arrays of varying length, whose heap may repeat endlessly; they are left out.
_VARYING = re.compile(r"\d*[PQ]")


@dataclass(frozen=True)
class FitsTable:
    """A file's first binary table."""

    path: Path
    """The file."""
    header: dict[str, Any]
    """Keys of the primary header, upper-case."""
    columns: dict[str, NDArray[Any]]
    """Name -> values, one per row, in the machine's byte order; text is stripped of its padding.
    A column of k > 1 numbers a row is `k` columns ``name_0`` ... ; columns of text with
    several entries, of varying length or of more than two dimensions are left out."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))


def read_fits(path: Path) -> FitsTable:
    """Read the first binary table of a FITS file, plain or packed (told by its first bytes).

    Raises
    ------
    InputError
        When the file is missing, damaged, truncated, or has no table with a row.
    """
    with reading(path):
        content = unpacked(path)
    try:
        table = _parse(path, content)
    except InputError:
        raise
    except Exception as error:
        raise fail(path, f"is not a readable FITS file ({type(error).__name__}: {error})") from error
    if not len(table):
        raise fail(path, "must hold a binary table with at least one row, but has none")
    return table


def _parse(path: Path, content: bytes) -> FitsTable:
    from astropy.io.fits import BinTableHDU

    with open_fits(content) as units:
        header = {str(key).upper(): value for key, value in units[0].header.items()}
        table = next((unit for unit in units if isinstance(unit, BinTableHDU)), None)
        if table is None:
            return FitsTable(path, header, {})
        check_units([table], path, len(content))
        columns: dict[str, NDArray[Any]] = {}
        for column in table.columns:
            if not _VARYING.match(str(column.format)):
                _add(columns, str(column.name).strip(), np.asarray(table.data[column.name]))
        return FitsTable(path, header, columns)


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


def _add(columns: dict[str, NDArray[Any]], name: str, values: NDArray[Any]) -> None:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind == "U" and values.ndim == 1:
        columns[name] = np.char.strip(values).astype(object)
    elif values.dtype.kind in "iufb" and values.ndim == 1:
        columns[name] = values.astype(values.dtype.newbyteorder("="))
    elif values.dtype.kind in "iufb" and values.ndim == 2:
        for index in range(values.shape[1]):
            _add(columns, f"{name}_{index}", values[:, index])
