"""One FITS binary table -> NumPy columns, or one clear error whatever the damage."""

import gzip
import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail


@dataclass(frozen=True)
class FitsTable:
    """A file's first binary table.

    Attributes
    ----------
    path
        The file.
    header
        Keys of the primary header, upper-case.
    columns
        Name -> values, one per row, in the machine's byte order; text is stripped of its padding.
        A column of k > 1 numbers a row is `k` columns ``name_0`` ... ; columns of text with
        several entries, of varying length or of more than two dimensions are left out.
    """

    path: Path
    header: dict[str, Any]
    columns: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))


def read_fits(path: Path) -> FitsTable:
    """Read the first binary table of a FITS file, plain or gzipped (told by its first bytes).

    Raises
    ------
    InputError
        When the file is missing, damaged, truncated, or has no table with a row.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise fail(path, f"cannot be read ({error})") from error
    try:
        table = _parse(path, content)
    except Exception as error:
        raise fail(path, f"is not a readable FITS file ({type(error).__name__}: {error})") from error
    if not len(table):
        raise fail(path, "must hold a binary table with at least one row, but has none")
    return table


def _parse(path: Path, content: bytes) -> FitsTable:
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=True) as units:
            header = {str(key).upper(): value for key, value in units[0].header.items()}
            table = next((unit for unit in units if isinstance(unit, fits.BinTableHDU)), None)
            if table is None:
                return FitsTable(path, header, {})
            rows, width = int(table.header["NAXIS2"]), int(table.header["NAXIS1"])
            if rows * width > len(content):
                raise OSError(f"truncated: {rows} rows of {width} bytes are promised")
            columns: dict[str, NDArray[Any]] = {}
            for name in table.columns.names:
                _add(columns, str(name).strip(), np.asarray(table.data[name]))
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
