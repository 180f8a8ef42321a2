"""Files of predictions: Parquet, one row per object, where both packages meet."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery_ensembles.bounds import open_parquet
from rookery_ensembles.compact import packed, unpacked_values, value_column
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file, check_name
from rookery_ensembles.further_columns import COLUMNS
from rookery_ensembles.partitions import MANIFEST, Partitions, absent, join, open_partitions
from rookery_ensembles.schema import (
    ROLES,
    PredictionInfo,
    Predictions,
    check_predictions,
    require_predictions,
)
from rookery_ensembles.stack import Stack, average_starts, pool_folds, stack_members

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "ROLES",
    "PredictionInfo",
    "Predictions",
    "Stack",
    "average_starts",
    "check_predictions_path",
    "columns_of",
    "is_predictions_path",
    "pool_folds",
    "prediction_metrics",
    "predictions_of",
    "read_info",
    "read_partition",
    "read_predictions",
    "stack_members",
    "write_parts",
    "write_predictions",
]

_METADATA_KEY = b"rookery"
_SUFFIX = ".parquet"
_FLAG = "out_of_domain"


def check_predictions_path(path: str | Path) -> None:
    """Refuse, before work is done for it, a name that predictions cannot be written under.

    Raises
    ------
    InputError
        When the name does not end in ``.parquet``, the only format written, belongs to a folder, or is one
        that no file may have.
    """
    path = Path(path)
    check_name(path)
    if path.suffix.lower() != _SUFFIX:
        rule = f"predictions are written as Parquet, and the name must end in {_SUFFIX}"
        raise fail(path, f"{rule}, but ends in {path.suffix or 'nothing of the kind'!r}")
    if path.is_dir():
        raise fail(path, "must be a file of predictions to write, but is a folder")


def is_predictions_path(path: str | Path) -> bool:
    """Return whether predictions themselves are written under this name, after the checks of such a name.

    Raises
    ------
    InputError
        When the name ends in ``.parquet``, and `check_predictions_path` refuses it.
    """
    if Path(path).suffix.lower() != _SUFFIX:
        return False
    check_predictions_path(path)
    return True


def prediction_metrics(predictions: Predictions, positive: str = "Ia") -> dict[str, float]:
    """Return `classification_metrics` of class probabilities, or `photoz_metrics` of redshift PDFs.

    The latter come with ``log_loss`` too: the mean of -ln of the true bin's probability, in nats,
    over the objects whose redshift lies in a bin; NaN where none does.

    Parameters
    ----------
    predictions
        Of objects, some of known truth.
    positive
        As in `classification_metrics`.

    Raises
    ------
    InputError
        When no object's truth is known, or the predictions are invalid.
    """
    info = require_predictions(predictions, "predictions").info
    return info.target.score(
        predictions.values, predictions.truth, positive=positive, unseen=bool(info.unseen)
    )


def write_predictions(predictions: Predictions, path: str | Path) -> None:
    """Write predictions as Parquet: one row per object, ``info`` as JSON in the schema's metadata.

    The columns are ``object_id`` (string), ``truth`` (string or double; null where unknown),
    ``probability`` or ``pdf`` (fixed-size list of K float32) and, where it is known, ``out_of_domain``
    (boolean) and the columns of `rookery_ensembles.further_columns`. Where ``info.compact`` names a form,
    the PDFs are written in it, as ``pdf_<form>`` (see `rookery_ensembles.compact`).

    Raises
    ------
    InputError
        When the predictions break a rule of the schema, the name does not end in ``.parquet``, or the
        file cannot be written.
    """
    import pyarrow.parquet as pq

    check_predictions_path(path)
    table = _table(predictions, str(path))
    with atomic_file(path) as partial:
        pq.write_table(table, partial, **_how(predictions.info))


def write_parts(parts: Iterable[Predictions], info: PredictionInfo, path: str | Path) -> tuple[str, ...]:
    """Write predictions that come in parts into one file, a row group each; return the columns beside.

    Parameters
    ----------
    info
        What the file says about itself, in place of what the parts do.

    Raises
    ------
    InputError
        As `write_predictions` does, or when parts differ in the columns beside their predictions.
    """
    import pyarrow.parquet as pq

    check_predictions_path(path)
    writer, names = None, tuple[str, ...]()
    with atomic_file(path) as partial:
        try:
            for part in parts:
                table = _table(replace(part, info=info), str(path))
                if writer is None:
                    names = tuple(part.columns)
                    writer = pq.ParquetWriter(partial, table.schema, **_how(info))
                if table.schema != writer.schema:
                    rule = f"all parts must have the columns {', '.join(writer.schema.names)}"
                    raise fail(path, f"{rule}, but one has {', '.join(table.schema.names)}")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    return names


def _table(predictions: Predictions, where: str) -> "pa.Table":
    """Return predictions as a file holds them; raises InputError where they break a rule of the schema."""
    import pyarrow as pa

    checked = check_predictions(predictions, where)
    info, n = checked.info, len(checked.object_id)
    target = info.target
    truth = [None] * n if checked.truth is None else checked.truth
    held, numbers = value_column(target, info.compact), packed(checked.values, target, info.compact)
    columns = {
        "object_id": pa.array(checked.object_id, type=pa.string()),
        "truth": pa.array(truth, type=pa.type_for_alias(target.truth_type), from_pandas=True),
        held.name: pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), held.size),
    }
    if checked.out_of_domain is not None:
        columns[_FLAG] = pa.array(checked.out_of_domain)
    columns |= {name: pa.array(values) for name, values in checked.columns.items()}
    return pa.table(columns).replace_schema_metadata({_METADATA_KEY: info.to_json()})


def _how(info: PredictionInfo) -> dict[str, Any]:
    """Return the options of Arrow by which a file is written."""
    held = value_column(info.target, info.compact)
    return {
        "compression": "zstd",
        "use_dictionary": ["truth"],
        # Sorting the floats' bytes by significance: smaller files, and three times faster to read.
        "column_encoding": {f"{held.name}.list.element": "BYTE_STREAM_SPLIT"} if not info.compact else None,
        "write_page_checksum": True,
    }


def read_predictions(path: str | Path) -> Predictions:
    """Read a file of predictions, or a folder of partitions, and check it against the schema.

    The values of a file are a read-only view of Arrow's memory, without a copy, when their rows already
    sum (or integrate) to 1 within float32 rounding. Columns beyond the schema's are ignored.

    Raises
    ------
    InputError
        When the file is missing, is not Parquet, is cut short or altered, lacks a column or its
        metadata, has columns of the wrong type or size, or holds invalid ids, truths or values.
    """
    where = str(path)
    if Path(path).is_dir():
        return _joined(open_partitions(path))
    with opened_predictions(path) as (file, info):
        return predictions_of(file.read(columns=columns_of(file.schema_arrow, info)), info, where)


def columns_of(schema: "pa.Schema", info: PredictionInfo) -> list[str]:
    """Return the columns of a file that predictions are made of."""
    beside = [name for name in (_FLAG, *COLUMNS) if name in schema.names]
    return ["object_id", "truth", value_column(info.target, info.compact).name, *beside]


def predictions_of(table: "pa.Table", info: PredictionInfo, where: str) -> Predictions:
    """Return the predictions of a file's rows, checked; InputError where they break a rule."""
    held = value_column(info.target, info.compact)
    values = table[held.name].combine_chunks()
    cells = values.flatten()
    for name in table.column_names:
        nulls = table[name].null_count + (cells.null_count if name == held.name else 0)
        if nulls and name != "truth":
            raise fail(where, f"column `{name}` must not hold nulls, but holds {nulls}")
    found = Predictions(
        info=info,
        object_id=table["object_id"].to_numpy(),
        truth=table["truth"].to_numpy(),
        values=unpacked_values(
            cells.to_numpy(zero_copy_only=True).reshape(-1, held.size), info.target, info.compact
        ),
        out_of_domain=table[_FLAG].to_numpy() if _FLAG in table.column_names else None,
        columns={name: table[name].to_numpy() for name in COLUMNS if name in table.column_names},
    )
    return check_predictions(found, where)


