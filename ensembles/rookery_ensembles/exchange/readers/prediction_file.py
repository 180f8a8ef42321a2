"""Rookery's own prediction files, Parquet with the metadata `rookery`, and folders of them."""

from pathlib import Path

from rookery_ensembles.exchange.found import Found
from rookery_ensembles.predictions import read_predictions
from rookery_ensembles.schema import Predictions


def recognises(path: Path, magic: bytes) -> bool:
    """Return whether a Parquet file says that it is a prediction file."""
    return magic[:4] == b"PAR1" and is_ours(path)


def is_ours(path: Path) -> bool:
    """Return whether a Parquet file's schema has our metadata, or cannot be read at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return b"rookery" in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return True  # read_predictions says what is wrong


def read(path: Path) -> Found:
    """Return the content of a prediction file or folder."""
    return found_in(read_predictions(path), path)


def found_in(predictions: Predictions, where: Path) -> Found:
    """Return predictions of our own like those of other programs."""
    return Found(
        str(where),
        predictions.object_id,
        target=predictions.info.target,
        values=predictions.values,
        truth=predictions.truth,
        info=predictions.info,
    )
