"""Tables written part by part, so that no more than one part is in memory: CSV, FITS, Parquet, HDF5 of qp."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.exchange.qp_layout import import_h5py, start_hist, storable
from rookery_ensembles.exchange.summary import Columns
from rookery_ensembles.schema import PredictionInfo, Predictions

Tables = Iterable[tuple[Predictions, Columns]]
"""Parts of predictions, each with its columns: the same in all."""
_FITS_BLOCK = 2880


def write_csv(tables: Tables, path: Path, info: PredictionInfo, n: int) -> None:
    """Write comma-separated values."""
    import pandas as pd

    with path.open("w", encoding="utf-8", newline="") as stream:
        for number, (_, columns) in enumerate(tables):
            pd.DataFrame(columns).to_csv(stream, index=False, header=not number, lineterminator="\n")


def write_parquet(tables: Tables, path: Path, info: PredictionInfo, n: int) -> None:
    """Write a table in Parquet: a row group each part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for _, columns in tables:
            arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
            if writer is None:  # what is unknown in the whole first part may be text in others
                kinds = {
                    name: pa.string() if pa.types.is_null(a.type) else a.type for name, a in arrays.items()
                }
                writer = pq.ParquetWriter(
                    path, pa.schema(kinds), compression="zstd", write_page_checksum=True
                )
            writer.write_table(pa.table(arrays).cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def write_fits(tables: Tables, path: Path, info: PredictionInfo, n: int) -> None:
    """Write a binary table: its header of all rows, then the rows of each part as astropy codes them."""
    with tempfile.TemporaryFile(prefix="rookery-table-", dir=path.parent) as file:
        spool = _Spool(file)
        for _, columns in tables:
            spool.add(columns)
        with path.open("wb") as stream:
            size = 0
            for number, rows in enumerate(spool.parts()):
                head, data = _coded(rows, spool.rows)
                stream.write(b"" if number else head)
                size += stream.write(data)
            stream.write(bytes(-size % _FITS_BLOCK))


def write_qp(tables: Tables, path: Path, info: PredictionInfo, n: int) -> None:
    """Write PDFs as qp's parametrisation ``hist``, with the columns as ancillary ones."""
    h5py = import_h5py(path)
    with (
        tempfile.TemporaryFile(prefix="rookery-table-", dir=path.parent) as scratch,
        h5py.File(path, "w", locking=False) as file,
    ):
        spool = _Spool(scratch)
        pdfs, extra = start_hist(file, info.target.edges, (n, info.target.n_columns))
        for part, columns in tables:
            pdfs[spool.rows : spool.rows + len(part.values)] = part.values
            spool.add(columns)
        for name in spool.kind.names or ():
            extra.create_dataset(name, (n,), spool.kind[name])
        at = 0
        for rows in spool.parts():
            for name in spool.kind.names or ():
                extra[name][at : at + len(rows)] = rows[name]
            at += len(rows)


Writer = Callable[[Tables, Path, PredictionInfo, int], None]
WRITERS: dict[str, Writer] = {
    "csv": write_csv, "fits": write_fits, "parquet": write_parquet, "qp": write_qp,
}  # fmt: skip


class _Spool:
    """Columns kept in a file until the widths of their texts, which all parts share, are known."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._parts = file, 0
        self.kind = np.dtype([])
        """Of the rows of all parts."""
        self.rows = 0

    def add(self, columns: Columns) -> None:
        """Keep the columns of a part."""
        fixed = {name: storable(values) for name, values in columns.items()}
        here = np.dtype([(name, values.dtype) for name, values in fixed.items()])
        self.kind = (
            here
            if not self._parts
            else np.dtype([(name, np.promote_types(here[name], self.kind[name])) for name in fixed])
        )
        rows: NDArray[Any] = np.empty(len(next(iter(fixed.values()))), here)
        for name, values in fixed.items():
            rows[name] = values
        np.lib.format.write_array(self._file, rows, allow_pickle=False)
        self._parts += 1
        self.rows += len(rows)

    def parts(self) -> Iterator[NDArray[Any]]:
        """Yield the rows of each part, as structures of one kind."""
        self._file.seek(0)
        for _ in range(self._parts):
            yield np.lib.format.read_array(self._file, allow_pickle=False).astype(self.kind)


def _coded(rows: NDArray[Any], n: int) -> tuple[bytes, bytes]:
    """Return what stands before the rows of a FITS file of `n`, and these rows without padding."""
    from astropy.io import fits
    from astropy.table import Table

    unit = fits.table_to_hdu(Table({name: rows[name] for name in rows.dtype.names or ()}))
    stream = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(stream)
    made = stream.getvalue()
    size = unit.header["NAXIS1"] * len(rows)
    at = len(made) - (size + -size % _FITS_BLOCK)
    header = unit.header.copy()
    header["NAXIS2"] = n
    told = header.tostring().encode("ascii")
    return made[: at - len(told)] + told, made[at : at + size]
