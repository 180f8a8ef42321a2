"""FITS files, and one binary table -> NumPy columns, or one clear error whatever the damage."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.fits_units import check_units, open_fits
from rookery_ensembles.unpacked import reading, unpacked

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