def read_info(path: str | Path) -> PredictionInfo:
    """Read what a file of predictions, or a folder of partitions, says about itself, without its values.

    Raises
    ------
    InputError
        When the file is missing, is not Parquet, or lacks a column or its metadata, or the folder is not
        finished.
    """
    if Path(path).is_dir():
        return open_partitions(path).info
    with _opened(path) as file:
        return _read_info(file.schema_arrow, str(path))


def _joined(found: Partitions) -> Predictions:
    """Read all partitions; their values are copied once."""
    parts = (read_partition(found, number) for number in range(len(found.files)))
    whole = join(parts, found.info, found.objects)
    assert whole is not None  # a finished folder has a file
    return check_predictions(whole, str(found.path))


def read_partition(found: Partitions, number: int) -> Predictions:
    """Read a partition of a folder.

    Raises
    ------
    InputError
        As `read_predictions` does, or when it is not what the folder's document tells.
    """
    part = read_predictions(found.files[number])
    rows = len(part.object_id)
    if part.info != found.info or rows != found.rows[number]:
        rule = f"must be {found.rows[number]:,} predictions as {found.path / MANIFEST} tells them"
        raise fail(found.files[number], f"{rule}, but holds {rows:,} of {part.info.maker}")
    return part


@contextmanager
def opened_predictions(path: str | Path, **options: Any) -> "Iterator[tuple[pq.ParquetFile, PredictionInfo]]":
    """Open a file of predictions, and read what it says about itself.

    Parameters
    ----------
    options
        Of `pyarrow.parquet.ParquetFile`.

    Raises
    ------
    InputError
        Where that, or reading it, fails.
    """
    with _opened(path, **options) as file:
        yield file, _read_info(file.schema_arrow, str(path))


