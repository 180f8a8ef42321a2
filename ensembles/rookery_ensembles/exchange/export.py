"""Export: predictions as a table that other programs read."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.compact import check_form
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.parts import Parts
from rookery_ensembles.exchange.qp_layout import import_h5py
from rookery_ensembles.exchange.summary import ID, TRUTHS, Columns
from rookery_ensembles.exchange.table_files import WRITERS, Tables
from rookery_ensembles.exchange.tables import RowsByName, find_ids, read_columns
from rookery_ensembles.files import atomic_file, check_name
from rookery_ensembles.predictions import is_predictions_path, write_parts, write_predictions
from rookery_ensembles.schema import Predictions
from rookery_ensembles.target import Target

logger = logging.getLogger(__name__)

SUFFIXES = {
    "csv": (".csv",),
    "fits": (".fits", ".fit"),
    "parquet": (".parquet",),
    "qp": (".hdf5", ".h5"),
    "compact": (".parquet",),
}
"""Format -> endings of its files' names; a table's format is one entry here and one in `WRITERS`. Where
two have one ending, the first is meant, unless the other is asked for."""
COMPACT_FORM = "quantiles"
"""What ``compact`` is: the form of 64 bytes an object."""
KEPT = "catalogue_"
"""A catalogue's columns begin so where an exported one has the same name."""


def export_format(out: str | Path, to: str | None = None) -> str:
    """Return the format of an export by its file's name, before any work is done for it.

    Parameters
    ----------
    out
        The file to write.
    to
        The format where it is told: ``csv``, ``fits``, ``parquet``, ``qp`` or ``compact``.

    Raises
    ------
    InputError
        When the ending is none of a format's, is that of another than `to`, or no file may have the name.
    """
    path = Path(out)
    check_name(path)
    known = ", ".join(f"{' or '.join(ends)} ({name})" for name, ends in SUFFIXES.items() if name != "compact")
    if to is not None and to not in SUFFIXES:
        raise fail("--to", f"must be one of {', '.join(SUFFIXES)}, but is {to!r}")
    able = [name for name, ends in SUFFIXES.items() if path.suffix.lower() in ends]
    found = to if to in able else next(iter(able), None)
    if found is None:
        raise fail(
            path, f"the name must end in {known}, but ends in {path.suffix or 'nothing of the kind'!r}"
        )
    if to is not None and found != to:
        raise fail(path, f"the name of a file of {to} must end in {' or '.join(SUFFIXES[to])}")
    if path.is_dir():
        raise fail(path, "must be a file to write, but is a folder")
    return found


def check_export(out: str | Path, target: Target | None = None, to: str | None = None) -> str:
    """Return the format as `export_format` does; refuse qp for classes, or where HDF5 cannot be written."""
    found = export_format(out, to)
    if found == "compact" and target is not None:
        check_form(COMPACT_FORM, target, out)
    if found == "qp":
        import_h5py(out)
        if target is not None:
            rule = "qp's files hold redshift PDFs, but these are class probabilities: take .csv or .fits"
            target.require_pdfs(out, rule)
    return found


def export(
    predictions: str | Path | Predictions,
    out: str | Path,
    *,
    to: str | None = None,
    catalogue: str | Path | Mapping[str, NDArray[Any]] | None = None,
    id_column: str | None = None,
) -> tuple[str, ...]:
    """Write predictions as a table: CSV, FITS, Parquet, or PDFs as an HDF5 file of qp.

    Parameters
    ----------
    predictions
        A prediction file (Parquet), a folder of them, or what was read from one. Of a folder one file at a
        time is in memory.
    out
        The file to write; its ending tells the format: ``.csv``, ``.fits``, ``.parquet``, ``.hdf5``, ``.h5``.
        qp's parametrisation is ``hist``, and the table's columns are its ancillary ones.
    to
        The format, checked against the ending; ``compact`` makes a prediction file in ``.parquet`` whose PDFs
        take 64 bytes each.
    catalogue
        A table (CSV, FITS or Parquet), or its columns, whose columns are written too. One with the name of
        an exported column goes by ``catalogue_NAME``; of the truth only the catalogue's is written.
    id_column
        Its column of objects' names; ``object_id`` by default.

    Returns
    -------
    Names of the columns, in order: those of `summary_columns`, then the catalogue's.

    Raises
    ------
    InputError
        For an unknown ending, class probabilities as qp, broken predictions, or a catalogue that
        lacks an object or has it twice; nothing is written then.
    """
    check_export(out, None, to)
    found = Parts.of(predictions)
    kind = check_export(out, found.info.target, to)
    if kind == "compact" and catalogue is not None:
        raise fail(out, "a prediction file holds no columns of a catalogue: export a table (.csv, .fits)")
    if kind == "compact":
        return write_parts(found, replace(found.info, compact=COMPACT_FORM), out)
    beside = None if catalogue is None else _Beside(catalogue, id_column, found.info.target)
    names: list[str] = []

    def tables() -> Tables:
        for part, columns in found.tables():
            whole = columns if beside is None else beside.joined(columns, part)
            names[:] = whole
            yield part, whole

    with atomic_file(out) as partial:
        WRITERS[kind](tables(), partial, found.info, found.objects)
    return tuple(names)


def check_output(out: str | Path, target: Target | None = None) -> None:
    """Refuse, before work is done for it, a name that `write_output` cannot write.

    Raises
    ------
    InputError
        For an unknown ending, one that is not for the target, or where HDF5 cannot be written.
    """
    if not is_predictions_path(out):
        check_export(out, target)


def write_output(
    predictions: Predictions,
    out: str | Path,
    catalogue: Mapping[str, NDArray[Any]] | None = None,
    id_column: str | None = None,
) -> None:
    """Write predictions as a prediction file where the name ends in ``.parquet``, else as `export` does."""
    if is_predictions_path(out):
        write_predictions(predictions, out)
    else:
        export(predictions, out, catalogue=catalogue, id_column=id_column)


class _Beside:
    """Columns of a catalogue, matched by name."""

    def __init__(
        self, catalogue: str | Path | Mapping[str, Any], id_column: str | None, target: Target
    ) -> None:
        self._where = "catalogue" if isinstance(catalogue, Mapping) else str(catalogue)
        given = dict(catalogue) if isinstance(catalogue, Mapping) else read_columns(catalogue, id_column)
        self._name, ids = find_ids(given, self._where, id_column)
        self._rows = RowsByName(ids, self._where)
        for key in [key for key, values in given.items() if np.ndim(values) > 1]:
            logger.warning("%s: column %s holds several values a row and is left out", self._where, key)
            del given[key]
        self._given, self._truth = given, TRUTHS[target.kind]

    def joined(self, columns: Columns, part: Predictions) -> Columns:
        """Return the columns of some predictions with those of the catalogue."""
        rows = self._rows.of(part.object_id)
        kept = {
            key: values for key, values in columns.items() if not (key == self._truth and key in self._given)
        }
        for key, values in self._given.items():
            if key != self._name:
                to = f"{KEPT}{key}" if key in columns and key != self._truth else key
                kept[to] = np.asarray(values)[rows]
        return {self._name if key == ID else key: values for key, values in kept.items()}
