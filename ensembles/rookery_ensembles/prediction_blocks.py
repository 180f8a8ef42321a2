"""Files of predictions, a block of objects at a time: of those too large for memory, or of a page."""

from collections.abc import Iterator
from pathlib import Path

from rookery_ensembles.predictions import columns_of, opened_predictions, predictions_of
from rookery_ensembles.schema import Predictions

BLOCK = 10_000
"""Most objects of a block."""


def read_blocks(path: str | Path, first: int = 0, rows: int = BLOCK) -> Iterator[tuple[int, Predictions]]:
    """Yield the predictions of a file in blocks, in their order, each with the row of its first object.

    Parameters
    ----------
    path
        A file as `rookery_ensembles.predictions.write_predictions` writes it.
    first
        Blocks that end before this row are read over, and neither looked at nor yielded.
    rows
        Most objects of a block.

    Raises
    ------
    InputError
        As `read_predictions` does; a block's rules are checked when it is read.
    """
    import pyarrow as pa

    with opened_predictions(path) as (file, info):
        start = 0
        for batch in file.iter_batches(rows, columns=columns_of(file.schema_arrow, info)):
            if batch.num_rows and start + batch.num_rows > first:
                yield start, predictions_of(pa.Table.from_batches([batch]), info, str(path))
            start += batch.num_rows