@contextmanager
def _opened(path: str | Path, **options: Any) -> "Iterator[pq.ParquetFile]":
    """Open a Parquet file; raises InputError where that, or reading it, fails."""
    import pyarrow as pa

    if not Path(path).is_file():
        raise absent(Path(path))
    try:
        with open_parquet(path, page_checksum_verification=True, **options) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if Path(path).suffix.lower() != _SUFFIX:
            rule = f"is no prediction file, which is Parquet and ends in {_SUFFIX}: tables of other programs"
            raise fail(path, f"{rule} go through `rookery combine`") from error
        reason = str(error).partition("\n")[0]
        raise fail(path, f"must be an undamaged Parquet file, but cannot be read ({reason})") from error


def _read_info(schema: "pa.Schema", where: str) -> PredictionInfo:
    """Read the metadata, and check that the columns it promises are there and of its types."""
    import pyarrow as pa

    metadata = (schema.metadata or {}).get(_METADATA_KEY)
    if metadata is None:
        raise fail(where, "the schema's metadata must have the key `rookery`; these are no predictions")
    info = PredictionInfo.from_json(metadata, f"{where}, metadata `rookery`")
    held = value_column(info.target, info.compact)
    text, truth = (pa.string(), pa.large_string()), pa.type_for_alias(info.target.truth_type)
    accepted = {
        "object_id": text,
        "truth": text if truth in text else (truth,),
        held.name: (pa.list_(pa.from_numpy_dtype(held.dtype), held.size),),
    }
    if _FLAG in schema.names:
        accepted[_FLAG] = (pa.bool_(),)
    for name, types in accepted.items():
        if schema.names.count(name) != 1:
            raise fail(where, f"there must be one column `{name}`; the columns are {', '.join(schema.names)}")
        found = schema.field(name).type
        if found not in types:
            raise fail(where, f"column `{name}` must be {types[0]}, but is {found}")
    return info
