"""Tables of other programs as columns by name: CSV, FITS, Parquet."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bounds import open_parquet
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.exchange.ids import ids_as_text
from rookery_ensembles.fits_units import check_units
from rookery_ensembles.text_tables import decimal_point, separator

IDS = ("object_id", "objectid", "objid", "obj_id", "id", "galaxy_id", "snid", "name")
"""Usual names of the column of objects' names, whatever the case; the first that a table has is taken."""
TEXT = "OUS"
_SHOWN_ROWS = 200
"""So many lines of a table in text tell how it is written."""


def read_columns(path: str | Path, id_column: str | None = None) -> dict[str, NDArray[Any]]:
    """Return a table's columns by name; names of objects as they stand there, text as objects.

    Raises
    ------
    InputError
        When the file is missing or damaged, has no row, or two columns of one name.
    """
    import pyarrow as pa

    path = Path(path)
    if not path.is_file():
        raise fail(path, "must be a table (CSV, FITS or Parquet), but does not exist")
    with path.open("rb") as stream:
        magic = stream.read(6)
    try:
        if magic[:4] == b"PAR1":
            found = _parquet(path)
        elif magic == b"SIMPLE":
            found = _fits(path)
        else:
            found = _csv(path, id_column)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, pa.ArrowException) as error:  # of all three
        reason = str(error).partition("\n")[0]
        raise fail(path, f"must be an undamaged table, but cannot be read ({reason})") from error
    if not found or not len(next(iter(found.values()))):
        raise fail(path, "must be a table with at least one row, but has none")
    return found


def find_ids(
    columns: Mapping[str, NDArray[Any]], where: str, id_column: str | None = None
) -> tuple[str, NDArray[Any]]:
    """Return the name of the column of objects' names, and (N,) the names as text.

    Raises
    ------
    InputError
        When there is no such column, or a name is missing or twice there.
    """
    name = id_column if id_column is not None else usual_name(columns, IDS)
    if name is None or name not in columns:
        wanted = f"`{id_column}`" if id_column else f"of objects' names, such as {', '.join(IDS[:3])}"
        raise fail(where, f"must have a column {wanted}; its columns are {', '.join(columns)}")
    return name, ids_as_text(np.asarray(columns[name]), f"{where}, column `{name}`")


def usual_name(columns: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of some usual names, whatever the case, that a table has; None if it has none."""
    lower = {column.lower(): column for column in reversed(list(columns))}
    return next((lower[name] for name in names if name in lower), None)


class RowsByName:
    """Finds the rows of objects in a table.

    Parameters
    ----------
    ids
        (T,) the table's names, in the order of its rows.
    where
        The table, for messages.

    Raises
    ------
    InputError
        When a name occurs twice.
    """

    def __init__(self, ids: NDArray[Any], where: str) -> None:
        self._where, self._row = where, dict[str, int]()
        for i, name in enumerate(ids.tolist()):
            if self._row.setdefault(name, i) != i:
                rule = "every object must occur once"
                raise fail(f"{where}, row {i}", f"{rule}, but {name!r} stands in row {self._row[name]} too")

    def of(self, wanted_n: NDArray[Any]) -> NDArray[np.intp]:
        """Return (N,) the row of each wanted object; raises InputError when one is absent."""
        wanted = wanted_n.astype(np.str_).tolist()
        absent = [name for name in wanted if name not in self._row]
        if absent:
            rule = f"must have a row for each of {len(wanted):,} objects"
            raise fail(self._where, f"{rule}, but {len(absent):,} are absent, the first being {absent[0]!r}")
        return np.array([self._row[name] for name in wanted], dtype=np.intp)


def _parquet(path: Path) -> dict[str, NDArray[Any]]:
    import pyarrow as pa

    with open_parquet(path, page_checksum_verification=True) as file:
        table = file.read()
    _once(path, table.column_names)
    flat = [name for name in table.column_names if not pa.types.is_nested(table.schema.field(name).type)]
    return {name: _plain(table[name]) for name in flat}


@contextmanager
def opened_fits(path: Path) -> Iterator[Any]:
    """Open a FITS file; raises InputError where that, or reading it, fails, or where it was cut short."""
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            warnings.filterwarnings("error", message=".*truncated")
            with fits.open(path, memmap=False) as opened:
                check_units(opened, path, path.stat().st_size)
                yield opened
    except InputError:
        raise
    except (OSError, TypeError, ValueError, IndexError, KeyError, Warning) as error:
        reason = str(error).partition("\n")[0]
        raise fail(path, f"must be an undamaged FITS file, but cannot be read ({reason})") from error


def _fits(path: Path) -> dict[str, NDArray[Any]]:
    from astropy.io import fits

    with opened_fits(path) as opened:
        tables = [unit for unit in opened if isinstance(unit, fits.BinTableHDU | fits.TableHDU)]
        if not tables:
            raise fail(path, "must hold a table, but has none in any of its units")
        rows = tables[0].data
        names = list(tables[0].columns.names)
        _once(path, names)
        found = {name: np.array(rows[name]) for name in names}
    return {name: values.astype(values.dtype.newbyteorder("=")) for name, values in found.items()}


def _csv(path: Path, id_column: str | None) -> dict[str, NDArray[Any]]:
    import csv

    import pyarrow as pa
    from pyarrow import csv as arrow

    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = [line for line in islice(stream, _SHOWN_ROWS) if line.strip("\r\n")]
    mark = _mark(lines)
    names = next(csv.reader(lines, delimiter=mark), [])
    _once(path, names)
    ids = id_column or usual_name(dict.fromkeys(names), IDS)
    kinds = {} if ids is None else {ids: pa.string()}  # 007 is no number
    convert = arrow.ConvertOptions(column_types=kinds, decimal_point=decimal_point(lines[1:], mark))
    table = arrow.read_csv(path, parse_options=arrow.ParseOptions(delimiter=mark), convert_options=convert)
    return {name: _plain(table[name]) for name in table.column_names}


def _mark(lines: list[str]) -> str:
    """Return what parts the fields: what parts header and first row alike, as names may hold marks."""
    import csv

    for mark in (";", ",", "\t"):
        header, row = (next(csv.reader(lines[start : start + 1], delimiter=mark), []) for start in (0, 1))
        if len(header) == len(row) > 1:
            return mark
    mark = separator(lines[0].strip()) if lines else ","
    return "," if mark == " " else mark  # blanks stand in the names of a single column


def _plain(column: Any) -> NDArray[Any]:
    """Return a column of Arrow as numbers, true and false, or text."""
    import pyarrow as pa

    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    found = column if is_number or pa.types.is_null(kind) else column.cast(pa.string())
    return np.asarray(found.to_numpy())


def _once(path: Path, names: list[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise fail(path, f"every column must have a name of its own, but {twice[0]!r} occurs twice")
